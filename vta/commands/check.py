"""Prove that the result of a stream does not depend on timing, or report its faults.

Races (two units touch one entry and no token orders them), deadlock, tokens left over, reads of unwritten entries,
on-chip and DRAM bounds, meaningless fields. Reads vectors (.npz), programs, folders of raw binaries, Python files with
build(config), and assembly text; a vector has the tokens expected before and after it. Exit code 1 for faults.
"""

from vta.commands._common import SOURCE, config_argument

NAME = "check"
HELP = "check streams for races, deadlock, stray tokens, bounds"
EPILOG = "example: vta check tut_conv_vt2.npz my_conv.vta"


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help=SOURCE)
    config_argument(parser, " for Python files and assembly text")


def run(args):
    from vta.hw.config import Config
    from vta.sources import open_source

    config, clean = Config.load(args.config), True
    for path in args.files:
        report = open_source(path, config).check()
        clean = clean and report.ok
        *faults, verdict = str(report).splitlines()
        print("\n".join([f"{path}: {verdict}", *(f"  {fault}" for fault in faults)]), flush=True)
    return 0 if clean else 1
