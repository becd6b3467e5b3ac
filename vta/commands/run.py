"""Run a program file on a device.

Inputs come from .npy files, or from --random; outputs go to .npy files. Shapes and types are those that
`vta compile` printed. A device of another configuration refuses the program.
"""

import sys
import tokenize
from pathlib import Path

from vta.commands._common import config_argument, device_argument, log_to_stderr

NAME = "run"
HELP = "run a program file on a device"
EPILOG = "example: vta run conv.vta --device tsim --input data=d.npy --input kernel=k.npy --output res=r.npy"


def add_arguments(parser):
    parser.add_argument("program", metavar="PROGRAM",
                        help="program file, raw folder, or Python file with build(config)")
    device_argument(parser)
    config_argument(parser, " of the device", otherwise="the program's own")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=FILE", help="an input, .npy")
    parser.add_argument("--output", action="append", default=[], metavar="NAME=FILE", help="an output, .npy")
    parser.add_argument("--random", type=int, metavar="SEED", help="random data for inputs without a file")


def run(args):


    log_to_stderr()
    import numpy as np

    from vta.compiler.program import ProgramError
    from vta.hw.config import Config
    from vta.runtime.device import open_device
    from vta.runtime.progress import Progress
    from vta.sources import open_program

    inputs, outputs = _pairs(args.input, "--input"), _pairs(args.output, "--output")
    config = Config.load(args.config) if args.config else None
    program = open_program(args.program, config)
    for name in (*inputs, *outputs):
        program.buffer(name)
    for name in outputs:                 # refused now, not after the run
        if program.buffer(name).kind != "output":
            known = [buffer.name for buffer in program.buffers if buffer.kind == "output"]
            raise ProgramError(f"{name!r} is no output of {program.name!r}: {', '.join(known)}")
    if args.random is not None and args.random < 0:
        raise ValueError(f"--random {args.random}: must be 0 or more")
    arrays = {name: _load(path) for name, path in inputs.items()}
    random = np.random.default_rng(args.random)
    missing = [buffer for buffer in program.buffers if buffer.kind == "input" and buffer.name not in arrays]
    if missing and args.random is None:
        raise ProgramError(f"input {missing[0].name!r} has no data: --input {missing[0].name}=FILE or --random SEED")
    with open_device(args.device, config or program.config) as device, program.place(device) as placed:
        for buffer in missing:                   # only now that there is room for it
            limits = np.iinfo(buffer.dtype)
            arrays[buffer.name] = random.integers(limits.min, limits.max, buffer.shape, buffer.dtype, True)
        with Progress(program.name, sys.stderr) as progress:
            results, result = placed.run(progress=progress, **arrays)
        print(f"{program.name}: ran on {args.device} in {result.seconds:.3f} s"
              + (f", {result.cycles} cycles" if result.cycles is not None else ""))
        for name, value in device.stats().items():
            print(f"\t{name:<16}: {value:>16}")
    for name, path in outputs.items():
        with Path(path).open("wb") as file:
            np.save(file, results[name])
        print(f"{path}: {name}, {results[name].dtype} {results[name].shape}")
    return 0


def _pairs(texts, option):
    pairs = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise ValueError(f"{option} {text}: expected NAME=FILE")
        if name in pairs:
            raise ValueError(f"{option} {name} is given twice")
        pairs[name] = path
    return pairs


def _load(path):
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise ValueError(f"{path} is no .npy file: {error}") from None
