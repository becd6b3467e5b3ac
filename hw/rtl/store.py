"""The store unit: STORE OUT, in order, from the output buffer to DRAM."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from vta.hw.counters import STATES
from vta.hw.isa import INSN_BITS, MEMORY, MemType, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import bus_log, write_signature
from vta.hw.rtl.burst_generator import BurstGenerator
from vta.hw.rtl.errors import error_layout
from vta.hw.rtl.issue import ISSUED, NUMBER_BITS, Issue
from vta.hw.rtl.store_data import StoreData
from vta.hw.rtl.unit_state import count_states
from vta.hw.rtl.write_master import WriteMaster


class Store(wiring.Component):
    """Executes STOREs: pops G2S, reads the output buffer, writes bursts, and pushes S2G with its last response.

    Several STOREs are under way at a time; a one-tile STORE costs as many cycles as it has beats. `out_*` is
    the read port of the output buffer (data one cycle after the index). A STORE of another memory type
    than OUT is reported and only handles its tokens. Errors: MEMORY_TYPE, INDEX, AXI_WRITE, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1), "halt": In(1), "out_ptr": In(config.axi_addr_width),
            "axi": Out(write_signature(config)),
            "out_en": Out(1), "out_index": Out(config.acc_depth_log), "out_data": In(8 * config.tile_bytes["OUT"]),
            "available": In(1), "pop": Out(1),     # G2S tokens
            "space": In(1), "push": Out(1),        # S2G tokens
            "error": Out(error_layout()),
            "states": Out(len(STATES[Unit.STORE])), "events": Out(2), "progress": Out(1), "bus_idle": Out(1),
            "idle": Out(1),         # no instruction is here
            "settled": Out(1)})     # none can go on without a token

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.issue = issue = Issue(config.store_queue_depth)
        m.submodules.bursts = bursts = BurstGenerator(config)
        m.submodules.rows = rows = StoreData(config)
        m.submodules.write_master = write_master = WriteMaster(config)
        wiring.connect(m, issue.i, wiring.flipped(self.insn))
        wiring.connect(m, write_master.axi, wiring.flipped(self.axi))
        wiring.connect(m, write_master.beats, rows.beats)

        # take an instruction apart: a region for the addresses, rows for the data, a note for its end
        ends_shape = data.StructLayout({"burst": unsigned(1), "last": unsigned(1), "push": unsigned(1),
                                        "number": unsigned(NUMBER_BITS)})
        m.submodules.ends = ends = SyncFIFO(width=ends_shape.size, depth=config.write_outstanding)
        m.submodules.numbers = numbers = SyncFIFO(width=NUMBER_BITS, depth=config.write_outstanding)
        insn = data.View(MEMORY, issue.o.payload.insn)
        region, row = bursts.region.payload, rows.rows.payload
        tile_log = config.tile_bytes["OUT"].bit_length() - 1
        good = Signal()
        work = Signal()
        both = Signal()
        started = Signal()
        under = Signal(ISSUED)                 # the instruction whose bursts are being requested
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
            issue.o.ready.eq(Mux(work, both, ~requesting & ends.w_rdy)),
            issue.clear.eq(self.clear), issue.available_next.eq(1),
            issue.available_prev.eq(self.available), self.pop.eq(issue.pop_prev),
        ]
        burst = bursts.burst
        note = data.View(ends_shape, ends.w_data)
        sent = Signal()
        m.d.comb += [
            write_master.request.payload.eq(burst.payload),
            write_master.request.valid.eq(burst.valid & ends.w_rdy),
            burst.ready.eq(write_master.request.ready & ends.w_rdy),
            sent.eq(burst.valid & burst.ready),
            note.burst.eq(~nothing), note.last.eq(nothing | bursts.last),
            note.push.eq(Mux(nothing, insn.push_prev, data.View(MEMORY, under.insn).push_prev)),
            note.number.eq(Mux(nothing, issue.o.payload.number, under.number)),
            ends.w_en.eq(sent | (nothing & started)),
            # whose response comes next: not always that of the oldest note, which may be one without a burst
            numbers.w_en.eq(sent), numbers.w_data.eq(under.number), numbers.r_en.eq(write_master.response),
            write_master.halt.eq(self.halt),
        ]
        with m.If(sent & bursts.last):
            m.d.sync += requesting.eq(0)
        with m.If(started & work):
            m.d.sync += [requesting.eq(1), under.eq(issue.o.payload)]

        # the end of an instruction: all its bursts are answered
        end = data.View(ends_shape, ends.r_data)
        ended = Signal()
        wait_space = Signal()
        owed = Signal(range(config.write_outstanding + 1))      # responses that came and wait for a place
        answered = Signal()
        m.d.comb += [
            answered.eq((owed != 0) | write_master.response | ~end.burst),
            wait_space.eq(ends.r_rdy & answered & end.last & end.push & ~self.space),
            ends.r_en.eq(ends.r_rdy & answered & ~wait_space),
            ended.eq(ends.r_en & end.last),
            self.push.eq(ended & end.push),
            self.idle.eq(issue.empty & ~requesting & ~ends.r_rdy),
            self.settled.eq(~issue.o.valid & ~requesting & ~ends.r_rdy), self.bus_idle.eq(write_master.idle),
            rows.number.eq(issue.o.payload.number),
            self.progress.eq(started | sent | ends.r_en | (self.axi.wvalid & self.axi.wready)),
        ]
        m.d.sync += owed.eq(owed + write_master.response - (ends.r_en & end.burst))
        m.d.comb += [self.out_en.eq(rows.out_en), self.out_index.eq(rows.out_index),
                     rows.out_data.eq(self.out_data)]

        with m.If(wait_space):
            m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(ErrorCause.TOKEN),
                         self.error.number.eq(end.number)]
        with m.If(rows.beyond):
            m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(ErrorCause.INDEX),
                         self.error.number.eq(rows.beyond_number)]
        with m.If(started & ~good & (insn.x_size != 0)):
            m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(ErrorCause.MEMORY_TYPE),
                         self.error.number.eq(issue.o.payload.number)]
        with m.If(write_master.response & write_master.failed):
            m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(ErrorCause.AXI_WRITE),
                         self.error.number.eq(numbers.r_data)]

        m.d.comb += self.events.eq(Cat(started, rows.tile_read))
        moving = self.axi.wvalid & self.axi.wready
        count_states(m, self.states, Unit.STORE, self.running, {
            "busy": moving | (nothing & started),
            "wait_write": self.axi.wvalid | requesting | rows.beats.valid,
            "wait_mem": ends.r_rdy,
            "wait_token": issue.wait_prev,
            "wait_insn": 1,
        })
        return m
