"""One lane of the accumulator's arithmetic: what GEMM and ALU steps do to a 32-bit value."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import LANE_OPS, AluOp, check_complete

MUL_PHASES = 4       # cycles of a MUL: one 16 x 16 multiplier forms the low half of a 32 x 32 product

# what a lane does for each ALU opcode: the bits of SELECT that are set
SELECT = data.StructLayout({"extreme": 1, "least": 1, "add": 1, "shift": 1, "multiply": 1})
SELECTED = {AluOp.MIN: ("extreme", "least"), AluOp.MAX: ("extreme",), AluOp.ADD: ("add",),
            AluOp.SHR: ("add", "shift"), AluOp.MUL: ("add", "multiply")}


def selects(opcode, bit):
    """Whether `bit` of SELECT is set for the ALU opcode `opcode`, a signal."""
    return Cat(opcode == op for op, bits in SELECTED.items() if bit in bits).any()


def shifts_left(y):
    """Whether SHR by `y` (32 bits) shifts left, by more than 0."""
    return y[31] & (y[:5] != 0)


class AluLane(wiring.Component):
    """The `select`ed operation on x and y, combinational; MUL takes `MUL_PHASES` cycles with `en`, x and y held.

    For MIN and MAX the `result` is x, and y instead if `takes_y`: there is time for that multiplexer in the next cycle.

    ADD and MUL wrap modulo 2^32. x is `late_x`, or `x` for SHR and MUL, which have no time for the multiplexer in front
    of `late_x`. `y` is inverted for MIN and MAX; ADD adds `addend` instead, and MIN and MAX need it as well, equal to
    `y`. SHR shifts right arithmetically by y mod 32, or for negative y left by -y mod 32; `left`: the latter, and by
    more than 0. For MUL, `phase` counts 0 ... 3 in the cycles with `en`; the result is valid in phase 3.
    """

    en: In(1)
    select: In(SELECT)
    phase: In(2)
    x: In(signed(32))
    late_x: In(signed(32))
    y: In(signed(32))
    left: In(1)
    addend: In(signed(32))
    result: Out(signed(32))
    takes_y: Out(1)

    def elaborate(self, platform):
        m = Module()
        check_complete(LANE_OPS, SELECTED, "AluLane")
        x, late_x, y, select = self.x, self.late_x, self.y, self.select

        # one adder: x + addend, and for MIN and MAX x - y, of which only the sign is used; the bit below is the carry
        # in
        less = Signal()
        total = Signal(34)
        m.d.comb += [
            total.eq(Cat(Const(1, 1), late_x, late_x[31]).as_unsigned()
                     + Cat(~select.add, self.addend, self.addend[31])),
            less.eq(total[33]),
        ]

        # one funnel shifter for both directions: 32 bits out of x with its sign above, or with zeros below
        shifted = Signal(63)
        m.d.comb += shifted.eq(Mux(self.left, Cat(Const(0, 32), x[:31]), Cat(x, x[31].replicate(31))))
        for bit in reversed(range(5)):
            keep = Signal(31 + (1 << bit), name=f"shifted_{bit}")
            m.d.comb += keep.eq(Mux(y[bit], shifted >> (1 << bit), shifted))
            shifted = keep

        # MUL: low x low, then the two cross products shifted by 16
        product = Signal(unsigned(32), reset_less=True)
        partial = Signal(32, reset_less=True)
        low_half = Signal(32)
        factor_x = Mux(self.phase == 1, x[16:], x[:16])
        factor_y = Mux(self.phase == 2, y[16:], y[:16])
        with m.If(self.en & select.multiply):
            m.d.sync += [product.eq(factor_x * factor_y), partial.eq(Mux(self.phase == 1, product, low_half))]
        m.d.comb += low_half.eq(Cat(partial[:16], partial[16:] + product[:16]))

        m.d.comb += [
            self.takes_y.eq(select.extreme & (less ^ select.least)),
            self.result.eq(Mux(select.extreme, late_x, Mux(select.shift, shifted, Mux(
                select.multiply, low_half, total[1:])))),
        ]
        return m
