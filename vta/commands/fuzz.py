"""Run random programs on the functional simulator and the RTL, and compare all the state that they leave.

DRAM, tokens, event counters, error status and scratchpads must be equal, under random memory behaviour. Each program
follows from its seed and configuration: `vta fuzz --seed 17 --count 1 --config tiny` runs that one again.
A failing program is shrunk and written as assembly to the folder --out; the exit code is then 1.
"""

import secrets
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from vta.commands._common import log_to_stderr, whole

NAME = "fuzz"
HELP = "compare random programs on functional simulator and RTL"
EPILOG = "example: vta fuzz --count 1000 --config all"


def add_arguments(parser):
    from vta.fuzz.configs import VARIANTS
    parser.add_argument("--count", type=whole("positive number", 1), default=100, metavar="N",
                        help="programs, divided among the configurations (default: %(default)s)")
    parser.add_argument("--seed", type=whole(), metavar="S", help="of the first program (default: a random one)")
    parser.add_argument("--config", nargs="+", default=["tiny"], metavar="NAME|FILE",
                        help=f"presets, files, {', '.join(VARIANTS)}, or all (default: tiny)")
    parser.add_argument("--out", default="build/fuzz", metavar="FOLDER",
                        help="where failing programs are written (default: %(default)s)")
    parser.add_argument("--jobs", type=whole("positive number", 1), default=1, metavar="J",
                        help="configurations run at the same time (default: %(default)s)")
    parser.add_argument("--coverage", action="store_true", help="print what the programs contained")


def run(args):
    from vta.fuzz.configs import fuzz_configs
    from vta.fuzz.coverage import Coverage

    if Path(args.out).exists() and not Path(args.out).is_dir():
        raise ValueError(f"--out {args.out}: it is no folder")
    configs = fuzz_configs(args.config)
    seed = secrets.randbelow(1 << 31) if args.seed is None else args.seed
    tasks, left = [], args.count
    for number, config in enumerate(configs):
        count = -(-left // (len(configs) - number))
        if count:
            tasks.append((config, seed + args.count - left, count, args.out))
            print(f"{config.name}: {count} programs from seed {tasks[-1][1]} on", flush=True)
        left -= count
    coverage, failures = Coverage(), 0
    for (config, *_), (found, cycles, failure) in zip(tasks, _results(tasks, args.jobs), strict=True):
        coverage.merge(found)
        if failure is None:
            print(f"{config.name}: equal, {cycles:,} cycles simulated", flush=True)
        else:
            failures += 1
            print(f"{config.name}: DIFFERENT, {failure}\n\n{failure.case.text()}", flush=True)
            print(f"vta: {config.name}: {failure}; written to {failure.path}", file=sys.stderr)
    if args.coverage:
        print("\n".join(coverage.table()))
    return 1 if failures else 0


def _results(tasks, jobs):
    """What `_campaign` returns for each task, in order."""
    if jobs < 2:
        yield from (_campaign(*task) for task in tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_campaign, *zip(*tasks, strict=True))


def _campaign(config, first, count, folder):
    """Run `count` programs: (Coverage, cycles, Failure or None)."""
    from vta.fuzz.campaign import Campaign
    log_to_stderr()                          # in a process of its own, with --jobs
    with Campaign(config, first=first, folder=folder) as campaign:
        failure = campaign.run(count, lambda n: _progress(config.name, n, count))
    return campaign.coverage, campaign.cycles, failure


def _progress(name, done, count):
    """One line redrawn on a terminal; elsewhere a line for each tenth."""
    if sys.stderr.isatty():
        print(f"\r{name}: {done}/{count}\x1b[K", end="" if done < count else "\n", file=sys.stderr, flush=True)
    elif done % max(count // 10, 1) == 0:
        print(f"{name}: {done}/{count}", file=sys.stderr, flush=True)
