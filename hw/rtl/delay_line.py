"""Delays GEMM slots until their dot product is there."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.accumulate import slot_layout


class DelayLine(wiring.Component):
    """`slot` in a cycle with `valid` comes out 3 cycles later, as the dot product of its tiles does.

    A slot that is not a GEMM's takes one cycle while no slot is ahead of it in the line (`empty`). Neither stalls.
    """

    def __init__(self, config):
        layout = slot_layout(config)
        super().__init__({"valid": In(1), "slot": In(layout), "out_valid": Out(1), "out_slot": Out(layout),
                          "empty": Out(1)})

    def elaborate(self, platform):
        m = Module()
        stages = [(Signal(name=f"valid_{n}"), Signal.like(self.slot, name=f"slot_{n}")) for n in range(2)]
        (valid_0, slot_0), (valid_1, slot_1) = stages
        late = Signal()
        m.d.comb += [self.empty.eq(~valid_0 & ~valid_1), late.eq(self.valid & self.empty & ~self.slot.is_gemm)]
        m.d.sync += [valid_0.eq(self.valid & ~late), valid_1.eq(valid_0), self.out_valid.eq(valid_1 | late)]
        with m.If(self.valid & ~late):
            m.d.sync += slot_0.eq(self.slot)
        with m.If(valid_0):
            m.d.sync += slot_1.eq(slot_0)
        with m.If(valid_1):
            m.d.sync += self.out_slot.eq(slot_1)
        with m.Elif(late):
            m.d.sync += self.out_slot.eq(self.slot)
        return m
