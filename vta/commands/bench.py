"""Run the benchmark on the RTL: cycles of real layers against the bound of an ideal machine.

Cycles are exact: they are the same on every machine. Every result is compared with numpy, bit for bit. With
--vectors the streams in that folder whose bound is above 20,000 cycles are measured as well.
"""

import sys
from pathlib import Path

from vta.commands._common import config_argument, latency_argument, log_to_stderr, replace_between

NAME = "bench"
HELP = "cycles of real layers on the RTL against the bound, as a table"
EPILOG = "example: vta bench --only 'resnet18_C*' --latency 64"


def add_arguments(parser):
    config_argument(parser)
    latency_argument(parser)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="rows whose name matches, e.g. 'resnet18_C*'")
    parser.add_argument("--vectors", type=Path, metavar="FOLDER", help="measure the vector files in FOLDER too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in this Markdown file")
    parser.add_argument("--roofline", type=Path, metavar="FILE", help="draw the roofline into this SVG file")


def run(args):
    from vta.benchmark import measure, table
    from vta.hw.config import Config
    from vta.pictures.roofline import Point, peak, roofline
    from vta.runtime.device import open_device

    log_to_stderr()
    config = Config.load(args.config)
    if args.write:
        if args.only != "*":
            raise ValueError(f"--only {args.only} --write {args.write}: a part would replace the whole table")
        replace_between(args.write, NAME)        # refuse a bad file now, not after the work
    rows = []
    with open_device("tsim", config, latency=args.latency) as device:
        for row in measure(device, args.latency, args.only, args.vectors):
            print(f"{row.name:<26} {row.cycles:>9} cycles, bound {row.bound:>9}, efficiency {row.efficiency:.1%}",
                  file=sys.stderr, flush=True)
            rows.append(row)
    if not rows:
        raise ValueError(f"no row of the benchmark matches {args.only!r}")
    text = table(rows, config, args.latency)
    print(text)
    if args.write:
        replace_between(args.write, NAME, text)
    if args.roofline:
        points = [Point(row.name, row.gemm * peak(config), row.read_bytes, row.write_bytes, row.cycles) for row in rows]
        args.roofline.write_text(roofline(points, config, args.latency).svg())
    return 0
