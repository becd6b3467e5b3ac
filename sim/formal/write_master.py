"""The AXI write master obeys the channel rules: stable data, WLAST, no data ahead of its address, responses counted."""

from amaranth.hdl import Array, Assert, Assume, Mux, Signal

from vta.hw.rtl import write_master
from vta.sim.formal.property import Property

LEN_BITS = 2         # bursts of 1 to 4 beats: enough for every case to occur in a short execution


class WriteChannelRules(Property):
    """Any requests and beats, held as in every stream; a slave that may do all that AXI allows."""

    def __init__(self, config, unit=write_master):
        super().__init__()
        self.config = config
        self.write_master = unit.WriteMaster(config)

    def state(self, m):
        dut, axi, limit = self.write_master, self.write_master.axi, self.config.write_outstanding
        self.unit(m, dut)
        self.held(m, dut.request.valid, dut.request.ready, [dut.request.payload], Assume)
        self.held(m, dut.beats.valid, dut.beats.ready, [dut.beats.payload], Assume)
        m.d.comb += Assume(dut.request.payload.len < 1 << LEN_BITS)
        granted, moved = dut.request.valid & dut.request.ready, axi.awvalid & axi.awready
        beat_moved = axi.wvalid & axi.wready

        # both channels hold
        self.held(m, axi.awvalid, axi.awready, [axi.awaddr, axi.awlen, axi.awid])
        self.held(m, axi.wvalid, axi.wready, [axi.wdata, axi.wstrb, axi.wlast])

        # addresses: each request once
        current = Signal(dut.request.payload.shape())
        with m.If(granted):
            m.d.sync += current.eq(dut.request.payload)
        m.d.comb += [Assert(~self.past(m, granted) | axi.awvalid), Assert(~dut.halt | ~granted),
                     Assert(~axi.awvalid | ((axi.awaddr == current.addr) & (axi.awlen == current.len)))]

        # data: the beats of accepted bursts, in order, each once
        lengths = Array(Signal(LEN_BITS, name=f"length_{n}") for n in range(limit + 1))
        used, sent = Signal(range(limit + 1)), Signal(LEN_BITS)          # accepted bursts not yet sent
        burst_sent = beat_moved & axi.wlast
        m.d.comb += [
            Assert(~axi.wvalid | (used != 0)),
            Assert(~axi.wvalid | (axi.wlast == (sent == lengths[0]))),
            Assert(~axi.wvalid | ((axi.wdata == dut.beats.payload.data) & (axi.wstrb == dut.beats.payload.strobe))),
            Assert((dut.beats.valid & dut.beats.ready) == beat_moved),
        ]
        m.d.sync += used.eq(used + moved - burst_sent)
        with m.If(beat_moved):
            m.d.sync += sent.eq(Mux(axi.wlast, 0, sent + 1))
        for n in range(limit):
            arrives = moved & (n == used - burst_sent)
            m.d.sync += lengths[n].eq(Mux(arrives, axi.awlen[:LEN_BITS], Mux(burst_sent, lengths[n + 1], lengths[n])))

        # responses: the slave responds only to bursts it has; the master counts those in flight
        unanswered, in_flight = Signal(range(limit + 2)), Signal(range(limit + 2))
        answer = axi.bvalid & axi.bready
        self.held(m, axi.bvalid, axi.bready, [axi.bresp, axi.bid], Assume)
        m.d.comb += [
            Assume(~axi.bvalid | (unanswered != 0)), Assert(axi.bready),
            Assert(dut.response == answer), Assert(~answer | (dut.failed == (axi.bresp != 0))),
            Assert(in_flight <= limit), Assert(dut.idle == (in_flight == 0)),
        ]
        m.d.sync += [unanswered.eq(unanswered + burst_sent - answer), in_flight.eq(in_flight + granted - answer)]
