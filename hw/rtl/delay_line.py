"""The delay line that matches the latency of GEMM."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.accumulate import op_layout


class DelayLine(wiring.Component):
    """An `op` in a cycle with `valid` leaves 3 cycles later, when `Accumulate` can expect its dot product.

    An op that is not a GEMM leaves in the next cycle if no op is ahead of it (`empty`). Ops never stall.
    """

    def __init__(self, config):
        layout = op_layout(config)
        super().__init__({"valid": In(1), "op": In(layout), "out_valid": Out(1), "out_op": Out(layout),
                          "empty": Out(1)})

    def elaborate(self, platform):
        m = Module()
        stages = [(Signal(name=f"valid_{n}"), Signal.like(self.op, name=f"op_{n}")) for n in range(2)]
        (valid_0, op_0), (valid_1, op_1) = stages
        late = Signal()
        m.d.comb += [self.empty.eq(~valid_0 & ~valid_1), late.eq(self.valid & self.empty & ~self.op.is_gemm)]
        m.d.sync += [valid_0.eq(self.valid & ~late), valid_1.eq(valid_0), self.out_valid.eq(valid_1 | late)]
        with m.If(self.valid & ~late):
            m.d.sync += op_0.eq(self.op)
        with m.If(valid_0):
            m.d.sync += op_1.eq(op_0)
        with m.If(valid_1):
            m.d.sync += self.out_op.eq(op_1)
        with m.Elif(late):
            m.d.sync += self.out_op.eq(self.op)
        return m
