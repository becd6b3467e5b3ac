"""A queue of typed payloads."""

from amaranth.hdl import Module, Shape
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered
from amaranth.lib.wiring import In, Out


class Fifo(wiring.Component):
    """Holds up to `depth` payloads of `shape`; `level` counts them. Throughput: one a cycle.

    Latency: one cycle from `i` to `o`, in LUT RAM; `buffered`: two, through the output register of a block RAM.
    """

    def __init__(self, shape, depth, *, buffered=False):
        self.shape, self.depth, self.buffered = shape, depth, buffered
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
                          "level": Out(range(depth + 1))})

    def elaborate(self, platform):
        m = Module()
        kind = SyncFIFOBuffered if self.buffered else SyncFIFO
        m.submodules.fifo = fifo = kind(width=Shape.cast(self.shape).width, depth=self.depth)
        m.d.comb += [
            fifo.w_data.eq(self.i.payload), fifo.w_en.eq(self.i.valid), self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data), self.o.valid.eq(fifo.r_rdy), fifo.r_en.eq(self.o.ready),
            self.level.eq(fifo.level),
        ]
        return m
