"""Shared by several commands: arguments, log output, tables in pages. Not a command itself."""

import logging
import sys

SOURCE = "vector, program, raw folder, Python file with build(config), or assembly text"


def whole(name="whole number", least=0):
    """An argparse type: a whole number of at least `least`. argparse shows `name` where the value is bad."""
    def number(text):
        if not text.isdecimal() or int(text) < least:
            raise ValueError(text)
        return int(text)

    number.__name__ = name
    return number


def config_argument(parser, use="", otherwise=None):
    """--config: a preset or file, "default" if not given; None where `otherwise` describes the default."""
    parser.add_argument("--config", metavar="NAME|FILE", default=None if otherwise else "default",
                        help=f"preset or vta_config.json{use} (default: {otherwise or '%(default)s'})")


def device_argument(parser, kinds="sim (functional), tsim (RTL), pynq or tcp://host:port"):
    parser.add_argument("--device", default="sim", metavar="NAME", help=f"{kinds} (default: %(default)s)")


def latency_argument(parser):
    parser.add_argument("--latency", type=whole("whole number of cycles"), default=16, metavar="N",
                        help="memory latency in cycles (default: %(default)s)")


def log_to_stderr():
    """Print the log messages of `vta`, INFO and above, as lines on standard error; a second call does nothing."""
    logger = logging.getLogger("vta")
    logger.setLevel(logging.INFO)
    logger.addHandler(_HANDLER)


class _Stderr(logging.Handler):
    def emit(self, record):
        print(record.getMessage(), file=sys.stderr, flush=True)      # the sys.stderr of this moment


_HANDLER = _Stderr()


def replace_between(path, name, text=None):
    """Put `text` between the two marks <!-- vta:NAME --> of a page; without a text only look for the marks.

    ValueError unless the page has exactly two.
    """
    mark = f"<!-- vta:{name} -->"
    parts = path.read_text().split(mark)
    if len(parts) != 3:
        raise ValueError(f"{path} must hold the line {mark} twice: the table goes between")
    if text is not None:
        path.write_text(f"{parts[0]}{mark}\n\n{text}\n\n{mark}{parts[2]}")
