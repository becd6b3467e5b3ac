"""The store unit: STORE OUT, in order, from the output buffer to DRAM."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import INSN_BITS, MEMORY, MemType, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import bus_log, write_signature
from vta.hw.rtl.burst_generator import BurstGenerator
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, TOKEN_SINK, TOKEN_SOURCE, scratch_read, unit_status
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.store_data import StoreData
from vta.hw.rtl.unit_state import count_events, count_states, report_error
from vta.hw.rtl.write_master import WriteMaster


class Store(wiring.Component):
    """Executes STOREs: pops G2S, reads the output buffer, writes bursts, and pushes S2G with its last response.

    Several STOREs are in flight at a time; a one-tile STORE costs as many cycles as it has beats. A STORE of another
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
        m.submodules.ends = ends = Fifo(ends_shape, config.write_outstanding)
        m.submodules.numbers = numbers = Fifo(unsigned(NUMBER_BITS), config.write_outstanding)
        insn = data.View(MEMORY, issue.o.payload.insn)
        region, row = bursts.region.payload, rows.rows.payload
        tile_log = config.tile_bytes["OUT"].bit_length() - 1
        good = Signal()
        work = Signal()
        both = Signal()
        started = Signal()
        current = Signal(ISSUED)               # the instruction whose bursts are being requested
        requesting = Signal()
        nothing = Signal()                     # a STORE without work waits for those before it, then ends
        m.d.comb += [
            good.eq(insn.mem_type == MemType.OUT),
            work.eq(good & (insn.x_size != 0) & (insn.y_size != 0)),
            both.eq(bursts.region.ready & rows.rows.ready),
            nothing.eq(issue.o.valid & ~work & ~requesting),
            region.addr.eq(self.out_ptr + (insn.dram_base << tile_log)), region.rows.eq(insn.y_size),
            region.x_bytes.eq(insn.x_size << tile_log), region.stride.eq(insn.x_stride << tile_log),
            row.sram_base.eq(insn.sram_base), row.x_size.eq(insn.x_size), row.y_size.eq(insn.y_size),
            row.beat_offset.eq(region.addr[:bus_log(config)]), row.stride.eq(region.stride[:bus_log(config)]),
            row.merged.eq(insn.x_stride == insn.x_size),
            bursts.region.valid.eq(issue.o.valid & work & rows.rows.ready),
            rows.rows.valid.eq(issue.o.valid & work & bursts.region.ready),
            started.eq(issue.o.valid & issue.o.ready),
            issue.o.ready.eq(Mux(work, both, ~requesting & ends.i.ready)),
            issue.clear.eq(self.clear), issue.next.can_pop.eq(1),
        ]
        burst = bursts.burst
        new_end = ends.i.payload
        sent = Signal()
        m.d.comb += [
            write_master.request.payload.eq(burst.payload),
            write_master.request.valid.eq(burst.valid & ends.i.ready),
            burst.ready.eq(write_master.request.ready & ends.i.ready),
            sent.eq(burst.valid & burst.ready),
            new_end.burst.eq(~nothing), new_end.last.eq(nothing | bursts.last),
            new_end.push.eq(Mux(nothing, insn.push_prev, data.View(MEMORY, current.insn).push_prev)),
            new_end.number.eq(Mux(nothing, issue.o.payload.number, current.number)),
            ends.i.valid.eq(sent | (nothing & started)),
            # whose response comes next: not always that of the oldest of `ends`, which may have no burst
            numbers.i.valid.eq(sent), numbers.i.payload.eq(current.number), numbers.o.ready.eq(write_master.response),
            write_master.halt.eq(self.halt),
        ]
        with m.If(sent & bursts.last):
            m.d.sync += requesting.eq(0)
        with m.If(started & work):
            m.d.sync += [requesting.eq(1), current.eq(issue.o.payload)]

        # the end of an instruction: all its bursts are answered
        end = ends.o.payload
        leaves = Signal()
        ended = Signal()
        no_room = Signal()
        owed = Signal(range(config.write_outstanding + 1))      # responses that came while the oldest end waited
        answered = Signal()
        moving = Signal()
        m.d.comb += [
            answered.eq((owed != 0) | write_master.response | ~end.burst),
            no_room.eq(ends.o.valid & answered & end.last & end.push & ~self.s2g.can_push),
            leaves.eq(ends.o.valid & answered & ~no_room), ends.o.ready.eq(leaves),
            ended.eq(leaves & end.last),
            self.s2g.push.eq(ended & end.push), self.s2g.reserve.eq(self.s2g.push),
            self.idle.eq(issue.empty & ~requesting & ~ends.o.valid),
            self.status.settled.eq(~issue.o.valid & ~requesting & ~ends.o.valid), self.bus_idle.eq(write_master.idle),
            rows.number.eq(issue.o.payload.number),
            moving.eq(self.axi.wvalid & self.axi.wready),
            self.status.progress.eq(started | sent | leaves | moving),
        ]
        m.d.sync += owed.eq(owed + write_master.response - (leaves & end.burst))

        report_error(m, self.status.error, [
            (no_room, ErrorCause.TOKEN, end.number),
            (rows.beyond, ErrorCause.INDEX, rows.beyond_number),
            (started & ~good & (insn.x_size != 0), ErrorCause.MEMORY_TYPE, issue.o.payload.number),
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
