"""The requantiser: a tile of accumulators to a tile of bytes, each lane by parameters of its own."""

from itertools import pairwise
from operator import mul

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.requantisation import BIAS_BITS, EARLY, HALF_BITS, HIGH, PARAMETER_S, Rounding

LATENCY = 9                  # cycles from a tile to its result
WIDE_GAP = 2                 # cycles from the first half of a wide tile to the second
PRODUCT_CYCLES = 4           # of LATENCY
LOW_BITS = 17                # of the multiplier in the first DSP48E1; the unsigned part of its 18-bit operand
PRODUCT_BITS = 57            # of a 25-bit sum times the multiplier, and its rounding constant
LOAD = data.StructLayout({"multiplier": 1, "bias": 1, "shift": 1})


def select(choice, values):
    """`values`[`choice`] of four values, a LUT6 per bit.

    The pairs are those of a Gray code: in a shifter no two of them are equal, so that synthesis does not share them,
    which would take two smaller LUTs per bit.
    """
    return Mux(choice[0] ^ choice[1], Mux(choice[1], values[2], values[1]), Mux(choice[1], values[3], values[0]))


def shift_right(value, amount, unit):
    """`value` >> `unit` * `amount` (two bits), arithmetic, and whether a one was shifted out."""
    value = value.as_signed()
    shifted = select(amount, [value >> unit * n for n in range(4)])
    reached = amount.any(), amount[1], amount.all()
    lost = Cat(at_least & value[unit * n:unit * (n + 1)].any() for n, at_least in enumerate(reached))
    return shifted[:len(value)], lost.any()


class LaneProduct(wiring.Component):
    """product = (word + bias) * multiplier, and 2^30 or, if `early`, 2^10 more if `double`, `PRODUCT_CYCLES` later.

    Two DSP48E1: word + bias in 25 bits (their pre-adders), times the multiplier's low and high part, the second one
    adding what the first has above its low `LOW_BITS` bits. With `first_half` only the low `HALF_BITS` bits of `word`
    count, and `early` does not; with `second_half`, `WIDE_GAP` cycles after a first half, neither bias nor rounding
    constant is added but the first half's product >> `HALF_BITS`. `word` is taken as multiplier or bias by `load`.
    `multiply` makes the two partial products.
    """

    word: In(signed(32))
    first_half: In(1)
    second_half: In(1)
    load: In(LOAD)
    double: In(1)
    early: In(1)
    product: Out(signed(PRODUCT_BITS))

    def __init__(self, multiply=mul):
        super().__init__()
        self.multiply = multiply

    def elaborate(self, platform):
        m = Module()
        multiplier = Signal(32, reset_less=True)
        bias = Signal(signed(BIAS_BITS), reset_less=True)
        with m.If(self.load.multiplier):
            m.d.sync += multiplier.eq(self.word)
        with m.If(self.load.bias):
            m.d.sync += bias.eq(self.word)

        # the operands of both multipliers, a cycle apart: an adder shared by two would not be that of a DSP48E1
        words, biases = ([Signal(signed(BIAS_BITS), name=f"{name}_{n}", reset_less=True) for n in (1, 2)]
                         for name in ("word", "bias"))
        second = [self.second_half, Signal(name="second_1", reset_less=True)]
        first = Signal(reset_less=True)
        mask = ~self.first_half.replicate(BIAS_BITS - HALF_BITS)
        m.d.sync += [
            words[0].eq(Cat(self.word[:HALF_BITS], self.word[HALF_BITS:BIAS_BITS] & mask)), words[1].eq(words[0]),
            *(late.eq(Mux(no_bias, 0, bias)) for late, no_bias in zip(biases, second, strict=True)),
            second[1].eq(second[0]), first.eq(self.first_half),
        ]

        # the low part's product has a register of its own, so that the upper part's comes with the sum below it. No sum
        # has one: a DSP48E1 resets that together with the bias, which Yosys overlooks
        low_sum, high_sum = (Signal(signed(BIAS_BITS), name=f"{name}_sum") for name in ("low", "high"))
        low_partial = Signal(signed(BIAS_BITS + LOW_BITS), reset_less=True)
        high_partial = Signal(signed(BIAS_BITS + 32 - LOW_BITS), reset_less=True)
        low, addend = (Signal(signed(48), name=name, reset_less=True) for name in ("low", "addend"))
        high = Signal(signed(PRODUCT_BITS - LOW_BITS))
        product = Signal(PRODUCT_BITS, reset_less=True)
        m.d.comb += [
            low_sum.eq(words[0] + biases[0]), high_sum.eq(words[1] + biases[1]),
            high.eq(high_partial + (low >> LOW_BITS)), self.product.eq(product),
        ]
        m.d.sync += [
            low_partial.eq(self.multiply(low_sum, multiplier[:LOW_BITS])), low.eq(low_partial + addend),
            high_partial.eq(self.multiply(high_sum, multiplier[LOW_BITS:].as_signed())),
            product.eq(Cat(low[:LOW_BITS], high)),
        ]
        early = self.early & ~first
        constant = Cat(Const(0, EARLY - 1), self.double & early, Const(0, HIGH - EARLY - 1), self.double & ~early)
        m.d.sync += addend.eq(constant)
        with m.If(second[1]):
            m.d.sync += addend.eq(high >> HALF_BITS - LOW_BITS)
        return m


class LaneRounding(wiring.Component):
    """A product shifted, rounded, offset and clipped as `parameters` say, `LATENCY` - `PRODUCT_CYCLES` cycles later.

    `second_half`, a cycle ahead: the product is that of a wide tile's second half, and the bits below it were in the
    product of `WIDE_GAP` cycles before. `parameters`, `low` and `high` are constant while products are on their way,
    `low` is at most `high`, and the zero point of a `raw` lane is 0.
    """

    product: In(signed(PRODUCT_BITS))
    second_half: In(1)
    parameters: In(PARAMETER_S)
    low: In(signed(8))
    high: In(signed(8))
    result: Out(signed(32))

    def elaborate(self, platform):
        m = Module()
        product, p = self.product, self.parameters
        double = p.rounding == Rounding.DOUBLE

        # y and the bit below it, unless y is rounded already; whether there is any other bit below
        early, second = (Signal(name=name, reset_less=True) for name in ("early", "second"))
        lost = [Signal(name=f"lost_{n}", reset_less=True) for n in range(WIDE_GAP)]       # of a first half
        m.d.sync += [
            early.eq(p.early | self.second_half), second.eq(self.second_half), lost[0].eq(product[:HALF_BITS].any()),
            *(late.eq(now) for now, late in pairwise(lost)),
        ]
        below = Mux(early, product[:EARLY - 1].any() | (second & lost[-1]), product[:HIGH - 1].any())
        one_below = ~double & Mux(early, product[EARLY - 1], product[HIGH - 1])
        at_early, at_high = (product[drop - 1:drop + 32].as_signed() for drop in (EARLY, HIGH))
        near = Signal(signed(33), reset_less=True)
        near_sticky = Signal(reset_less=True)
        m.d.sync += [
            near.eq(select(Cat(p.shift[0], early), [at_high, at_high >> 1, at_early, at_early >> 1])),
            near_sticky.eq((below & ~double) | (p.shift[0] & one_below)),
        ]
        with m.If(~p.shift[0]):
            m.d.sync += near[0].eq(one_below)

        # shifted further
        shifted, far_lost = shift_right(near, p.shift[1:3], 2)
        coarse = Signal(signed(33), reset_less=True)
        sticky = Signal(reset_less=True)
        m.d.sync += [coarse.eq(shifted), sticky.eq(near_sticky | far_lost)]

        # rounded: the increment is the carry into an adder of nothing else, which the multiplexers fit into
        fine, last_lost = shift_right(coarse, p.shift[3:], 8)
        some, increment = (Signal(name=name) for name in ("some", "increment"))
        rounded = Signal(33)
        q = Signal(signed(32), reset_less=True)
        m.d.comb += some.eq(sticky | last_lost)
        with m.Switch(p.rounding):
            with m.Case(Rounding.DOUBLE):
                m.d.comb += increment.eq(fine[0] & (some | ~coarse[32]))
            with m.Case(Rounding.UP):
                m.d.comb += increment.eq(fine[0])
            with m.Case(Rounding.EVEN):
                m.d.comb += increment.eq(fine[0] & (some | fine[1]))
        m.d.comb += rounded.eq(Const(1, 33) + Cat(increment, fine[1:]))
        m.d.sync += q.eq(rounded[1:])

        # offset: with a q of more than 10 bits, the result is a bound whatever the zero point
        total = Signal(signed(11), reset_less=True)
        upper = Signal(24, reset_less=True)
        far, negative = (Signal(name=name, reset_less=True) for name in ("far", "negative"))
        m.d.sync += [
            total.eq(q[:10].as_signed() + p.zero_point), far.eq(q[9:] != q[31].replicate(23)), negative.eq(q[31]),
            upper.eq(Mux(p.raw, q[8:], 0)),
        ]

        # clipped; what the sign is does not take the comparisons
        outside, sign, less, more = (Signal(name=name) for name in ("outside", "sign", "less", "more"))
        byte = Signal(8)
        result = Signal(32, reset_less=True)
        m.d.comb += [
            outside.eq(far | (total[7:] != total[10].replicate(4))), sign.eq(Mux(far, negative, total[10])),
            less.eq(~p.raw & Mux(outside, sign, total[:8].as_signed() < self.low)),
            more.eq(~p.raw & Mux(outside, ~sign, total[:8].as_signed() > self.high)),
            byte.eq(Mux(less, self.low, Mux(more, self.high, total[:8]))), self.result.eq(result),
        ]
        m.d.sync += result.eq(Cat(byte, upper))
        with m.If(~p.raw & (self.high[7] | (sign & self.low[7]))):
            m.d.sync += result[8:].eq(-1)
        return m


class RequantiseLane(wiring.Component):
    """One lane of a `Requantise`: the result for `word` comes `LATENCY` cycles later."""

    word: In(signed(32))
    first_half: In(1)
    second_half: In(1)
    load: In(LOAD)
    low: In(signed(8))
    high: In(signed(8))
    result: Out(signed(32))

    def elaborate(self, platform):
        m = Module()
        m.submodules.product = product = LaneProduct()
        m.submodules.rounding = rounding = LaneRounding()
        parameters = Signal(PARAMETER_S, reset_less=True)
        word = data.View(PARAMETER_S, self.word[:PARAMETER_S.size])
        with m.If(self.load.shift):
            m.d.sync += parameters.eq(word)
            with m.If(word.raw):
                m.d.sync += parameters.zero_point.eq(0)
        second = [self.second_half,
                  *(Signal(name=f"second_{n}", reset_less=True) for n in range(1, PRODUCT_CYCLES))]
        m.d.sync += [late.eq(now) for now, late in pairwise(second)]
        m.d.comb += [
            product.word.eq(self.word), product.load.eq(self.load),
            product.first_half.eq(self.first_half), product.second_half.eq(self.second_half),
            product.double.eq(parameters.rounding == Rounding.DOUBLE), product.early.eq(parameters.early),
            rounding.product.eq(product.product), rounding.second_half.eq(second[-1]),
            rounding.parameters.eq(parameters), rounding.low.eq(self.low), rounding.high.eq(self.high),
            self.result.eq(rounding.result),
        ]
        return m


class Requantise(wiring.Component):
    """Requantises a `tile` a cycle, as `vta.sim.functional.requantise` defines it; it never stalls.

    The `result` of a tile follows `LATENCY` cycles later. A wide tile comes in two halves, `WIDE_GAP` cycles apart:
    with `first_half` as it is, with `second_half` shifted right by `HALF_BITS` arithmetically; its result comes
    `LATENCY` cycles after the second. Other tiles may come in between. What follows a cycle without a tile has no
    meaning.

    Parameters (`vta.hw.requantisation`) are loaded through `tile`: all lanes' multipliers, biases or words S by one bit
    of `load`, and the bounds of all lanes from `bounds` by `load_bounds`. They hold from the next cycle on for all
    tiles, those on their way included: so load only if the last tile came at least `LATENCY` - 1 cycles ago.
    """

    def __init__(self, config):
        self.tile_shape = data.ArrayLayout(signed(32), config.lanes)
        super().__init__({
            "tile": In(self.tile_shape), "first_half": In(1), "second_half": In(1), "load": In(LOAD),
            "bounds": In(data.StructLayout({"low": signed(8), "high": signed(8)})), "load_bounds": In(1),
            "result": Out(self.tile_shape)})

    def elaborate(self, platform):
        m = Module()
        bounds = Signal.like(self.bounds, reset_less=True)
        with m.If(self.load_bounds):
            m.d.sync += bounds.eq(self.bounds)
            with m.If(self.bounds.low > self.bounds.high):
                m.d.sync += bounds.low.eq(self.bounds.high)
        for n, word in enumerate(self.tile):
            m.submodules[f"lane_{n}"] = lane = RequantiseLane()
            m.d.comb += [
                lane.word.eq(word), lane.first_half.eq(self.first_half), lane.second_half.eq(self.second_half),
                lane.load.eq(self.load), lane.low.eq(bounds.low), lane.high.eq(bounds.high),
                self.result[n].eq(lane.result),
            ]
        return m
