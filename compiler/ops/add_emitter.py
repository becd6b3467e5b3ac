"""Emits the sum of two int8 tensors of different scales, chunk by chunk, in the ways of `quantised_add.py`."""

import numpy as np

from vta.compiler.ops.loops import BufferRing, chunks
from vta.compiler.ops.quantised_add import PART_BITS
from vta.compiler.ops.rescale import WORDS, packed_words
from vta.hw.isa import AluOp, MemType

BUFFERS = 4             # in one memory, at most


class AddEmitter:
    """The way that takes the fewest cycles. Operands reach the accumulators by the tensor core, so that loads overlap
    with all else; its first step starts from 0, and what it leaves in OUT is overwritten."""

    def __init__(self, config, rule):
        self.config, self.rule, self.products = config, rule, rule.products
        if self.products:
            sets, factors = [self.products.last], [part for parts in zip(*self.products.parts, strict=True)
                                                   for part in parts]
        else:
            self.passes, factors = rule.passes, [1]
            sets = [words for words in (*self.passes.operands, self.passes.last) if not isinstance(words, int)]
        self.parameters = config.depth["ACC"] - WORDS * len(sets)
        self.accumulators = 1 if self.products else 2           # of a tile
        eye = np.eye(config.block, dtype=np.int8)
        self.constants = {"weight": np.stack([factor * eye for factor in factors]),
                          "parameters": np.concatenate([packed_words(words, 1, 1, config, every=True)
                                                        for words in sets])}

    def sizes(self):
        """Sizes of a chunk to choose from. Both are powers of two, so that the operands of an addition lie in
        different banks."""
        depth = self.config.depth
        largest = min(depth["ACC"] // 2 // self.accumulators, depth["INP"] // 4)
        return [largest >> n for n in range(5) if largest >> n and largest >> n << self.accumulators - 1
                <= self.parameters]

    def emit(self, p, sources, out, total, size):
        """Everything, into the pipeline `p`."""
        constants = [p.buffer(name, array.shape, array.dtype.name, "const") for name, array in self.constants.items()]
        p.load(MemType.WGT, 0, constants[0], 0, len(self.constants["weight"]))
        p.load(MemType.ACC, self.parameters, constants[1], 0, self.config.depth["ACC"] - self.parameters)
        inputs = BufferRing(min(BUFFERS, self.config.depth["INP"] // (2 * size)), 2 * size)
        sums = BufferRing(min(BUFFERS, self.parameters // (self.accumulators * size)), self.accumulators * size)
        self._load(p, 0)
        for number, (first, count) in enumerate(chunks(total, size)):
            base, src = sums.acquire(number)[0], inputs.acquire(number)[0]
            for operand, source in enumerate(sources):
                p.load(MemType.INP, src + operand * size, source, first, count)
            if self.products:
                self._products(p, base, (src, src + size), count)
            else:
                self._passes(p, base, src, count, size)
            p.store(base, out, first, count)

    def _load(self, p, number):
        """A set of parameters goes to the requantiser."""
        p.parameters(self.parameters + WORDS * number, *self.rule.clip)

    def _products(self, p, base, operands, count):
        parts = self.products.parts
        upper, lower = ([(base, src, 2 * part + number) for number, src in enumerate(operands) if parts[number][part]]
                        for part in range(2))
        loops = [(count, 1, 1, 0)]
        p.gemm("upper", loops, upper, fresh=True, requantise=True)
        p.alu(AluOp.SHR, [(count, 1)], [(base,)], -PART_BITS)
        if lower:
            p.gemm("lower", loops, lower, requantise=True)
        else:
            p.alu(AluOp.REQ, [(count, 1)], [(base,)], 0)

    def _passes(self, p, base, src, count, size):
        number, places, loops = 0, (base, base + size), [(count, 1)]
        p.gemm("operands", [(2, size, size, 0), (count, 1, 1, 0)], [(base, src, 0)], fresh=True, requantise=True)
        for place, operand in zip(places, self.passes.operands, strict=True):
            if not isinstance(operand, int):
                self._load(p, number)
                p.alu(AluOp.REQ, loops, [(place,)], 0)
                number += 1
            elif operand:
                p.alu(AluOp.SHR, loops, [(place,)], -operand)
        p.alu(AluOp.ADD, [(count, 1, 1)], [places])
        self._load(p, number)
        p.alu(AluOp.REQ, loops, [(base,)], int(self.passes.wide))
