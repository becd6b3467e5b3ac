"""The load unit: LOADs of inputs and weights, in order."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.features import Feature
from vta.hw.isa import INSN_BITS, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.decode import PadDecoder, TransferDecoder
from vta.hw.rtl.interfaces import (
    TOKEN_SINK,
    TOKEN_SOURCE,
    chunk_layout,
    pad_byte_member,
    read_client,
    scratch_write,
    unit_status,
)
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.loader import Loader
from vta.hw.rtl.scratchpad import assembles
from vta.hw.rtl.unit_state import count_events, count_states, report_error

# the memory types, those of features two behind their memories, which a position's lowest bit so tells; a machine with
# only the last one has a place for the one before, where fetch sends nothing
NAMES = ("INP", "WGT", "INP_PAD", "WGT_DIAG")


class Load(wiring.Component):
    """Loads inputs and weights into their scratchpads and tells compute with a token.

    A LOAD pops its G2L token before its first request and pushes its L2G token when its last chunk leaves the loader, a
    cycle before it is on `write`: what waits for the token needs several cycles before it can read. Requests run ahead
    of data over several LOADs. Room for the token is reserved before the first request, so that data never waits for
    it: it would hold up the read channel, and with it the units that make room. `write` goes to INP where
    `chunk.select` is 0, to WGT where it is 1. Errors: INDEX, AXI_READ, TOKEN.
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
        names = NAMES[:4 if config.has(Feature.DIAGONAL) else
                      3 if config.has(Feature.PAD_VALUE) else 2]
        m.submodules.issue = issue = Issue(config.load_queue_depth)
        m.submodules.transfer = transfer = TransferDecoder(config, *names)
        m.submodules.pads = pads = PadDecoder(any_byte=config.has(Feature.PAD_VALUE))
        m.submodules.loader = loader = Loader(
            config, *names, assembled=[n for n in names if assembles(config, n)],
            read_ahead=config.read_ahead_beats)
        connect(m, issue.i, flipped(self.insn))
        connect(m, issue.next, flipped(self.g2l))
        connect(m, loader.read, flipped(self.read))
        issued, load, chunk = issue.o.payload, loader.load.payload, loader.chunk.payload
        pointers = (self.inp_ptr, self.wgt_ptr, self.inp_ptr, self.wgt_ptr)[:len(names)]
        last = Signal()
        written = Signal()
        no_room = Signal()
        write = Signal(chunk_layout(config), reset_less=True)
        m.d.sync += [self.write.en.eq(loader.chunk.valid), write.eq(chunk)]
        m.d.comb += [
            *(port.eq(value) for decoder in (transfer, pads) for port, value in (
                (decoder.raw, issue.raw), (decoder.move, issue.move))),
            *(port.eq(pointer) for port, pointer in zip(transfer.pointers, pointers, strict=True)),
            load.transfer.eq(transfer.o), load.pads.eq(pads.o),
            *(load[name].eq(pads.byte) for name in pad_byte_member(config)),
            load.push.eq(issued.push_next), load.number.eq(issued.number),
            no_room.eq(issued.push_next & ~self.l2g.can_push),
            loader.load.valid.eq(issue.o.valid & ~no_room), issue.o.ready.eq(loader.load.ready & ~no_room),
            self.l2g.reserve.eq(issue.o.valid & issue.o.ready & issued.push_next),
            issue.clear.eq(self.clear), issue.prev.can_pop.eq(1), loader.chunk.ready.eq(1),
            last.eq(loader.chunk.valid & chunk.last), self.l2g.push.eq(last & chunk.push),
            written.eq(loader.chunk.valid & chunk.write & chunk.complete),
            self.write.chunk.eq(write),
            self.idle.eq(issue.empty & loader.idle), self.status.settled.eq(issue.settled & loader.idle),
            self.status.progress.eq(loader.chunk.valid | (issue.o.valid & issue.o.ready)),
        ]
        report_error(m, self.status.error, [
            (issue.o.valid & no_room, ErrorCause.TOKEN, issued.number),
            (loader.beyond, ErrorCause.INDEX, loader.number),
            (loader.bad, ErrorCause.AXI_READ, loader.number)])
        count_events(m, self.status.events, {
            "load_insns": last,
            "inp_tiles": written & (chunk.select == 0),
            "wgt_tiles": written & (chunk.select == 1),
            "pushed_l2g": self.l2g.push,
        })
        quiet = loader.receiving & ~loader.chunk.valid      # data requested, none of it here
        count_states(m, self.status.states, Unit.LOAD, self.running, {
            "busy": loader.chunk.valid,
            "wait_bus": quiet & self.bus_busy,
            "wait_mem": quiet | ~loader.idle,
            "wait_token": issue.wait_next | (issue.o.valid & no_room),
            "wait_insn": 1,
        })
        return m
