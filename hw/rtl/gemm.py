"""The GEMM array: one input tile times one transposed weight tile a cycle."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.features import Feature

LATENCY = 6          # cycles from the tiles to `dot`


def balanced_sum(terms):
    """The sum of `terms` as a balanced tree of adders."""
    while len(terms) > 1:
        terms = [left + right for left, right in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def pair(w0, w1):
    """Two weights as one operand of a `dual_product`."""
    return (w1 << 16) + w0


def dual_product(x, weights):
    """x * w0 and x * w1 (all signed 8 bits) in one multiplier, where `weights` is pair(w0, w1); `correct` it."""
    return weights * x


def correct(product):
    """A `dual_product` as a 32-bit word: adding 2^15 returns what a negative low product borrows from the high one."""
    return product + (1 << 15)


def split_product(product):
    """The two factors' products in a corrected `dual_product`: (x * w0, x * w1)."""
    return (product[:16] ^ (1 << 15)).as_signed(), product[16:32].as_signed()


def window_taps(config):
    """{k: (lane, tap)}: in window steps the multipliers k of a pair of output lanes serve this tap of this lane of the
    two, the others none. Both lanes take the same factor, so the partner's weight has to be 0."""
    return {lane * (config.block // 2) + tap: (lane, tap) for lane in (0, 1) for tap in range(config.window_taps)}


class Gemm(wiring.Component):
    """dot[b][j] = sum over k of inp[b][k] * wgt[j][k], int8 x int8, exact.

    `inp` and `wgt` are tiles as read from the scratchpads, valid with `en`; `dot` (batch x block values, row-major)
    follows `LATENCY` cycles later: operands, pairs of weights, products, corrected ones (these four are the registers
    of a DSP48E1), partial sums, sums; otherwise it is 0. Throughput: one pair of tiles a cycle; it never stalls. The
    other registers hold in cycles without a step.

    With the feature `window`, a step with `window` instead multiplies each lane of the last tiles by weights of its
    own: dot[b][j] = sum over t < `config.window_taps` of inp_t[b][j] * wgt[j][j % 2 * (block // 2) + t], where inp_t is
    the tile of the t-th step before this one, 0 before the one with `first`. The other weights do not matter. From
    `first` on, all steps up to the last one of the window instruction must have `window`.
    """

    def __init__(self, config):
        self.config = config
        self.dot_bits = 16 + config.log_block
        super().__init__({
            "en": In(1), "window": In(1), "first": In(1),
            "inp": In(8 * config.tile_bytes["INP"]), "wgt": In(8 * config.tile_bytes["WGT"]),
            "dot": Out(data.ArrayLayout(signed(self.dot_bits), config.lanes))})

    def elaborate(self, platform):
        m = Module()
        batch, block = self.config.batch, self.config.block
        valid = [self.en, *(Signal(name=f"valid_{n}") for n in range(LATENCY - 1))]
        m.d.sync += [late.eq(early) for early, late in pairwise(valid)]
        inp, wgt = (Signal.like(port, name=f"{name}_q", reset_less=True)
                    for name, port in (("inp", self.inp), ("wgt", self.wgt)))
        windowed = self.config.has(Feature.WINDOW)
        taps = window_taps(self.config) if windowed else {}
        window = Signal()                        # what is in `inp` and `wgt` belongs to a window step
        past = [inp, *(Signal.like(inp, name=f"past_{n}") for n in range(1, self.config.window_taps))]

        def element(tile, row, k):
            return tile[8 * (row * block + k):][:8].as_signed()

        def registers(name, shape):
            return [Signal(shape, name=f"{name}_{k}", reset_less=True) for k in range(block)]

        def foreign(row, k):
            """Whether the multiplier of this weight serves the other lane of its pair in a window step."""
            return k in taps and taps[k][0] != row % 2

        operands = self.wgt
        if windowed:
            # a multiplexer for each weight, not one for all, becomes the synchronous reset of its register
            operands = Cat(Mux(self.window & foreign(row, k), 0, element(self.wgt, row, k))
                           for row in range(block) for k in range(block))
            with m.If(valid[0]):
                m.d.sync += window.eq(self.window)
            with m.If(valid[1] & window):
                m.d.sync += [older.eq(tile) for tile, older in pairwise(past)]
            with m.If(valid[0] & self.first):
                m.d.sync += [tile.eq(0) for tile in past[1:]]
        with m.If(valid[0]):
            m.d.sync += [inp.eq(self.inp), wgt.eq(operands)]

        for b in range(batch):
            shared = registers(f"factor_{b}", signed(8))       # by all pairs of output lanes
            with m.If(valid[1]):
                m.d.sync += [factor.eq(Mux(window, 0, element(inp, b, k)) if windowed else element(inp, b, k))
                             for k, factor in enumerate(shared) if k not in taps]
            for j in range(0, block, 2):
                factors = list(shared)
                for k, (lane, tap) in taps.items():
                    factors[k] = Signal(signed(8), name=f"factor_{b}_{j}_{k}", reset_less=True)
                    with m.If(valid[1]):
                        m.d.sync += factors[k].eq(
                            Mux(window, element(past[tap], b, j + lane), element(inp, b, k)))
                pairs = registers(f"pair_{b}_{j}", signed(25))
                products, corrected = (registers(f"{name}_{b}_{j}", signed(33)) for name in ("product", "corrected"))
                with m.If(valid[1]):
                    m.d.sync += [weights.eq(pair(element(wgt, j, k), element(wgt, j + 1, k)))
                                 for k, weights in enumerate(pairs)]
                with m.If(valid[2]):
                    m.d.sync += [product.eq(dual_product(factor, weights))
                                 for product, factor, weights in zip(products, factors, pairs, strict=True)]
                with m.If(valid[3]):
                    m.d.sync += [word.eq(correct(product)) for word, product in zip(corrected, products, strict=True)]
                low, high = zip(*map(split_product, corrected), strict=True)
                group = max(block // 4, 1)
                for lane, terms in ((j, low), (j + 1, high)):
                    partials = [Signal(signed(self.dot_bits), name=f"partial_{b}_{lane}_{g}", reset_less=True)
                                for g in range(block // group)]
                    with m.If(valid[4]):
                        m.d.sync += [partial.eq(balanced_sum(terms[g * group:][:group]))
                                     for g, partial in enumerate(partials)]
                    dot = Signal(signed(self.dot_bits), name=f"dot_{b}_{lane}", reset_less=True)
                    m.d.comb += self.dot[b * block + lane].eq(dot)
                    with m.If(valid[5]):
                        m.d.sync += dot.eq(balanced_sum(partials))
                    with m.Else():
                        m.d.sync += dot.eq(0)
        return m
