"""Operators that see one number at a time: add, relu, clip, shift. The ALU does them, on whole tiles.

Several shares of the memories take turns, so that a store goes on while the next pieces are loaded and computed.
int8 operands are widened on their way into the accumulator, or, for a sum of two, by the tensor core.
"""

import math

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.operator import Operator, Post, cycles, in_dram, need, sizes
from vta.compiler.ops.window import Slots, cut
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline
from vta.hw.config import Config
from vta.hw.isa import IMM_BITS, AluOp, MemType

SLOTS = 4          # shares of the accumulator that take turns, at most
MEMORY = {"int8": MemType.ACC_8BIT, "int32": MemType.ACC}


def add(shape, *, shift=0, rounding=False, clip=(-128, 127), config="default", dtype="int8"):
    """The sum of two tensors, shifted and clipped as in `Post`: a residual connection."""
    return _elementwise("add", shape, 2, Post(False, shift, rounding, clip), config, dtype)


def relu(shape, *, config="default"):
    """The larger of each int8 number and 0."""
    return _elementwise("relu", shape, 1, Post(clip=(0, 127)), config, "int8", [(AluOp.MAX, 0)])


def clip(shape, low, high, *, config="default", dtype="int8"):
    """Each number brought into low..high, which lie within int8."""
    return _elementwise("clip", shape, 1, Post(clip=(low, high)), config, dtype)


def shift(shape, amount, *, rounding=False, clip=(-128, 127), config="default", dtype="int8"):
    """Each number shifted right arithmetically, then clipped (None: the low 8 bits)."""
    return _elementwise("shift", shape, 1, Post(False, amount, rounding, clip), config, dtype)


def _elementwise(name, shape, operands, post, config, dtype, operations=None):
    """The operator on (N, C, ...) tensors; `operations` are (opcode, immediate), by default those of `post`."""
    config = Config.load(config)
    shape = sizes(shape, "N, C, ...")
    need(dtype in MEMORY, f"dtype {dtype!r} must be one of {', '.join(MEMORY)}")
    need(not post.adds, f"shift = {post.shift} with rounding: half of the last place, {post.half}, is no "
                        f"immediate: shift by at most {IMM_BITS - 1}, or do not round")
    operations = post.operations() if operations is None else operations
    tiles = (-(-shape[0] // config.batch), -(-shape[1] // config.block), *shape[2:])
    packed, total = (*tiles, config.batch, config.block), math.prod(tiles)
    names = ("a", "b")[:operands]
    in_dram(name, config, dict.fromkeys(names, ("ACC" if dtype == "int32" else "INP", tiles)))

    def emit(body, piece):
        p = Pipeline(config)
        sources = [p.buffer(each, packed, dtype, "input", "NCHWnc") for each in names]
        out = p.buffer("out", packed, "int8", "output", "NCHWnc")
        for base, first, count in body(p, sources, total, piece):
            for opcode, imm in operations or [(AluOp.SHR, 0)]:
                p.alu(opcode, [(count, 1)], [(base,)], imm)
            p.store(base, out, first, count)
        return p.code()

    # small pieces let loads and computation overlap, large ones take fewer instructions
    largest = {_widened: config.depth["ACC"] // 2 // operands}
    if operands == 2 and dtype == "int8":
        largest[_multiplied] = min(config.depth["ACC"] // 2, config.depth["INP"] // 4)
    made = [(body, size >> n, emit(body, size >> n)) for body, size in largest.items() for n in range(5) if size >> n]
    body, piece, code = min(made, key=lambda each: cycles(each[2]))
    constants = {"weight": np.eye(config.block, dtype=np.int8)} if body is _multiplied else {}

    def reference(*arrays):
        return post.reference(sum(array.astype(np.int32) for array in arrays))

    inputs = {each: (shape, lambda array: pack_activations(array, config, pad=True, dtype=dtype))
              for each in names}
    return Operator(name, Program.from_code(code, name, constants), inputs,
                    lambda packed: unpack_activations(packed, config, shape[1], shape[0]), reference,
                    {"tilings": [(body.__name__.strip("_"), piece)], "predicted": cycles(code), "post": post})


def _widened(p, sources, total, piece):
    """Operands in the accumulator, summed: yields (accumulator, first tile, tiles) of each piece. The loads are
    compute's own, and take their turn."""
    dtype = sources[0].dtype
    slots = Slots(min(SLOTS, p.config.depth["ACC"] // (len(sources) * piece)), len(sources) * piece)
    for number, (first, count) in enumerate(cut(total, piece)):
        base, _ = slots.hold(number)
        for operand, source in enumerate(sources):
            p.load(MEMORY[dtype], base + operand * piece, source, first, count)
        if len(sources) == 2:
            p.alu(AluOp.ADD, [(count, 1, 1)], [(base, base + piece)])
        yield base, first, count


def _multiplied(p, sources, total, piece):
    """The same by GEMM with an identity tile: a reset and a step for each operand, but the loads overlap."""
    block, depth = p.config.block, p.config.depth
    p.load(MemType.WGT, 0, p.buffer("weight", (block, block), "int8", "const", "identity"), 0, 1)
    sums = Slots(min(SLOTS, depth["ACC"] // piece), piece)
    inputs = Slots(min(SLOTS, depth["INP"] // (2 * piece)), 2 * piece)
    for number, (first, count) in enumerate(cut(total, piece)):
        (base, _), (near, _) = sums.hold(number), inputs.hold(number)
        for operand, source in enumerate(sources):
            p.load(MemType.INP, near + operand * piece, source, first, count)
        p.reset(base, count)
        p.gemm("add", [(2, 0, piece, 0), (count, 1, 1, 0)], [(base, near, 0)])
        yield base, first, count
