"""The head of every unit: its command queue, and the gate that holds an instruction until its tokens are there."""

from amaranth.hdl import Const, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from vta.hw.isa import CONTROL, INSN_BITS

NUMBER_BITS = 24     # instructions of a unit are numbered modulo 2^24 for error reports

ISSUED = data.StructLayout({"insn": unsigned(INSN_BITS), "number": unsigned(NUMBER_BITS)})


class Issue(wiring.Component):
    """Queue of `depth` instructions; offers the oldest one when the tokens that it pops are available.

    Tokens are popped in the cycle in which the instruction is taken (`o.valid & o.ready`), all of them at
    once. `available_prev/next` and `pop_prev/next` connect to the unit's two incoming queues; a unit
    without one ties `available` high. Throughput: one instruction a cycle. Latency: 2 cycles from `i`.
    `number` counts the instructions taken since `clear`.
    """

    i: In(stream.Signature(unsigned(INSN_BITS)))
    o: Out(stream.Signature(ISSUED))
    clear: In(1)
    available_prev: In(1)
    available_next: In(1)
    pop_prev: Out(1)
    pop_next: Out(1)
    empty: Out(1)
    wait_prev: Out(1)       # the instruction waits for a token of the previous unit
    wait_next: Out(1)       # ... or only for one of the next unit

    def __init__(self, depth):
        self.depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=INSN_BITS, depth=self.depth)
        wiring.connect(m, queue.w_stream, wiring.flipped(self.i))
        head = data.View(CONTROL, queue.r_data)
        number = Signal(NUMBER_BITS)
        taken = Signal()
        m.d.comb += [
            self.empty.eq(~queue.r_rdy),
            self.wait_prev.eq(queue.r_rdy & head.pop_prev & ~self.available_prev),
            self.wait_next.eq(queue.r_rdy & head.pop_next & ~self.available_next & ~self.wait_prev),
            self.o.valid.eq(queue.r_rdy & ~self.wait_prev & ~self.wait_next),
            self.o.payload.insn.eq(queue.r_data),
            self.o.payload.number.eq(number),
            taken.eq(self.o.valid & self.o.ready),
            queue.r_en.eq(taken),
            self.pop_prev.eq(taken & head.pop_prev),
            self.pop_next.eq(taken & head.pop_next),
        ]
        with m.If(self.clear):
            m.d.sync += number.eq(Const(0))
        with m.Elif(taken):
            m.d.sync += number.eq(number + 1)
        return m
