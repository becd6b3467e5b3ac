"""The front of compute: splits instructions into tickets, LOADs and nests."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import MEMORY, AluOp, MemType, Opcode, layouts
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.index import SEQ_BITS, queued_nest_layout, uop_write
from vta.hw.rtl.interfaces import ISSUED, chunk_layout
from vta.hw.rtl.merge import Kind, ticket_layout

TICKETS_AHEAD = 16      # instructions dispatched and not yet merged


class Dispatch(wiring.Component):
    """Sends a `ticket` to the merge for each instruction, and the work to the unit that prepares it.

    A LOAD with x_size goes to `uop_load` or `acc_load`, a GEMM or ALU that has steps to `nest`, in the cycle in which
    it is taken from `insn`; all others, and what cannot be executed (`bad_opcode`, `bad_memory` in that cycle), only
    produce a ticket. Throughput: one instruction a cycle. Latency: one cycle to `ticket`, none to the others, which
    are `valid` only while they are ready.

    `uops` are the chunks of `uop_load`'s loader. They pass to `write`, the micro-op memory, while that permits it;
    `loads_done` counts the LOAD UOPs written, modulo 2^SEQ_BITS.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(ISSUED)), "ticket": Out(stream.Signature(ticket_layout())),
            "uop_load": Out(stream.Signature(ISSUED)), "acc_load": Out(stream.Signature(ISSUED)),
            "nest": Out(stream.Signature(queued_nest_layout())),
            "uops": In(stream.Signature(chunk_layout(config))), "write": Out(uop_write(config)),
            "loads_done": Out(SEQ_BITS), "bad_opcode": Out(1), "bad_memory": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.tickets = tickets = Fifo(ticket_layout(), TICKETS_AHEAD)
        connect(m, tickets.o, flipped(self.ticket))
        issued, ticket = self.insn.payload, tickets.i.payload
        memory = data.View(MEMORY, issued.insn)
        alu = data.View(layouts(self.config).alu, issued.insn)
        bad_opcode = Signal()
        bad_memory = Signal()
        taken = Signal()
        to_uop = Signal()
        to_acc = Signal()
        to_nest = Signal()
        loads = Signal(SEQ_BITS)                 # LOAD UOPs taken so far
        nests = Signal(SEQ_BITS)                 # GEMM and ALU instructions with steps taken so far
        has_steps = (alu.iter_out != 0) & (alu.iter_in != 0) & (alu.uop_end > alu.uop_bgn)
        with m.Switch(memory.opcode):
            with m.Case(Opcode.LOAD), m.If(memory.x_size != 0):
                m.d.comb += [
                    to_uop.eq(memory.mem_type == MemType.UOP),
                    to_acc.eq((memory.mem_type == MemType.ACC) | (memory.mem_type == MemType.ACC_8BIT)),
                    bad_memory.eq(~to_uop & ~to_acc)]
            with m.Case(Opcode.GEMM):
                m.d.comb += to_nest.eq(has_steps)
            with m.Case(Opcode.ALU):
                m.d.comb += [bad_opcode.eq(alu.alu_opcode > max(AluOp)), to_nest.eq(has_steps & ~bad_opcode)]
            with m.Case(Opcode.FINISH):
                m.d.comb += ticket.tag.finish.eq(1)
            with m.Default():
                m.d.comb += bad_opcode.eq(1)
        m.d.comb += [
            self.insn.ready.eq(tickets.i.ready & (~to_uop | self.uop_load.ready) & (~to_acc | self.acc_load.ready)
                               & (~to_nest | self.nest.ready)),
            taken.eq(self.insn.valid & self.insn.ready),
            tickets.i.valid.eq(taken), ticket.number.eq(issued.number), ticket.loads.eq(loads + to_uop),
            ticket.kind.eq(Mux(to_uop, Kind.UOPS, Mux(to_acc, Kind.TILES, Mux(to_nest, Kind.STEPS, Kind.NOTHING)))),
            ticket.tag.push_prev.eq(memory.push_prev), ticket.tag.push_next.eq(memory.push_next),
            self.uop_load.payload.eq(issued), self.uop_load.valid.eq(taken & to_uop),
            self.acc_load.payload.eq(issued), self.acc_load.valid.eq(taken & to_acc),
            self.nest.payload.issued.eq(issued), self.nest.payload.loads.eq(loads),
            self.nest.valid.eq(taken & to_nest),
            self.bad_opcode.eq(taken & bad_opcode), self.bad_memory.eq(taken & bad_memory),
        ]
        m.d.sync += [loads.eq(loads + (taken & to_uop)), nests.eq(nests + (taken & to_nest))]

        # for each LOAD UOP in flight: the nests before it, and the range it writes (all, if not one plain row)
        shape = data.StructLayout({"nests": unsigned(SEQ_BITS), "bgn": unsigned(16), "end": unsigned(17)})
        m.submodules.ranges = ranges = Fifo(shape, TICKETS_AHEAD)
        new, oldest = ranges.i.payload, ranges.o.payload
        end = Signal(17)
        pads = Cat(memory.y_pad_0, memory.y_pad_1, memory.x_pad_0, memory.x_pad_1)
        plain = (memory.y_size == 1) & (pads == 0) & (end <= self.config.depth["UOP"])
        written = Signal()
        done = Signal()
        m.d.comb += [
            end.eq(memory.sram_base + memory.x_size),
            ranges.i.valid.eq(taken & to_uop), new.nests.eq(nests),
            new.bgn.eq(Mux(plain, memory.sram_base, 0)), new.end.eq(Mux(plain, end, ~0)),
            self.write.nests_before.eq(oldest.nests), self.write.bgn.eq(oldest.bgn), self.write.end.eq(oldest.end),
            self.uops.ready.eq(self.write.permitted), written.eq(self.uops.valid & self.uops.ready),
            self.write.en.eq(written), self.write.chunk.eq(self.uops.payload),
            done.eq(written & self.uops.payload.last), ranges.o.ready.eq(done),
        ]
        m.d.sync += self.loads_done.eq(self.loads_done + done)
        return m
