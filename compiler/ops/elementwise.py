"""Elementwise operators: add, relu, clip, shift. The ALU does them, on whole tiles.

Each memory has several buffers, used in rotation, so that a store overlaps with the next chunk's loads and
computation. int8 operands are widened on their way into the accumulator, or, for a sum of two, by the tensor core.
"""

import math

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.add_emitter import AddEmitter
from vta.compiler.ops.checks import Clip, Shape, check_dram, check_shape, need
from vta.compiler.ops.loops import BufferRing, chunks
from vta.compiler.ops.operator import About, Operator, fastest
from vta.compiler.ops.post import Post
from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.rescale import check_requantises
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline
from vta.hw.config import Config
from vta.hw.isa import IMM_BITS, AluOp, MemType

BUFFERS = 4        # in one memory, at most
MEMORY = {"int8": MemType.ACC_8BIT, "int32": MemType.ACC}


def add(shape: Shape, *, shift: int = 0, rounding: bool = False, clip: Clip = (-128, 127),
        requantise: QuantisedAdd | None = None, config: Config | str = "default", dtype: str = "int8") -> Operator:
    """The int8 sum of two (N, C, ...) tensors of `dtype` (int8 or int32), shifted and clipped as in `Post`: a residual
    connection. OperatorError for a rounding that is too large for an immediate.

    requantise: instead of shift, rounding and clip, of int8 tensors whose scales differ; OperatorError where the
    machine does not requantise.
    """
    post = Post(False, shift, rounding, clip)
    if requantise is None:
        return _elementwise("add", shape, 2, post, config, dtype)
    need(isinstance(requantise, QuantisedAdd), f"requantise = {requantise!r} must be a QuantisedAdd")
    need(post == Post(), f"shift = {shift}, rounding = {rounding}, clip = {clip}: with requantise, it says them")
    need(dtype == "int8", f"dtype {dtype!r} must be int8 with requantise")
    config = Config.load(config)
    check_requantises(config)
    form = AddEmitter(config, requantise)
    return _operator("add", shape, 2, config, dtype, form.emit, form.sizes(), lambda size: form.constants,
                     requantise.reference)


def relu(shape: Shape, *, config: Config | str = "default") -> Operator:
    """The larger of 0 and each element of an int8 (N, C, ...) tensor."""
    return _elementwise("relu", shape, 1, Post(clip=(0, 127)), config, "int8", [(AluOp.MAX, 0)])


def clip(shape: Shape, low: int, high: int, *, config: Config | str = "default", dtype: str = "int8") -> Operator:
    """Each element of an int8 or int32 (N, C, ...) tensor limited to low..high, which lie within int8."""
    return _elementwise("clip", shape, 1, Post(clip=(low, high)), config, dtype)


def shift(shape: Shape, amount: int, *, rounding: bool = False, clip: Clip = (-128, 127),
          config: Config | str = "default", dtype: str = "int8") -> Operator:
    """Each element of an int8 or int32 (N, C, ...) tensor shifted right arithmetically, then clipped (None: the low 8
    bits). Errors as for `add`."""
    return _elementwise("shift", shape, 1, Post(False, amount, rounding, clip), config, dtype)


def _elementwise(name, shape, operands, post, config, dtype, operations=None):
    """The operator on (N, C, ...) tensors; `operations` are (opcode, immediate), by default those of `post`. Its tiling
    is (whether GEMM widens, tiles in a chunk)."""
    config = Config.load(config)
    need(dtype in MEMORY, f"dtype {dtype!r} must be one of {', '.join(MEMORY)}")
    need(not post.needs_bias, f"shift = {post.shift} with rounding: half of the last place, {post.half}, is no "
                              f"immediate: shift by at most {IMM_BITS - 1}, or do not round")
    operations = post.operations() if operations is None else operations
    depth, block = config.depth, config.block

    def emit(p, sources, out, total, tiling):
        by_gemm, size = tiling
        inputs = BufferRing(min(BUFFERS, depth["INP" if by_gemm else "ACC"] // (operands * size)), operands * size)
        sums = BufferRing(min(BUFFERS, depth["ACC"] // size), size) if by_gemm else inputs
        if by_gemm:
            p.load(MemType.WGT, 0, p.buffer("weight", (block, block), "int8", "const", "identity"), 0, 1)
        for number, (first, count) in enumerate(chunks(total, size)):
            base, src = sums.acquire(number)[0], inputs.acquire(number)[0]
            for operand, source in enumerate(sources):
                p.load(MemType.INP if by_gemm else MEMORY[dtype], src + operand * size, source, first, count)
            if by_gemm:             # a reset and a step for each operand, but loads overlap
                p.reset(base, count)
                p.gemm("add", [(2, 0, size, 0), (count, 1, 1, 0)], [(base, src, 0)])
            elif operands == 2:     # compute does the loads itself, in program order
                p.alu(AluOp.ADD, [(count, 1, 1)], [(base, base + size)])
            for opcode, imm in operations or [(AluOp.SHR, 0)]:
                p.alu(opcode, [(count, 1)], [(base,)], imm)
            p.store(base, out, first, count)

    # small chunks let loads and computation overlap, large ones take fewer instructions
    largest = {False: depth["ACC"] // 2 // operands}
    if operands == 2 and dtype == "int8":
        largest[True] = min(depth["ACC"] // 2, depth["INP"] // 4)
    tilings = [(by_gemm, size >> n) for by_gemm, size in largest.items() for n in range(5) if size >> n]
    return _operator(name, shape, operands, config, dtype, emit, tilings,
                     lambda tiling: {"weight": np.eye(block, dtype=np.int8)} if tiling[0] else {},
                     lambda *arrays: post.reference(sum(array.astype(np.int32) for array in arrays)), post)


def _operator(name, shape, operands, config, dtype, emit, tilings, constants, reference, post=None):
    """The Operator of the fastest of `tilings`; `emit` emits one into a pipeline, from its buffers and their tiles;
    `constants` gives its constants."""
    shape = check_shape(shape, "N, C, ...")
    tiles = (-(-shape[0] // config.batch), -(-shape[1] // config.block), *shape[2:])
    packed, names = (*tiles, config.batch, config.block), ("a", "b")[:operands]
    check_dram(name, config, dict.fromkeys(names, ("ACC" if dtype == "int32" else "INP", tiles)))

    def code_of(tiling):
        p = Pipeline(config)
        sources = [p.buffer(each, packed, dtype, "input", "NCHWnc") for each in names]
        emit(p, sources, p.buffer("out", packed, "int8", "output", "NCHWnc"), math.prod(tiles), tiling)
        return p.code()

    def pack(array):
        return pack_activations(array, config, pad=True, dtype=dtype)

    tiling, code, cycles = fastest(tilings, code_of)
    return Operator(name, Program.from_code(code, name, constants(tiling)), dict.fromkeys(names, (shape, pack)),
                    lambda packed: unpack_activations(packed, config, shape[1], shape[0]), reference,
                    About(cycles, (tiling,), post=post))
