"""The head of every unit: its command queue, and the gate that holds an instruction until its tokens are available."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import CONTROL, INSN_BITS
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, TOKEN_SINK


class Issue(wiring.Component):
    """Queue of `depth` instructions; offers the oldest one when the tokens that it pops are available.

    Tokens are popped in the cycle in which the instruction is taken (`o.valid & o.ready`), all of them at
    once. `prev` and `next` connect to the unit's two incoming queues; a unit without one ties `can_pop` high.
    Throughput: one instruction a cycle. Latency: 2 cycles from `i`. `number` counts the instructions taken since
    `clear`.
    """

    i: In(stream.Signature(unsigned(INSN_BITS)))
    o: Out(stream.Signature(ISSUED))
    clear: In(1)
    prev: Out(TOKEN_SINK)
    next: Out(TOKEN_SINK)
    empty: Out(1)
    wait_prev: Out(1)       # the instruction waits for a token of the previous unit
    wait_next: Out(1)       # ... or only for one of the next unit

    def __init__(self, depth):
        self.depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Fifo(unsigned(INSN_BITS), self.depth, buffered=True)
        connect(m, flipped(self.i), queue.i)
        oldest = queue.o
        flags = data.View(CONTROL, oldest.payload)
        number = Signal(NUMBER_BITS)
        taken = Signal()
        m.d.comb += [
            self.empty.eq(~oldest.valid),
            self.wait_prev.eq(oldest.valid & flags.pop_prev & ~self.prev.can_pop),
            self.wait_next.eq(oldest.valid & flags.pop_next & ~self.next.can_pop & ~self.wait_prev),
            self.o.valid.eq(oldest.valid & ~self.wait_prev & ~self.wait_next),
            self.o.payload.insn.eq(oldest.payload), self.o.payload.number.eq(number),
            taken.eq(self.o.valid & self.o.ready), oldest.ready.eq(taken),
            self.prev.pop.eq(taken & flags.pop_prev), self.next.pop.eq(taken & flags.pop_next),
        ]
        with m.If(self.clear):
            m.d.sync += number.eq(0)
        with m.Elif(taken):
            m.d.sync += number.eq(number + 1)
        return m
