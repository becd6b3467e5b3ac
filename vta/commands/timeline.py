"""Draw what load, compute and store do over time, as SVG, and print it as numbers.

The cycles come from the compiler's timing model, which needs no run (docs/performance.md has its error).
Several files are drawn one below the other on one scale. Reads the same files as `vta check`.
"""

from pathlib import Path

from vta.commands._common import SOURCE, config_argument, latency_argument

NAME = "timeline"
HELP = "draw what the units do over time, as SVG"
EPILOG = "example: vta timeline examples/conv2d_by_hand.py --to 60000 --out conv.svg"


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help=SOURCE)
    parser.add_argument("--out", type=Path, default=Path("timeline.svg"), metavar="FILE.svg",
                        help="the SVG file (default: %(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="CYCLE", help="the first cycle drawn")
    parser.add_argument("--to", type=int, dest="last", metavar="CYCLE", help="the last (default: the end)")
    latency_argument(parser)
    config_argument(parser, " for Python files and assembly text")


def run(args):
    from vta.hw.config import Config
    from vta.pictures.timeline import Panel, summary, timeline
    from vta.sources import open_source

    config, panels = Config.load(args.config), []
    for path in args.files:
        source = open_source(path, config)
        panels.append(Panel(Path(path).stem, source.insns, source.config, source.facts.get("tokens_before"),
                          _uops(source)))
    picture = timeline(panels, args.first, args.last, args.latency)
    for panel in panels:
        print("\n".join(summary(panel, args.latency)))
    args.out.write_text(picture.svg())
    print(args.out)
    return 0


def _uops(source):
    """The function from (dram_base, count) to micro-op words; those that the source does not have are 0."""
    import numpy as np

    from vta.hw.isa import UOP_BYTES

    def words(at, count):
        data = source.memory(at * UOP_BYTES, count * UOP_BYTES)
        return np.zeros(count, "<u4") if data is None else np.ascontiguousarray(data).view("<u4")
    return words
