"""The command line: `vta COMMAND ...`. Commands are the modules of `vta.commands`, found by name.

Bad input of any kind is one line on standard error, `vta: what is wrong`, and an exit code that is not 0:
2 for the command line itself, 1 for everything else. VTA_TRACEBACK=1 in the environment shows the traceback.
"""

import argparse
import importlib
import io
import os
import pkgutil
import sys

import vta
from vta import commands


class _Parser(argparse.ArgumentParser):
    """Reports an error in one line, without the usage text."""

    def error(self, message):
        print(f"vta: {message} (see `{self.prog} --help`)", file=sys.stderr)
        raise SystemExit(2)


def _parser(names):
    """The parser for the commands `names`: only their modules are imported."""
    parser = _Parser(prog="vta", description=vta.__doc__, allow_abbrev=False,
                     epilog="`vta COMMAND --help` describes each.")
    parser.add_argument("--version", action="version", version=f"vta {vta.__version__}")
    found = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name in names:
        module = importlib.import_module(f"vta.commands.{name}")
        command = found.add_parser(module.NAME, help=module.HELP, description=module.__doc__,
                                   epilog=getattr(module, "EPILOG", None), allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv=None):
    """Run one command; returns the exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):         # show undecodable names, as standard error does
        sys.stdout.reconfigure(errors="backslashreplace")
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__) if module.name[0] != "_")
    chosen = [name for name in names if argv[:1] == [name]]
    try:
        args = _parser(chosen or names).parse_args(argv)
        code = args.run(args) or 0
        if sys.stdout is not None:       # None where it was closed: vta ... >&-
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("vta: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:      # the reader of our output has exited, e.g. `vta disasm FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if not _expected(error) or os.environ.get("VTA_TRACEBACK"):
            raise
        text = str(error) or "out of memory"
        if isinstance(error, OSError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        print("vta:", " ".join(text.split()), file=sys.stderr)
        return 1


def _expected(error):
    """Whether the error is of this project, or one of input, output and memory, and not a bug."""
    return isinstance(error, OSError | ValueError | MemoryError) or type(error).__module__.startswith("vta.")
