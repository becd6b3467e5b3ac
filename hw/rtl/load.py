"""The load unit: LOAD INP and LOAD WGT, in order."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.counters import STATES
from vta.hw.isa import INSN_BITS, MEMORY, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import burst_layout
from vta.hw.rtl.errors import error_layout
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.loader import Loader
from vta.hw.rtl.read_arbiter import beat_layout
from vta.hw.rtl.scratchpad import assembles
from vta.hw.rtl.tile_writer import chunk_layout
from vta.hw.rtl.unit_state import count_states


class Load(wiring.Component):
    """Loads inputs and weights into their scratchpads and tells compute with a token.

    A LOAD pops its G2L token before its first request and pushes its L2G token when its last tile is written;
    requests run ahead of data over several LOADs. The token's place is reserved before the first request, so
    that data never waits for it: it would hold up the read channel, and with it those who make room.
    `chunk` is written in the cycle in which `write` is 1 (`select` 0: INP, 1: WGT). Errors: INDEX, AXI_READ, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1),
            "inp_ptr": In(config.axi_addr_width), "wgt_ptr": In(config.axi_addr_width),
            "request": Out(stream.Signature(burst_layout(config))),
            "beats": In(stream.Signature(beat_layout(config))),
            "bus_busy": In(1),                     # the read channel carries a beat (anybody's)
            "write": Out(1), "chunk": Out(chunk_layout(config)),
            "available": In(1), "pop": Out(1),     # G2L tokens
            "space": In(1), "reserve": Out(1), "push": Out(1),      # L2G tokens
            "error": Out(error_layout()),
            "states": Out(len(STATES[Unit.LOAD])), "events": Out(3), "progress": Out(1),
            "idle": Out(1),         # no instruction is here
            "settled": Out(1)})     # none can go on without a token

    def elaborate(self, platform):
        m = Module()
        config = self.config
        names = ("INP", "WGT")
        m.submodules.issue = issue = Issue(config.load_queue_depth)
        m.submodules.loader = loader = Loader(
            config, *names, assembled=[n for n in names if assembles(config, n)],
            read_ahead=config.read_ahead_beats)
        wiring.connect(m, issue.i, wiring.flipped(self.insn))
        wiring.connect(m, loader.request, wiring.flipped(self.request))
        wiring.connect(m, loader.beats, wiring.flipped(self.beats))
        chunk = loader.chunk.payload
        last = Signal()
        gives_token = data.View(MEMORY, issue.o.payload.insn).push_next
        no_space = Signal()
        m.d.comb += [
            no_space.eq(gives_token & ~self.space),
            loader.insn.payload.eq(issue.o.payload), loader.insn.valid.eq(issue.o.valid & ~no_space),
            issue.o.ready.eq(loader.insn.ready & ~no_space),
            self.reserve.eq(issue.o.valid & issue.o.ready & gives_token),
            loader.pointers[0].eq(self.inp_ptr), loader.pointers[1].eq(self.wgt_ptr),
            issue.clear.eq(self.clear), issue.available_prev.eq(1),
            issue.available_next.eq(self.available), self.pop.eq(issue.pop_next),
            self.chunk.eq(chunk), self.write.eq(loader.chunk.valid & loader.chunk.ready),
            loader.chunk.ready.eq(1),
            last.eq(self.write & chunk.last), self.push.eq(last & chunk.push),
            self.idle.eq(issue.empty & loader.idle), self.settled.eq(~issue.o.valid & loader.idle),
            self.progress.eq(self.write | (issue.o.valid & issue.o.ready)),
        ]
        for condition, cause, number in (
                (issue.o.valid & no_space, ErrorCause.TOKEN, issue.o.payload.number),
                (loader.beyond, ErrorCause.INDEX, loader.number),
                (loader.bad, ErrorCause.AXI_READ, loader.number)):
            with m.If(condition):
                m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(cause), self.error.number.eq(number)]

        quiet = loader.receiving & ~self.write      # data requested, none of it here
        m.d.comb += self.events.eq(
            (last << 0) | ((self.write & chunk.write & chunk.complete & (chunk.select == 0)) << 1)
            | ((self.write & chunk.write & chunk.complete & (chunk.select == 1)) << 2))
        count_states(m, self.states, Unit.LOAD, self.running, {
            "busy": self.write,
            "wait_bus": quiet & self.bus_busy,
            "wait_mem": quiet | ~loader.idle,
            "wait_token": issue.wait_next | (issue.o.valid & no_space),
            "wait_insn": 1,
        })
        return m
