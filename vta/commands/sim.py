"""Run the 3x3 convolution of examples/conv2d_by_hand.py on the RTL and compare with numpy, bit for bit.

Prints the statistics of the run, then cycles, MAC utilisation (GEMM steps per cycle), the bound (cycles of an
ideal in-order machine for the same stream), the efficiency (bound / cycles), and the speed of the simulation.
"""

import sys

from vta.commands._common import config_argument, latency_argument, log_to_stderr

NAME = "sim"
HELP = "run a convolution on the RTL, compare it with numpy"


def add_arguments(parser):
    config_argument(parser)
    latency_argument(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the random data (default: %(default)s)")
    parser.add_argument("--trace", metavar="FILE", help="write all signals to this VCD file: slow, and 30 GB")


def run(args):
    from vta.hw.config import Config
    from vta.runtime.device import open_device
    from vta.runtime.progress import Progress
    from vta.sim.bound import bound
    from vta.suite import example as example_module

    log_to_stderr()
    if args.seed < 0:
        raise ValueError(f"--seed {args.seed}: must be 0 or more")
    config, example = Config.load(args.config), example_module("conv2d_by_hand")
    program = example.build(config)
    ideal = bound(program.code.insns, config, latency=args.latency, bus_bytes=config.bus_bytes).cycles
    with open_device("tsim", config, latency=args.latency, trace=args.trace) as device:
        print(f"running on configuration {config.name}, memory latency {args.latency} cycles",
              file=sys.stderr, flush=True)
        with Progress("convolution", sys.stderr, ideal) as progress:
            result = example.main(device, seed=args.seed, progress=progress)
    steps = result.counters["gemm_steps"]
    print(f"\tcycles          : {result.cycles:>16}")
    print(f"\tMAC utilisation : {steps / result.cycles:>16.1%}")
    print(f"\tbound           : {ideal:>16}")
    print(f"\tefficiency      : {ideal / result.cycles:>16.1%}")
    print(f"\tcycles/second   : {result.cycles / result.seconds:>16,.0f}")
