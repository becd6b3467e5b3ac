"""Estimate the clock of configurations, or measure it by place and route, with open tools.

Part xc7: static estimate for a Zynq-7020, seconds after a synthesis of minutes. Part ecp5: place and route on a Lattice
ECP5, ten minutes. Both name the longest paths by unit and signal. docs/timing.md says what the figures mean.
"""

import dataclasses
import json
import statistics
from pathlib import Path

from vta.commands._common import log_to_stderr, replace_between, whole

NAME = "timing"
HELP = "estimate or measure the clock, with the paths that limit it"
EPILOG = """examples:
  vta timing --config tiny
  vta timing --config pynq --paths 3 --json
  vta timing --part ecp5 --seeds 3           place and route with three seeds: best and median
  vta timing --all --write docs/timing.md    the tables of the documentation (half an hour)
"""


def add_arguments(parser):
    parser.add_argument("--config", action="append", metavar="NAME|FILE", help="preset or file; may be repeated "
                        "(default: default; with --part ecp5: 1x8x8)")
    parser.add_argument("--part", choices=("xc7", "ecp5"), default="xc7", help="estimate for 7-series, or place and "
                        "route on ECP5 (default: %(default)s)")
    parser.add_argument("--seeds", type=whole("number of seeds", 1), default=1, metavar="N",
                        help="place and route N times, seeds from 1 on (default: %(default)s)")
    parser.add_argument("--paths", type=whole("number of paths", 1), default=1, metavar="N",
                        help="print N paths cell by cell (default: %(default)s)")
    parser.add_argument("--units", type=whole("number of units", 1), default=20, metavar="N",
                        help="print the worst paths of N units (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON, with all units")
    parser.add_argument("--all", action="store_true", help="all configurations of docs/area.md on xc7, with cycles, "
                        "and 1x8x8 on ecp5, as tables")
    parser.add_argument("--write", type=Path, metavar="FILE", help="with --all: replace the tables in this file")


def run(args):
    from vta.sim.timing.text import as_dict, as_text
    log_to_stderr()
    if args.all or args.write:
        return _tables(args)
    found = []
    for config, report, facts in _measured(args):
        if args.json:
            found.append({"config": config.name, "part": args.part} | facts | as_dict(report))
            continue
        print(f"configuration {config.name}, {args.part}")
        print("\n".join(f"{key}: {value}" for key, value in facts.items()))
        print(as_text(report, args.paths, args.units), end="\n\n")
    if args.json:
        print(json.dumps(found, indent=2))
    return 0


def _measured(args):
    """Yield (configuration, Report, {name: fact}) of each that `args` ask for."""
    from vta.hw.config import Config
    from vta.sim.area import area_of_synthesis
    from vta.sim.synthesis import synthesise
    from vta.sim.timing import place
    from vta.sim.timing.estimate import estimate
    from vta.sim.timing.routed import calibrate, routed_netlist, routed_report
    if args.part == "xc7":
        if args.seeds > 1:
            raise ValueError(f"--seeds {args.seeds}: the estimate for xc7 does not depend on a seed")
        for name in args.config or ["default"]:
            config = Config.load(name)
            synthesis = synthesise(config)
            yield config, estimate(synthesis), dataclasses.asdict(area_of_synthesis(synthesis))
    for name in (args.config or [place.CONFIG]) if args.part == "ecp5" else ():
        config = place.CONFIG if name == place.CONFIG.name else Config.load(name)
        runs = [place.place_and_route(config, seed) for seed in range(place.SEED, place.SEED + args.seeds)]
        best = max(runs, key=lambda routed: routed.mhz)
        facts = {"seed": best.seed, "fmax_mhz": round(best.mhz, 2)}
        facts |= {name: used for name, (used, _) in best.used.items()}
        if len(runs) > 1:
            facts |= {"seeds": {routed.seed: round(routed.mhz, 2) for routed in runs},
                      "median_mhz": round(statistics.median(routed.mhz for routed in runs), 2)}
        facts["calibration"] = str(calibrate(routed_netlist(best)))
        yield config, routed_report(best), facts


def _tables(args):
    from vta.clock import area_configurations, row, table
    from vta.sim.timing import place
    from vta.sim.timing.routed import routed_table
    if not args.all:
        raise ValueError(f"--write {args.write} without --all: a part would replace the whole table")
    if args.write:
        for mark in ("timing", "routed"):
            replace_between(args.write, mark)        # refuse a bad file now, not after the work
    estimates = table([row(config) for config in area_configurations()])
    print(estimates, flush=True)
    seeds = range(place.SEED, place.SEED + args.seeds)
    routed = routed_table([place.place_and_route(place.CONFIG, seed) for seed in seeds])
    print(routed)
    if args.write:
        replace_between(args.write, "timing", estimates)
        replace_between(args.write, "routed", routed)
    return 0
