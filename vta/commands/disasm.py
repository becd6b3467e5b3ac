"""Print instructions as readable text, one line each (docs/assembly.md has the syntax).

Reads vectors (.npz), programs, folders of raw binaries, Python files with build(config), and assembly text.
Without --numbers the output can be assembled again, bit for bit.
"""

from vta.commands._common import SOURCE, config_argument

NAME = "disasm"
HELP = "print the instructions of a vector or program"
EPILOG = "example: vta disasm tut_conv_vt2.npz --uops --numbers"


def add_arguments(parser):
    parser.add_argument("file", metavar="FILE", help=SOURCE)
    parser.add_argument("--numbers", action="store_true", help="put the number of each instruction before it")
    parser.add_argument("--uops", action="store_true", help="show the micro-ops that each LOAD UOP loads")
    config_argument(parser, " for Python files and assembly text")


def run(args):
    from vta.compiler.stream.assembler import disassemble
    from vta.hw.config import Config
    from vta.sources import open_source

    source = open_source(args.file, Config.load(args.config))
    lines = disassemble(source.insns, source.config)
    width = len(str(len(lines) - 1))
    for number, (line, words) in enumerate(zip(lines, source.insns, strict=True)):
        print(f"{number:{width}}: {line}" if args.numbers else line)
        if args.uops:
            for uop in _loaded(words, source):
                print(f"# {uop}")
    return 0


def _loaded(words, source):
    """The micro-ops that an instruction loads, as text; none unless it is a LOAD UOP."""
    import numpy as np

    from vta.compiler.stream.assembler import disassemble_uops
    from vta.hw.isa import MEMORY, UOP_BYTES, MemType, Opcode, decode, from_words

    get = decode(MEMORY, from_words(words))
    if (get["opcode"], get["mem_type"]) != (Opcode.LOAD, MemType.UOP) or not get["x_size"]:
        return []
    data = source.memory(get["dram_base"] * UOP_BYTES, get["x_size"] * UOP_BYTES)
    if data is None:
        return ["(micro-ops not known)"]
    return disassemble_uops(np.ascontiguousarray(data).view("<u4"), source.config)
