"""Run the 3x3 convolution of examples/conv2d_by_hand.py on the RTL and compare with numpy, bit for bit.

Prints the statistics of the run, then cycles, MAC utilisation (GEMM steps per cycle), the bound (cycles of an
ideal in-order machine for the same stream), the efficiency (bound / cycles), and the speed of the simulation.
"""

import sys

from vta.suite import example as example_module

NAME = "sim"
HELP = "run a convolution on the RTL, compare it with numpy"


def add_arguments(parser):
    parser.add_argument("--config", default="default", help="preset or file (default: %(default)s)")
    parser.add_argument("--latency", type=int, default=16,
                        help="cycles from a memory request to its data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the random data (default: %(default)s)")
    parser.add_argument("--trace", metavar="FILE", help="write all signals to this VCD file: slow, and 30 GB")


def run(args):
    from vta.hw.config import Config
    from vta.runtime.device import open_device
    from vta.runtime.progress import Progress
    from vta.sim.bound import bound
    if args.seed < 0:
        raise ValueError(f"--seed {args.seed}: must be 0 or more")
    config, example = Config.load(args.config), example_module("conv2d_by_hand")
    program = example.build(config)
    ideal = bound(program.code.insns, config, latency=args.latency, bus_bytes=config.bus_bytes).cycles
    with open_device("tsim", config, latency=args.latency, trace=args.trace, say=_say) as device:
        _say(f"running on configuration {config.name}, memory latency {args.latency} cycles")
        with Progress("convolution", sys.stderr, ideal) as progress:
            result = example.main(device, seed=args.seed, progress=progress)
    steps = result.counters["gemm_steps"]
    print(f"\tcycles          : {result.cycles:>16}")
    print(f"\tMAC utilisation : {steps / result.cycles:>16.1%}")
    print(f"\tbound           : {ideal:>16}")
    print(f"\tefficiency      : {ideal / result.cycles:>16.1%}")
    print(f"\tcycles/second   : {result.cycles / result.seconds:>16,.0f}")


def _say(text):
    print(text, file=sys.stderr, flush=True)
