"""The head of every unit: its command queue, the pace of its decoder, and the gate that waits for tokens."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.isa import CONTROL, INSN_BITS, TOKEN_FLAGS
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, TOKEN_SINK


class Issue(wiring.Component):
    """Queue of `depth` instructions; offers the oldest one when the tokens that it pops are available.

    The unit decodes an instruction before its tokens are there: `raw` is a register that holds while two stages work
    on it. The first one is registers that always follow; the second one takes over with `move`, and is then the
    decoded instruction that belongs to `o`. Tokens are popped in the cycle in which the instruction is taken (`o.valid
    & o.ready`), all of them at once. `prev` and `next` connect to the unit's two incoming queues; a unit without one
    ties `can_pop` high. Throughput: an instruction every two cycles. Latency: 5 cycles from `i`. `number` counts the
    instructions taken since `clear`.
    """

    i: In(stream.Signature(unsigned(INSN_BITS)))
    raw: Out(INSN_BITS)
    move: Out(1)
    o: Out(stream.Signature(ISSUED))
    clear: In(1)
    prev: Out(TOKEN_SINK)
    next: Out(TOKEN_SINK)
    empty: Out(1)
    settled: Out(1)         # empty, or waiting for a token
    wait_prev: Out(1)       # the instruction waits for a token of the previous unit
    wait_next: Out(1)       # ... or only for one of the next unit

    def __init__(self, depth):
        self.depth = depth
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Fifo(unsigned(INSN_BITS), self.depth, block_ram=True)
        connect(m, flipped(self.i), queue.i)
        flags = data.StructLayout({flag: unsigned(1) for flag in TOKEN_FLAGS})
        raw = Signal(INSN_BITS, reset_less=True)
        head = Signal(flags, reset_less=True)
        raw_valid = Signal()
        decoding = Signal()                      # the first stage has it, too
        valid = Signal()                         # the second stage has an instruction, `head`
        # ~valid: a register of its own, which does not share the fan-out of `move`
        room = Signal(init=1)
        control = data.View(CONTROL, raw)
        m.d.comb += [self.raw.eq(raw), self.move.eq(decoding & ~valid),
                     queue.o.ready.eq(~raw_valid | (decoding & room))]
        with m.If(queue.o.ready):
            m.d.sync += [raw.eq(queue.o.payload), raw_valid.eq(queue.o.valid)]
        m.d.sync += decoding.eq(raw_valid & ~self.move)
        with m.If(self.move):
            m.d.sync += [valid.eq(1), room.eq(0), *(head[flag].eq(control[flag]) for flag in TOKEN_FLAGS)]

        number = Signal(NUMBER_BITS)
        taken = Signal()
        m.d.comb += [
            self.empty.eq((queue.level == 0) & ~raw_valid & ~valid),
            self.settled.eq(self.empty | (valid & ~self.o.valid)),
            self.wait_prev.eq(valid & head.pop_prev & ~self.prev.can_pop),
            self.wait_next.eq(valid & head.pop_next & ~self.next.can_pop & ~self.wait_prev),
            self.o.valid.eq(valid & ~(head.pop_prev & ~self.prev.can_pop) & ~(head.pop_next & ~self.next.can_pop)),
            self.o.payload.push_prev.eq(head.push_prev), self.o.payload.push_next.eq(head.push_next),
            self.o.payload.number.eq(number),
            taken.eq(self.o.valid & self.o.ready),
            self.prev.pop.eq(taken & head.pop_prev), self.next.pop.eq(taken & head.pop_next),
        ]
        with m.If(taken):
            m.d.sync += [valid.eq(0), room.eq(1)]
        with m.If(self.clear):
            m.d.sync += number.eq(0)
        with m.Elif(taken):
            m.d.sync += number.eq(number + 1)
        return m
