"""The store unit: STORE OUT, in order, from the output buffer to DRAM."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import INSN_BITS, MEMORY, MemType, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import write_signature
from vta.hw.rtl.burst_generator import BurstGenerator
from vta.hw.rtl.decode import TransferDecoder
from vta.hw.rtl.fifo import Counter, Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, TOKEN_SINK, TOKEN_SOURCE, scratch_read, unit_status
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.store_data import StoreData
from vta.hw.rtl.unit_state import count_events, count_states, report_error
from vta.hw.rtl.write_master import WriteMaster


class Store(wiring.Component):
    """Executes STOREs: pops G2S, reads the output buffer, writes bursts, and pushes S2G with its last response.

    Several STOREs are in flight at a time; a one-tile STORE costs as many cycles as it has beats, and two at
    least. A STORE of another
    memory type than OUT is reported and only handles its tokens. Errors: MEMORY_TYPE, INDEX, AXI_WRITE, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1), "halt": In(1), "out_ptr": In(config.axi_addr_width),
            "axi": Out(write_signature(config)),
            "out": Out(scratch_read(config, "OUT")),
            "g2s": Out(TOKEN_SINK), "s2g": Out(TOKEN_SOURCE),
            "status": Out(unit_status(Unit.STORE)), "bus_idle": Out(1),
            "idle": Out(1)})        # no instruction is here

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.issue = issue = Issue(config.store_queue_depth)
        m.submodules.transfer = transfer = TransferDecoder(config, "OUT")
        m.submodules.bursts = bursts = BurstGenerator(config)
        m.submodules.rows = rows = StoreData(config)
        m.submodules.write_master = write_master = WriteMaster(config)
        connect(m, issue.i, flipped(self.insn))
        connect(m, issue.prev, flipped(self.g2s))
        connect(m, rows.out, flipped(self.out))
        connect(m, write_master.axi, flipped(self.axi))
        connect(m, write_master.beats, rows.beats)

        # split an instruction: a region for the addresses, rows for the data, an entry of `ends` for each burst
        ends_shape = data.StructLayout({"burst": unsigned(1), "last": unsigned(1), "push": unsigned(1),
                                        "number": unsigned(NUMBER_BITS)})
        m.submodules.ends = ends = Fifo(ends_shape, max(config.write_outstanding, 3), registered=True)
        m.submodules.numbers = numbers = Fifo(unsigned(NUMBER_BITS), config.write_outstanding)
        burst = bursts.burst
        issued, store, row = issue.o.payload, transfer.o, rows.rows.payload
        fields = data.View(MEMORY, issue.raw)
        other = Signal()                       # a STORE of another memory type than OUT, with x_size
        work = store.work
        # there is room for the next STORE; if it has no work, all others have left
        can_work = Signal()
        can_skip = Signal()
        started = Signal()
        taken = Signal(ISSUED)                 # the last STORE with work
        current = Signal(ISSUED)               # ... and that of `burst`
        requesting = Signal()                  # bursts are still to be requested
        nothing = Signal()                     # a STORE without work waits for those before it, then ends
        m.d.comb += [
            requesting.eq(~bursts.region.ready | burst.valid),
            can_work.eq(bursts.region.ready & rows.rows.ready), can_skip.eq(~requesting & ends.i.ready)]
        with m.If(issue.move):
            m.d.sync += other.eq((fields.mem_type != MemType.OUT) & (fields.x_size != 0))
        m.d.comb += [
            transfer.raw.eq(issue.raw), transfer.move.eq(issue.move), transfer.pointers[0].eq(self.out_ptr),
            nothing.eq(issue.o.valid & ~work & can_skip),
            bursts.region.payload.eq(store.region),
            *(row[name].eq(store[name]) for name in row.shape().members),
            bursts.region.valid.eq(started & work), rows.rows.valid.eq(started & work),
            started.eq(issue.o.valid & issue.o.ready),
            issue.o.ready.eq(Mux(work, can_work, can_skip)),
            issue.clear.eq(self.clear), issue.next.can_pop.eq(1),
        ]
        new_end = ends.i.payload
        sent = Signal()
        m.d.comb += [
            write_master.request.payload.eq(burst.payload),
            write_master.request.valid.eq(burst.valid & ends.i.ready),
            burst.ready.eq(write_master.request.ready & ends.i.ready),
            sent.eq(burst.valid & burst.ready),
            new_end.burst.eq(~nothing), new_end.last.eq(nothing | bursts.last),
            new_end.push.eq(Mux(nothing, issued.push_prev, current.push_prev)),
            new_end.number.eq(Mux(nothing, issued.number, current.number)),
            ends.i.valid.eq(sent | (nothing & started)),
            # whose response comes next: not always that of the oldest of `ends`, which may have no burst
            numbers.i.valid.eq(sent), numbers.i.payload.eq(current.number), numbers.o.ready.eq(write_master.response),
            write_master.halt.eq(self.halt),
        ]
        with m.If(started & work):
            m.d.sync += taken.eq(issued)
        with m.If(bursts.moves):
            m.d.sync += current.eq(taken)

        # the end of an instruction: all its bursts are answered
        end = ends.o.payload
        leaves = Signal()
        ended = Signal()
        no_room = Signal()
        # responses that came while the oldest end waited
        m.submodules.owed = owed = Counter(config.write_outstanding)
        answered = Signal()
        moving = Signal()
        m.d.comb += [
            answered.eq(owed.some | write_master.response | ~end.burst),
            owed.up.eq(write_master.response & ~(leaves & end.burst)),
            owed.down.eq(leaves & end.burst & ~write_master.response),
            no_room.eq(ends.o.valid & answered & end.last & end.push & ~self.s2g.can_push),
            leaves.eq(ends.o.valid & answered & ~no_room), ends.o.ready.eq(leaves),
            ended.eq(leaves & end.last),
            self.s2g.push.eq(ended & end.push), self.s2g.reserve.eq(self.s2g.push),
            self.idle.eq(issue.empty & ~requesting & ~ends.o.valid),
            self.status.settled.eq(issue.settled & ~requesting & ~ends.o.valid), self.bus_idle.eq(write_master.idle),
            rows.number.eq(issued.number),
            moving.eq(self.axi.wvalid & self.axi.wready),
            self.status.progress.eq(started | sent | leaves | moving),
        ]

        report_error(m, self.status.error, [
            (no_room, ErrorCause.TOKEN, end.number),
            (rows.beyond, ErrorCause.INDEX, rows.beyond_number),
            (started & other, ErrorCause.MEMORY_TYPE, issued.number),
            (write_master.response & write_master.failed, ErrorCause.AXI_WRITE, numbers.o.payload)])
        count_events(m, self.status.events, {
            "store_insns": started,
            "out_tiles": rows.tile_read,
            "write_beats": moving,
            "write_bursts": self.axi.awvalid & self.axi.awready,
            "pushed_s2g": self.s2g.push,
        })
        count_states(m, self.status.states, Unit.STORE, self.running, {
            "busy": moving | (nothing & started),
            "wait_write": self.axi.wvalid | requesting | rows.beats.valid,
            "wait_mem": ends.o.valid,
            "wait_token": issue.wait_prev,
            "wait_insn": 1,
        })
        return m
