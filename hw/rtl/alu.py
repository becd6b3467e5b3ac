"""One lane of the accumulator's arithmetic: what GEMM and ALU steps do to a 32-bit value."""

import enum

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import AluOp, check_complete

MUL_PHASES = 4       # cycles of a MUL: one 16 x 16 multiplier forms the low half of a 32 x 32 product


# What an op of the accumulator pipeline computes: the ISA's ALU opcodes, and at the end of their 3 bits two operations
# of its own. ZERO: GEMM with reset, and padding. MOVE: a loaded tile, the result is y. A collision is a ValueError.
Operation = enum.unique(enum.IntEnum(
    "Operation", {op.name: op.value for op in AluOp} | {"ZERO": 6, "MOVE": 7}, module=__name__))


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

        # one adder: x + y, and for MIN and MAX x - y, of which only the sign is used; the bit below is the carry in
        subtract = (self.operation == Operation.MIN) | (self.operation == Operation.MAX)
        less = Signal()
        other = Signal(32)
        total = Signal(34)
        m.d.comb += [
            other.eq(y ^ subtract.replicate(32)),
            total.eq(Cat(Const(1, 1), x, x[31]).as_unsigned() + Cat(subtract, other, other[31])),
            less.eq(total[33]),
        ]

        # one funnel shifter for both directions: 32 bits out of x with its sign above, or with zeros below
        left = Signal()
        shifted = Signal(63)
        m.d.comb += [left.eq(y[31] & (y[:5] != 0)),
                     shifted.eq(Mux(left, Cat(Const(0, 32), x[:31]), Cat(x, x[31].replicate(31))))]
        for bit in reversed(range(5)):
            keep = Signal(31 + (1 << bit), name=f"shifted_{bit}")
            m.d.comb += keep.eq(Mux(y[bit], shifted >> (1 << bit), shifted))
            shifted = keep

        # MUL: low x low, then the two cross products shifted by 16
        product = Signal(unsigned(32))
        partial = Signal(32)
        low_half = Signal(32)
        factor_x = Mux(self.phase == 1, x[16:], x[:16])
        factor_y = Mux(self.phase == 2, y[16:], y[:16])
        with m.If(self.en & (self.operation == Operation.MUL)):
            m.d.sync += [product.eq(factor_x * factor_y), partial.eq(Mux(self.phase == 1, product, low_half))]
        m.d.comb += low_half.eq(Cat(partial[:16], partial[16:] + product[:16]))

        extreme = Signal(32)
        assert (Operation.MIN & 1, Operation.MAX & 1) == (0, 1), "bit 0 must tell MIN from MAX"
        m.d.comb += extreme.eq(Mux(less == self.operation[0], y, x))
        results = {Operation.MIN: extreme, Operation.MAX: extreme, Operation.ADD: total[1:],
                   Operation.SHR: shifted, Operation.MUL: low_half, Operation.ZERO: 0, Operation.MOVE: y}
        check_complete(Operation, results, "AluLane")
        with m.Switch(self.operation):
            for operation, result in results.items():
                with m.Case(operation):
                    m.d.comb += self.result.eq(result)
        return m
