"""The AXI write master: addresses ahead of data, several bursts in flight, responses in order."""

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import LEN_BITS, OKAY, write_signature
from vta.hw.rtl.fifo import Counter, Fifo
from vta.hw.rtl.interfaces import burst_layout, write_beat_layout


class WriteMaster(wiring.Component):
    """Writes the bursts of `request`, taking their data, beat by beat, from `beats`.

    A burst's data follows its address by at least one cycle; `beats` must hold while it waits. All bursts have one
    AWID, so responses come in order: `response` is 1 for one cycle each, with `failed` if it was not OKAY.
    Throughput: a burst and a beat each cycle. Latency: one cycle to AWVALID. At most
    `config.write_outstanding` bursts are in flight; `halt` stops new ones.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "request": In(stream.Signature(burst_layout(config))),
            "beats": In(stream.Signature(write_beat_layout(config))),
            "axi": Out(write_signature(config)),
            "response": Out(1), "failed": Out(1), "halt": In(1), "idle": Out(1)})

    def elaborate(self, platform):
        m = Module()
        axi, limit = self.axi, self.config.write_outstanding
        m.submodules.lens = lens = Fifo(unsigned(LEN_BITS), limit)
        m.submodules.in_flight = in_flight = Counter(limit)

        # addresses
        accepted = Signal()
        m.d.comb += [
            self.request.ready.eq((~axi.awvalid | axi.awready) & ~in_flight.full & ~self.halt),
            accepted.eq(self.request.valid & self.request.ready),
            axi.awid.eq(Const(0)),
            lens.i.valid.eq(axi.awvalid & axi.awready), lens.i.payload.eq(axi.awlen),
        ]
        with m.If(axi.awready):
            m.d.sync += axi.awvalid.eq(0)
        with m.If(accepted):
            m.d.sync += [axi.awvalid.eq(1), axi.awaddr.eq(self.request.payload.addr),
                         axi.awlen.eq(self.request.payload.len)]

        # data: straight from `beats`, once the address has been taken
        sent = Signal(LEN_BITS)
        last = Signal()
        moved = Signal()
        m.d.comb += [
            last.eq(sent == lens.o.payload),
            axi.wvalid.eq(self.beats.valid & lens.o.valid), axi.wlast.eq(last),
            axi.wdata.eq(self.beats.payload.data), axi.wstrb.eq(self.beats.payload.strobe),
            moved.eq(axi.wvalid & axi.wready),
            self.beats.ready.eq(moved), lens.o.ready.eq(moved & last),
        ]
        with m.If(moved):
            m.d.sync += sent.eq(Mux(last, 0, sent + 1))

        # responses
        m.d.comb += [axi.bready.eq(1), self.response.eq(axi.bvalid), self.failed.eq(axi.bresp != OKAY),
                     self.idle.eq(~in_flight.some), in_flight.up.eq(accepted), in_flight.down.eq(self.response)]
        return m
