"""Measure the area of accelerators in a 7-series FPGA with Yosys: cells, and beside them period and cycles.

The period is the estimate of `vta timing`. Cycles are those of examples/conv2d_by_hand.py on the RTL, memory latency
16, where tiles are 1x16. --write replaces the table between the marks in FILE.
"""

import sys
from pathlib import Path

from vta.commands._common import log_to_stderr, replace_between

NAME = "area"
HELP = "count LUTs, DSPs and block RAMs of configurations"
EPILOG = """examples:
  vta area                                   the default configuration
  vta area --all --write docs/area.md        the table of the documentation (half an hour)
"""
COLUMNS = ("configuration", "LUT", "of these memory", "FF", "DSP48E1", "RAMB36", "RAMB18", "period, ns", "cycles")


def add_arguments(parser):
    parser.add_argument("--config", action="append", metavar="NAME|FILE", help="preset or file; may be repeated")
    parser.add_argument("--all", action="store_true", help="all presets but wide, and tiles of 2x16")
    parser.add_argument("--no-cycles", action="store_true", help="do not run the convolution")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in this file")


def run(args):
    from vta.clock import area_configurations, row
    from vta.hw.config import PRESETS, Config

    log_to_stderr()
    configs = [Config.load(name) for name in args.config or ([] if args.all else ["default"])]
    if args.all:
        configs += area_configurations()
    if args.write:
        replace_between(args.write, NAME)        # refuse a bad file now, not after the work
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" + "|--:" * (len(COLUMNS) - 1) + "|"]
    code = 0
    for config in configs:
        found = row(config, cycles=not args.no_cycles, convolutions=False)
        area, cycles = found.area, "" if found.by_hand is None else f"{found.by_hand:,}"
        cells = (f"{count:,}" for count in (area.lut, area.lutram, area.ff, area.dsp, area.ramb36, area.ramb18))
        lines.append("| " + " | ".join((config.name, *cells, f"{found.report.ns:.2f}", cycles)) + " |")
        if config == PRESETS["default"]:
            for text in area.excess():
                print(f"vta: the default configuration does not fit: {text}", file=sys.stderr)
                code = 1
    table = "\n".join(lines)
    print(table)
    if args.write:
        replace_between(args.write, NAME, table)
    return code
