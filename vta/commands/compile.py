"""Write a program file, or raw binaries, from a program.

SOURCE is a Python file whose function `build(config)` returns a program (examples/conv2d_by_hand.py is one),
a folder of raw binaries, or a program file. Every program is checked. Equal programs make equal files, on
any machine.
"""

from pathlib import Path

from vta.commands._common import config_argument

NAME = "compile"
HELP = "write a program file or raw binaries"
EPILOG = "example: vta compile examples/conv2d_by_hand.py -o conv.vta --raw conv_raw"


def add_arguments(parser):
    parser.add_argument("source", metavar="SOURCE",
                        help="Python file with build(config), raw folder, or program")
    parser.add_argument("-o", "--output", metavar="FILE", help="program file (default: NAME.vta)")
    parser.add_argument("--raw", metavar="DIR", help="also write raw binaries into this folder")
    config_argument(parser, " for build(config)")


def run(args):
    from vta.compiler.program import SUFFIX
    from vta.compiler.raw import export_raw
    from vta.hw.config import Config
    from vta.sources import open_program

    program = open_program(args.source, Config.load(args.config))
    report = program.check().require()
    if not args.output and Path(program.name).name != program.name:
        raise ValueError(f"program name {program.name!r} is no file name: say where to with -o FILE")
    output = Path(args.output or f"{program.name}{SUFFIX}")
    program.save(output)
    print(f"{output}: {report.insns} instructions, {len(program.code.uops)} micro-ops, configuration "
          f"{program.config.hash:#010x}, {output.stat().st_size} bytes")
    for buffer in program.buffers:
        shape = "x".join(map(str, buffer.shape))
        print(f"  {buffer.kind:<6} {buffer.name:<12} {buffer.dtype:<6} {shape} {buffer.layout}".rstrip())
    if args.raw:
        export_raw(program, args.raw)
        print(f"{args.raw}: raw binaries")
    return 0
