"""Run vector files and compare DRAM, tokens and statistics with the expected values in the files.

The bound is the fewest cycles that an ideal in-order machine takes on the same bus at memory latency --latency
(vta.sim.bound); efficiency is bound / cycles.
"""

import json
import sys
from contextlib import ExitStack

from vta.commands._common import config_argument, device_argument, latency_argument, log_to_stderr

NAME = "replay"
HELP = "run vector files and compare all of DRAM with what they expect"
EPILOG = "example: vta replay tut_conv_vt2.npz --device tsim --latency 64"


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="vector file (.npz)")
    device_argument(parser)
    latency_argument(parser)
    config_argument(parser, " of the vector's architecture", otherwise="the one that the vector names")
    parser.add_argument("--json", action="store_true", help="one JSON object per file, one line each")


def run(args):
    from vta.hw.config import Config
    from vta.runtime.device import open_device
    from vta.runtime.progress import Progress
    from vta.runtime.vector import load_vector

    log_to_stderr()
    chosen = Config.load(args.config) if args.config else None
    options = {"latency": args.latency} if args.device == "tsim" else {}
    devices, equal = {}, True                    # one device for each configuration
    with ExitStack() as stack:
        for path in args.files:
            vector = load_vector(path)
            config = _config(vector, chosen)
            least = _bound(vector, config, args.latency)
            if config not in devices:
                devices[config] = stack.enter_context(open_device(args.device, config, **options))
            with Progress(vector.name, sys.stderr, least) as progress:
                outcome = _replay(vector, devices[config], progress)
            report = _report(vector, config, outcome, args, least)
            print(json.dumps(report) if args.json else _text(report, outcome.result), flush=True)
            if not outcome.equal:
                equal = False
                print(f"vta: {path}: {outcome.differences[0]}", file=sys.stderr)
    return 0 if equal else 1


def _replay(vector, device, progress):
    from vta.runtime.memory import AddressError
    from vta.runtime.replay import replay
    from vta.runtime.vector import VectorError
    try:
        return replay(vector, device, progress=progress)
    except AddressError as error:
        raise VectorError(f"{vector.path}: {error}") from None


def _config(vector, chosen):
    """The configuration to use for a vector; VectorError where the one chosen cannot run it."""
    from vta.runtime.vector import VectorError
    if chosen is None:
        return vector.config
    if refusal := chosen.refusal(vector.config):
        raise VectorError(f"{vector.path}: {refusal}")
    return chosen


def _bound(vector, config, latency):
    """The bound in cycles; None for a stream that gets stuck, which the run then explains."""
    from vta.sim.bound import BoundError, bound
    try:
        return bound(vector.insns, config, latency=latency, bus_bytes=config.bus_bytes,
                     tokens_before=vector.tokens_before).cycles
    except BoundError:
        return None


def _report(vector, config, outcome, args, least):
    """The output with `--json`."""
    result = outcome.result
    cycles = result.cycles if result else None
    return {
        "file": str(vector.path), "device": args.device, "equal": outcome.equal, "cycles": cycles,
        "counters": (result.counters | result.stats) if result else {},
        "tokens_left": result.tokens_left if result else {},
        "seconds": round(result.seconds, 6) if result else None,
        "bound": least, "efficiency": round(least / cycles, 4) if cycles and least is not None else None,
        "latency": args.latency, "config": config.name, "differences": list(outcome.differences),
    }


def _text(report, result):
    """The output without `--json`: the result, the cycles, and the table of counters."""
    from vta.runtime.counters_table import table
    speed = ""
    if report["cycles"]:
        speed = f", {report['cycles'] / max(report['seconds'], 1e-9):,.0f} cycles/s"
    lines = [f"{report['file']}: {'equal' if report['equal'] else 'DIFFERENT'} on {report['device']} "
             f"({report['seconds'] or 0:.3f} s{speed})"]
    lines += [f"  {text}" for text in report["differences"]]
    facts = [f"cycles {report['cycles']}"] if report["cycles"] else []
    facts += [f"bound {report['bound']} cycles at latency {report['latency']}" if report["bound"] is not None
              else "no bound: the stream gets stuck"]
    facts += [f"efficiency {report['efficiency']:.1%}"] if report["efficiency"] is not None else []
    lines.append("  " + ", ".join(facts))
    lines.append("  tokens left: " + (", ".join(f"{queue} {count}" for queue, count in
                                                report["tokens_left"].items() if count) or "none"))
    lines += ["  " + line for line in (table(result) if result else [])]
    return "\n".join(lines)
