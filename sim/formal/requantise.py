"""The requantiser's lanes: what a product becomes, and that two multipliers give the product of 25 by 32 bits."""

from amaranth.hdl import Assert, Assume, Const, Mux, Signal, signed

from vta.hw.requantisation import BIAS_BITS, EARLY, HALF_BITS, HIGH, Rounding
from vta.hw.rtl import requantise
from vta.sim.formal.property import Property


class Delayed(Property):
    """A property that compares a unit's outputs with values of cycles before."""

    def ago(self, m, value, cycles):
        """`value` so many cycles ago, 0 before reset."""
        for _ in range(cycles):
            late = Signal(value.shape(), name="ago")
            m.d.sync += late.eq(value)
            value = late
        return value


class ComposedProduct(Delayed):
    """`LaneProduct` gives (word + bias) * multiplier, and that of a wide tile's two halves, rounded as it should be.

    Its two multipliers are replaced: their operands are compared with what they should be, and their results may be any
    numbers that such products can be. Tiles come in all cycles; the operands and the product of one of them, which may
    be the second half behind the first tile, are checked.
    """

    def __init__(self, unit=requantise):
        super().__init__()
        self.module = unit

    def state(self, m):
        low_bits, gap, cycles = self.module.LOW_BITS, self.module.WIDE_GAP, self.module.PRODUCT_CYCLES
        partials = {}                    # bits of the factor: x, factor, product

        def multiply(x, factor):
            partials[len(factor)] = x, factor, self.free(signed(BIAS_BITS + len(factor)), "partial")
            return partials[len(factor)][-1]

        dut = self.module.LaneProduct(multiply)
        self.unit(m, dut)
        # cycle 0 loads the multiplier, cycle 1 the bias; then come tiles, with second halves behind first ones
        age, first_tile = Signal(range(16)), 2
        multiplier, bias = Signal(signed(32)), Signal(signed(BIAS_BITS))
        m.d.sync += age.eq(age + 1)
        m.d.comb += [
            Assume(dut.load.multiplier == (age == 0)), Assume(dut.load.bias == (age == 1)),
            Assume(~dut.first_half | ~dut.second_half),
            Assume(~dut.second_half | (self.ago(m, dut.first_half, gap) & (age >= first_tile + gap)))]
        for value in (dut.double, dut.early):
            m.d.comb += Assume(~self.started | (value == self.past(m, value)))
        with m.If(dut.load.multiplier):
            m.d.sync += multiplier.eq(dut.word)
        with m.If(dut.load.bias):
            m.d.sync += bias.eq(dut.word)

        # the multiplications of a tile are one and two cycles behind it
        word, first, second = (self.ago(m, value, 2) for value in (dut.word, dut.first_half, dut.second_half))
        x, whole = Signal(signed(BIAS_BITS)), Signal(signed(self.module.PRODUCT_BITS))
        low_x, low_factor, low = (self.past(m, value) for value in partials[low_bits])
        high_x, high_factor, high = partials[32 - low_bits]
        limit = 1 << BIAS_BITS - 1
        half = Mux(dut.early & ~first, 1 << EARLY - 1, 1 << HIGH - 1)
        rest = Mux(second, self.ago(m, whole, gap) >> HALF_BITS, Mux(dut.double, half, 0))
        multiplies, leaves = (age == first_tile + gap + after for after in (2, cycles))
        m.d.comb += [
            x.eq(Mux(second, word, Mux(first, word[:HALF_BITS], word) + bias)),
            Assume((low >= -limit * ((1 << low_bits) - 1)) & (low <= limit * ((1 << low_bits) - 1))),
            Assume((high >= -limit << 31 - low_bits) & (high <= limit << 31 - low_bits)),
            whole.eq(low + (high << low_bits) + rest),
            Assert(~multiplies | ((low_x == x) & (high_x == x))),
            Assert(~multiplies | (low_factor + (high_factor << low_bits) == multiplier)),
            Assert(~leaves | (dut.product == self.ago(m, whole, cycles - 2))),
        ]


class RoundedProduct(Delayed):
    """`LaneRounding` by the definition in integers of any size, for any parameters of a lane; `fields` fixes some.

    Any products come in any cycles, and any of them are of second halves. The result of one of them is checked, when
    all that it depends on has entered.
    """

    def __init__(self, unit=requantise, **fields):
        super().__init__()
        self.module, self.fields = unit, fields

    def state(self, m):
        dut = self.module.LaneRounding()
        self.unit(m, dut)
        p = dut.parameters
        for value in (p.as_value(), dut.low, dut.high):
            m.d.comb += Assume(~self.started | (value == self.past(m, value)))
        m.d.comb += [Assume(~p.raw | (p.zero_point == 0)), Assume(dut.low <= dut.high),
                     *(Assume(p[name] == value) for name, value in self.fields.items())]
        cycles = self.module.LATENCY - self.module.PRODUCT_CYCLES
        product = self.ago(m, dut.product, cycles)
        before = self.ago(m, dut.product, cycles + self.module.WIDE_GAP)[:HALF_BITS]
        wide = self.ago(m, dut.second_half, cycles + 1)
        checked = self.ago(m, ~self.started, self.module.WIDE_GAP + cycles)
        m.d.comb += Assert(~checked | (dut.result == expected(m, product, before, wide, p, dut.low, dut.high)))


def expected(m, product, before, wide, p, low, high):
    """The result for a product: rounded to y and again for DOUBLE, else once, over all bits that are dropped."""
    def named(name, shape, value):
        signal = Signal(shape, name=name)
        m.d.comb += signal.eq(value)
        return signal

    # every bit below y, `HIGH` of them: zeros below the product if k is 11
    bits = 32 + HIGH
    whole = named("whole", signed(bits), Mux(
        wide, (product << HALF_BITS) + before, Mux(p.early, product << HIGH - EARLY, product)))
    y = named("y", signed(32), whole >> HIGH)
    power = named("power", bits + 1, Const(1) << p.shift)
    # DOUBLE: y / 2^shift, half away from zero
    away = named("away", signed(34), Mux(p.shift == 0, y, (y + (power >> 1) - (y < 0)) >> p.shift))
    # the others: floor(whole / 2^(31 + shift)), and whether the rest, of `whole`, is half of that or more
    down = named("down", signed(33), y >> p.shift)
    rest = named("rest", bits, whole - (down << p.shift << HIGH))
    half = named("half", bits, (power << HIGH) >> 1)
    up = (rest >= half) & ((p.rounding == Rounding.UP) | (
        (p.rounding == Rounding.EVEN) & ((rest != half) | down[0])))
    q = named("q", signed(32), Mux(p.rounding == Rounding.DOUBLE, away, down + up))
    total = named("total", signed(33), q + p.zero_point)
    return Mux(p.raw, q, Mux(total < low, low, Mux(total > high, high, total)))
