"""Run the benchmark on the RTL: cycles of real layers against the bound of an ideal machine.

Cycles are exact: they are the same on every machine. Every result is compared with numpy, bit for bit. With
--vectors the streams in that folder whose bound is above 20,000 cycles are measured as well.

--board and --boards measure some layers with the configuration and the memory of boards (hw/boards.py) instead, and
what that memory costs against latency 16.
"""

import sys
from pathlib import Path

from vta.commands._common import config_argument, latency_argument, log_to_stderr, replace_between

NAME = "bench"
HELP = "cycles of real layers on the RTL against the bound, as a table"
EPILOG = """examples:
  vta bench --only 'resnet18_C*' --latency 64
  vta bench --board pynq-z2 --only resnet18_dense
  vta bench --boards --write docs/performance.md
"""


def add_arguments(parser):
    where = parser.add_mutually_exclusive_group()
    config_argument(where)
    where.add_argument("--board", metavar="NAME", help="with the configuration and the memory of this board")
    where.add_argument("--boards", action="store_true", help="with those of every board")
    latency_argument(parser)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="rows whose name matches, e.g. 'resnet18_C*'")
    parser.add_argument("--vectors", type=Path, metavar="FOLDER", help="measure the vector files in FOLDER too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in this Markdown file")
    parser.add_argument("--roofline", type=Path, metavar="FILE", help="draw the roofline into this SVG file")


def run(args):
    if args.board or args.boards:
        return _boards(args)
    from vta.benchmark import measure, table
    from vta.hw.config import Config
    from vta.pictures.roofline import Point, peak, roofline
    from vta.runtime.device import open_device

    log_to_stderr()
    config = Config.load(args.config)
    _check_write(args, NAME)
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


def _boards(args):
    """The same for boards, with another table."""
    from vta.board_benchmark import REFERENCE, groups, measure, table
    from vta.hw.boards import BOARDS, find_board

    log_to_stderr()
    if args.roofline or args.latency != REFERENCE:
        raise ValueError("a board has its own memory: no --latency and no --roofline with it")
    if args.board and args.write:
        raise ValueError(f"--board {args.board} --write {args.write}: a part would replace the whole table")
    _check_write(args, "boards")
    measured = []
    for group in groups([find_board(args.board)] if args.board else BOARDS.values()):
        costs = []
        measured.append((group, costs))
        for cost in measure(group, args.only, args.vectors):
            print(f"{group[0].name:<12} {cost.name:<26} {cost.reference:>9} -> {cost.cycles:>9} cycles",
                  file=sys.stderr, flush=True)
            costs.append(cost)
    if not all(costs for _, costs in measured):
        raise ValueError(f"no row of the benchmark matches {args.only!r}")
    text = table(measured)
    print(text)
    if args.write:
        replace_between(args.write, "boards", text)
    return 0


def _check_write(args, mark):
    """Refuse a bad file now, not after the work."""
    if args.write:
        if args.only != "*":
            raise ValueError(f"--only {args.only} --write {args.write}: a part would replace the whole table")
        replace_between(args.write, mark)
