"""The delay line that matches the latency of GEMM."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.accumulate import DOT_CYCLE, op_layout
from vta.hw.rtl.gemm import LATENCY

# a GEMM's tiles are read in the cycle of `valid`, and its dot product is due DOT_CYCLE cycles after `out_valid`
CYCLES = 1 + LATENCY - DOT_CYCLE


class DelayLine(wiring.Component):
    """An `op` in a cycle with `valid` leaves `CYCLES` later, when `Accumulate` can expect its dot product.

    An op that is not a GEMM leaves in the next cycle if no op is ahead of it (`empty`). Ops never stall.
    """

    def __init__(self, config):
        layout = op_layout(config)
        super().__init__({"valid": In(1), "op": In(layout), "out_valid": Out(1), "out_op": Out(layout),
                          "empty": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        valid = [Signal(name=f"valid_{n}") for n in range(CYCLES - 1)]
        ops = [Signal.like(self.op, name=f"op_{n}", reset_less=True) for n in range(CYCLES - 1)]
        late = Signal()
        enters = Signal()
        m.d.comb += [late.eq(self.valid & self.empty & ~self.op.is_gemm), enters.eq(self.valid & ~late)]
        m.d.sync += [
            *(later.eq(earlier) for earlier, later in pairwise([enters, *valid])),
            *(later.eq(earlier) for earlier, later in pairwise([self.op, *ops])),
            self.empty.eq(~enters & ~Cat(valid[:-1]).any()),
            self.out_valid.eq(valid[-1] | late), self.out_op.eq(Mux(valid[-1], ops[-1], self.op)),
        ]
        return m
