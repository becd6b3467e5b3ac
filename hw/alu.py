"""One lane of the accumulator's arithmetic: what GEMM and ALU steps do to a 32-bit value."""

import enum

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

MUL_PHASES = 4       # cycles of a MUL: one 16 x 16 multiplier forms the low half of a 32 x 32 product


class Operation(enum.IntEnum):
    """What a slot of the accumulator pipeline computes; the first five are the ISA's ALU opcodes."""

    MIN = 0
    MAX = 1
    ADD = 2
    SHR = 3
    MUL = 4
    ZERO = 5         # GEMM with reset, and padding
    MOVE = 6         # a loaded tile: the result is y


class AluLane(wiring.Component):
    """result = x `operation` y, combinational; MUL takes `MUL_PHASES` cycles with `en`, x and y held.

    ADD and MUL wrap modulo 2^32. SHR shifts right arithmetically by y mod 32, or for negative y left by
    -y mod 32. For MUL, `phase` counts 0 ... 3 in the cycles with `en`; the result is valid in phase 3.
    """

    en: In(1)
    operation: In(Operation)
    phase: In(2)
    x: In(signed(32))
    y: In(signed(32))
    result: Out(signed(32))

    def elaborate(self, platform):
        m = Module()
        x, y = self.x, self.y

        # one funnel shifter for both directions: 32 bits out of x with its sign above, or with zeros below
        left = y[31]
        funnel, amount = Signal(64), Signal(6)
        m.d.comb += [
            funnel.eq(Mux(left, Cat(Const(0, 32), x), Cat(x, x[31].replicate(32)))),
            amount.eq(Cat(y[:5], left & (y[:5] == 0))),
        ]

        # MUL: low x low, then the two crossed products shifted by 16
        product, total = Signal(unsigned(32)), Signal(32)
        factor_x = Mux(self.phase == 1, x[16:], x[:16])
        factor_y = Mux(self.phase == 2, y[16:], y[:16])
        with m.If(self.en & (self.operation == Operation.MUL)):
            m.d.sync += [product.eq(factor_x * factor_y),
                         total.eq(Mux(self.phase == 1, product, total + (product << 16)))]

        with m.Switch(self.operation):
            with m.Case(Operation.MIN):
                m.d.comb += self.result.eq(Mux(x < y, x, y))
            with m.Case(Operation.MAX):
                m.d.comb += self.result.eq(Mux(x < y, y, x))
            with m.Case(Operation.ADD):
                m.d.comb += self.result.eq(x + y)
            with m.Case(Operation.SHR):
                m.d.comb += self.result.eq((funnel >> amount)[:32])
            with m.Case(Operation.MUL):
                m.d.comb += self.result.eq(total + (product << 16))
            with m.Case(Operation.MOVE):
                m.d.comb += self.result.eq(y)
        return m
