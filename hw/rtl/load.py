"""The load unit: LOAD INP and LOAD WGT, in order."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import INSN_BITS, MEMORY, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.interfaces import TOKEN_SINK, TOKEN_SOURCE, read_client, scratch_write, unit_status
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.loader import Loader
from vta.hw.rtl.scratchpad import assembles
from vta.hw.rtl.unit_state import count_events, count_states, report_error


class Load(wiring.Component):
    """Loads inputs and weights into their scratchpads and tells compute with a token.

    A LOAD pops its G2L token before its first request and pushes its L2G token when its last tile is written;
    requests run ahead of data over several LOADs. Room for the token is reserved before the first request, so
    that data never waits for it: it would hold up the read channel, and with it the units that make room.
    `write` goes to INP where `chunk.select` is 0, to WGT where it is 1. Errors: INDEX, AXI_READ, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1),
            "inp_ptr": In(config.axi_addr_width), "wgt_ptr": In(config.axi_addr_width),
            "read": Out(read_client(config)),
            "bus_busy": In(1),                     # the read channel carries a beat (of any client)
            "write": Out(scratch_write(config)),
            "g2l": Out(TOKEN_SINK), "l2g": Out(TOKEN_SOURCE),
            "status": Out(unit_status(Unit.LOAD)),
            "idle": Out(1)})        # no instruction is here

    def elaborate(self, platform):
        m = Module()
        config = self.config
        names = ("INP", "WGT")
        m.submodules.issue = issue = Issue(config.load_queue_depth)
        m.submodules.loader = loader = Loader(
            config, *names, assembled=[n for n in names if assembles(config, n)],
            read_ahead=config.read_ahead_beats)
        connect(m, issue.i, flipped(self.insn))
        connect(m, issue.next, flipped(self.g2l))
        connect(m, loader.read, flipped(self.read))
        chunk = loader.chunk.payload
        last = Signal()
        written = Signal()
        gives_token = data.View(MEMORY, issue.o.payload.insn).push_next
        no_room = Signal()
        m.d.comb += [
            no_room.eq(gives_token & ~self.l2g.can_push),
            loader.insn.payload.eq(issue.o.payload), loader.insn.valid.eq(issue.o.valid & ~no_room),
            issue.o.ready.eq(loader.insn.ready & ~no_room),
            self.l2g.reserve.eq(issue.o.valid & issue.o.ready & gives_token),
            loader.pointers[0].eq(self.inp_ptr), loader.pointers[1].eq(self.wgt_ptr),
            issue.clear.eq(self.clear), issue.prev.can_pop.eq(1),
            self.write.chunk.eq(chunk), self.write.en.eq(loader.chunk.valid),
            loader.chunk.ready.eq(1),
            last.eq(self.write.en & chunk.last), self.l2g.push.eq(last & chunk.push),
            written.eq(self.write.en & chunk.write & chunk.complete),
            self.idle.eq(issue.empty & loader.idle), self.status.settled.eq(~issue.o.valid & loader.idle),
            self.status.progress.eq(self.write.en | (issue.o.valid & issue.o.ready)),
        ]
        report_error(m, self.status.error, [
            (issue.o.valid & no_room, ErrorCause.TOKEN, issue.o.payload.number),
            (loader.beyond, ErrorCause.INDEX, loader.number),
            (loader.bad, ErrorCause.AXI_READ, loader.number)])
        count_events(m, self.status.events, {
            "load_insns": last,
            "inp_tiles": written & (chunk.select == 0),
            "wgt_tiles": written & (chunk.select == 1),
            "pushed_l2g": self.l2g.push,
        })
        quiet = loader.receiving & ~self.write.en      # data requested, none of it here
        count_states(m, self.status.states, Unit.LOAD, self.running, {
            "busy": self.write.en,
            "wait_bus": quiet & self.bus_busy,
            "wait_mem": quiet | ~loader.idle,
            "wait_token": issue.wait_next | (issue.o.valid & no_room),
            "wait_insn": 1,
        })
        return m
