"""Find the tiling of an operator that takes the fewest cycles.

OP is an operator of vta.ops that takes a `tiling`, SHAPE that of its data (1x64x56x56), the rest its arguments by
name: numbers, pairs (3x3 or 0,127), pairs of pairs (0x1,0x1), yes or no, names. The best tilings by estimate are
compiled and timed; --rtl runs the best of them on the RTL. --output saves the result in a file that operators read
when VTA_TILINGS names it.
"""

import inspect
import sys
from pathlib import Path

from vta.commands._common import config_argument

NAME = "tune"
HELP = "find the best tiling of an operator"
EPILOG = "example: vta tune conv2d 1x64x56x56 outputs=64 kernel=3 pad=1 bias=yes shift=8 clip=0,127 --rtl 2"


def add_arguments(parser):
    parser.add_argument("operator", metavar="OP", help="the operator, e.g. conv2d; an unknown name lists all")
    parser.add_argument("shape", metavar="SHAPE", help="shape of the data, e.g. 1x64x56x56")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help="the operator's other arguments")
    config_argument(parser)
    parser.add_argument("--count", type=int, default=25, metavar="N",
                        help="tilings to compile and time (default: %(default)s)")
    parser.add_argument("--rtl", type=int, default=0, metavar="N", help="run the best N on the RTL")
    parser.add_argument("--output", metavar="FILE", help="add the result to this tilings file")


def run(args):
    from vta.compiler.ops import OPERATORS
    from vta.compiler.ops.tilings import TilingsFile
    from vta.compiler.ops.tune import report, save, tunable, tune
    from vta.runtime.device import open_device

    if args.operator not in OPERATORS:
        raise ValueError(f"no operator {args.operator!r}; there are "
                         f"{', '.join(name for name, build in OPERATORS.items() if tunable(build))}")
    if args.count < 1:
        raise ValueError(f"--count {args.count} must be at least 1")
    if args.rtl < 0:
        raise ValueError(f"--rtl {args.rtl} must be at least 0")
    build, options = OPERATORS[args.operator], {"shape": parse(args.shape), "config": args.config}
    for text in args.arguments:
        name, _, value = text.partition("=")
        if not value or name == "config":
            raise ValueError(f"{text!r} must be NAME=VALUE")
        if name in options:
            raise ValueError(f"{name} is given twice")
        options[name] = parse(value)
    signature = inspect.signature(build)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ValueError(f"{args.operator}: {error}; it takes {', '.join(signature.parameters)}") from None
    if args.output:                      # refuse a bad file now, not after the work
        TilingsFile(args.output)
        if not Path(args.output).parent.is_dir():
            raise ValueError(f"{args.output}: there is no folder {Path(args.output).parent}")

    def progress(done, total, best):
        if sys.stderr.isatty():
            end = "\n" if done == total else ""
            print(f"\r{done} of {total} tilings, best {best.predicted} cycles ", end=end, file=sys.stderr, flush=True)

    device = open_device("tsim", args.config) if args.rtl else None
    try:
        found = tune(build, (), options, count=args.count, device=device, runs=args.rtl, progress=progress)
    finally:
        if device is not None:
            device.close()
    for line in report(found[0]):
        print(f"  {line}")
    if args.output:
        save(args.output, found[0])
        print(f"{args.output}: kept")
    return 0


def parse(text):
    """The value of an argument: yes, no, a name, a number, or several with x or , between them; of both, x binds
    tighter: 0x1,2x3 is ((0, 1), (2, 3))."""
    if text in ("yes", "no"):
        return text == "yes"
    if text.isidentifier():
        return text
    if "x" in text and "," in text:
        return tuple(parse(part) for part in text.split(","))
    try:
        values = tuple(int(number) for number in text.replace(",", "x").split("x"))
    except ValueError:
        raise ValueError(f"{text!r} must be a number, numbers with x or a comma between them, a name, yes or "
                         f"no") from None
    return values[0] if len(values) == 1 else values
