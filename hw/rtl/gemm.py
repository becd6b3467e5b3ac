"""The GEMM array: one input tile times one transposed weight tile a cycle."""

from itertools import pairwise

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

LATENCY = 4          # cycles from the tiles to `dot`


def balanced_sum(terms):
    """The sum of `terms` as a balanced tree of adders."""
    while len(terms) > 1:
        terms = [left + right for left, right in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def dual_product(x, w0, w1):
    """x * w0 and x * w1 (all signed 8 bits) in one DSP48E1: ((w1 * 2^16) + w0) * x + 2^15, a 32-bit word.

    Adding 2^15 returns what a negative low product borrows from the high one."""
    return ((w1 << 16) + w0) * x + (1 << 15)


def split_product(product):
    """The two factors' products in a `dual_product`: (x * w0, x * w1)."""
    return (product[:16] ^ (1 << 15)).as_signed(), product[16:32].as_signed()


class Gemm(wiring.Component):
    """dot[b][j] = sum over k of inp[b][k] * wgt[j][k], int8 x int8, exact.

    `inp` and `wgt` are tiles as read from the scratchpads, valid with `en`; `dot` (batch x block values, row-major)
    follows `LATENCY` cycles later: operands, products, partial sums, sums. Throughput: one pair of tiles a cycle;
    it never stalls. Registers hold in cycles without a step.
    """

    def __init__(self, config):
        self.config = config
        self.dot_bits = 16 + config.log_block
        super().__init__({
            "en": In(1), "inp": In(8 * config.tile_bytes["INP"]), "wgt": In(8 * config.tile_bytes["WGT"]),
            "dot": Out(data.ArrayLayout(signed(self.dot_bits), config.lanes))})

    def elaborate(self, platform):
        m = Module()
        batch, block = self.config.batch, self.config.block
        valid = [self.en, *(Signal(name=f"valid_{n}") for n in range(LATENCY - 1))]
        m.d.sync += [late.eq(early) for early, late in pairwise(valid)]
        inp, wgt = (Signal.like(port, name=f"{name}_q") for name, port in (("inp", self.inp), ("wgt", self.wgt)))
        with m.If(valid[0]):
            m.d.sync += [inp.eq(self.inp), wgt.eq(self.wgt)]

        def element(tile, row, k):
            return tile[8 * (row * block + k):][:8].as_signed()

        for b in range(batch):
            for j in range(0, block, 2):
                products = [Signal(signed(32), name=f"product_{b}_{j}_{k}") for k in range(block)]
                with m.If(valid[1]):
                    for k, product in enumerate(products):
                        m.d.sync += product.eq(dual_product(
                            element(inp, b, k), element(wgt, j, k), element(wgt, j + 1, k)))
                low, high = zip(*map(split_product, products), strict=True)
                group = max(block // 4, 1)
                for lane, terms in ((j, low), (j + 1, high)):
                    partials = [Signal(signed(self.dot_bits), name=f"partial_{b}_{lane}_{g}")
                                for g in range(block // group)]
                    with m.If(valid[2]):
                        m.d.sync += [partial.eq(balanced_sum(terms[g * group:][:group]))
                                     for g, partial in enumerate(partials)]
                    with m.If(valid[3]):
                        m.d.sync += self.dot[b * block + lane].eq(balanced_sum(partials))
        return m
