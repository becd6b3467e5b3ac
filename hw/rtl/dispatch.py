"""The front of compute: sends decoded instructions on as tickets, LOADs and nests."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.features import Feature
from vta.hw.rtl.compute_decoder import decoded_layout
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.index import SEQ_BITS, queued_nest_layout, uop_write
from vta.hw.rtl.interfaces import ISSUED, chunk_layout
from vta.hw.rtl.loader import load_layout
from vta.hw.rtl.merge import TICKETS_AHEAD, ticket_layout


class Dispatch(wiring.Component):
    """Sends a `ticket` to the merge for each instruction, and the work to the unit that prepares it.

    `decoded` belongs to `insn`. A LOAD with x_size goes to `uop_load` or `acc_load`, a nest with steps to
    `nest`, in the cycle in which it is taken from `insn`; all others, and what cannot be executed (`bad_opcode`,
    `bad_memory` in that cycle), only produce a ticket. Throughput: one instruction a cycle. Latency: one cycle to
    `ticket`, none to the others, which are `valid` only while they are ready.

    `uops` are the chunks of `uop_load`'s loader. They pass to `write`, the micro-op memory, while that permits it;
    `load_done`: one has been written; `loads_done` counts them, modulo 2^SEQ_BITS.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(ISSUED)), "decoded": In(decoded_layout(config)),
            "ticket": Out(stream.Signature(ticket_layout(config))),
            "more_tickets": Out(1),      # as `more` of their queue
            "uop_load": Out(stream.Signature(load_layout(config))),
            "acc_load": Out(stream.Signature(load_layout(config))),
            "nest": Out(stream.Signature(queued_nest_layout(config))),
            "uops": In(stream.Signature(chunk_layout(config))), "write": Out(uop_write(config)),
            "load_done": Out(1), "loads_done": Out(SEQ_BITS), "bad_opcode": Out(1), "bad_memory": Out(1),
            "idle": Out(1)})         # no ticket is left

    def elaborate(self, platform):
        m = Module()
        m.submodules.tickets = tickets = Fifo(ticket_layout(self.config), TICKETS_AHEAD, registered=True)
        connect(m, tickets.o, flipped(self.ticket))
        m.d.comb += self.more_tickets.eq(tickets.more)
        issued, decoded, ticket, nest = self.insn.payload, self.decoded, tickets.i.payload, self.nest.payload
        taken = Signal()
        to_uop = Signal()
        to_acc = Signal()
        to_nest = Signal()
        loads = Signal(SEQ_BITS)                 # LOAD UOPs taken so far
        nests = Signal(SEQ_BITS)                 # instructions with steps taken so far
        m.d.comb += [
            Cat(to_uop, to_acc, to_nest).eq(decoded.kind),
            self.insn.ready.eq(tickets.i.ready & (~to_uop | self.uop_load.ready) & (~to_acc | self.acc_load.ready)
                               & (~to_nest | self.nest.ready)),
            taken.eq(self.insn.valid & self.insn.ready),
            tickets.i.valid.eq(taken), ticket.number.eq(issued.number),
            ticket.kind.eq(decoded.kind), ticket.shared.eq(decoded.shared), ticket.tag.finish.eq(decoded.finish),
            ticket.tag.push_prev.eq(issued.push_prev), ticket.tag.push_next.eq(issued.push_next),
            self.uop_load.valid.eq(taken & to_uop), self.acc_load.valid.eq(taken & to_acc),
            nest.nest.eq(decoded.nest), nest.loads.eq(loads),
            *(nest[name].eq(decoded.shared[name]) for name in ("is_alu", "has_src", "waits", "use_imm", "long")),
            nest.keeps_dst.eq(decoded.shared.requant.par if self.config.has(Feature.REQUANTISE) else 0),
            nest.reads_src.eq(~decoded.shared.reset & (~decoded.shared.is_alu | ~decoded.shared.use_imm
                                                       | self.config.alu_imm_reads_src)),
            self.nest.valid.eq(taken & to_nest),
            self.idle.eq(tickets.level == 0),
            self.bad_opcode.eq(taken & decoded.bad_opcode), self.bad_memory.eq(taken & decoded.bad_memory),
        ]
        if self.config.has(Feature.REQUANTISE):
            requant = decoded.shared.requant
            m.d.comb += [
                ticket.drains.eq(Mux(to_nest, ~(requant.requantises | requant.req),
                                     to_acc | issued.push_next | decoded.finish))]
        for load in (self.uop_load.payload, self.acc_load.payload):
            m.d.comb += [load.transfer.eq(decoded.transfer), load.pads.eq(decoded.pads),
                         load.number.eq(issued.number)]
        m.d.sync += [loads.eq(loads + (taken & to_uop)), nests.eq(nests + (taken & to_nest))]

        # for each LOAD UOP in flight: the nests before it, and the range that it writes
        shape = data.StructLayout({"nests": unsigned(SEQ_BITS), "bgn": unsigned(16), "end": unsigned(17)})
        m.submodules.ranges = ranges = Fifo(shape, TICKETS_AHEAD, registered=True)
        new, oldest = ranges.i.payload, ranges.o.payload
        written = Signal()
        done = self.load_done                    # a cycle late
        m.d.sync += done.eq(written & self.uops.payload.last)
        m.d.comb += [
            ranges.i.valid.eq(taken & to_uop), new.nests.eq(nests), new.bgn.eq(decoded.bgn), new.end.eq(decoded.end),
            self.write.valid.eq(ranges.o.valid),
            self.write.nests_before.eq(oldest.nests), self.write.bgn.eq(oldest.bgn), self.write.end.eq(oldest.end),
            self.uops.ready.eq(self.write.permitted), written.eq(self.uops.valid & self.uops.ready),
            self.write.en.eq(written), self.write.chunk.eq(self.uops.payload),
            ranges.o.ready.eq(done), self.write.done.eq(done),
        ]
        m.d.sync += self.loads_done.eq(self.loads_done + done)
        return m
