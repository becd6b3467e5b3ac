"""The queues: first in, first out, nothing lost, nothing invented."""

from amaranth.hdl import Array, Assert, Mux, Signal, unsigned

from vta.hw.rtl import fifo
from vta.sim.formal.property import Property


class FirstInFirstOut(Property):
    """Against a list: `depth` entries, of which the first `used` are in the queue. `kind`: the options that are on."""

    def __init__(self, unit=fifo, kind=(), depth=4, width=3):
        super().__init__()
        self.behind = ("block_ram" in kind) + 2 * ("registered" in kind)      # places behind the memory
        self.latency = 2 if "block_ram" in kind else 1
        self.queue = unit.Fifo(unsigned(width), depth, **dict.fromkeys(kind, True))

    def state(self, m):
        queue, depth = self.queue, self.queue.depth
        self.unit(m, queue)
        entries = Array(Signal.like(queue.i.payload, name=f"entry_{n}") for n in range(depth + 1))
        used, write, read = Signal(range(depth + 1)), Signal(), Signal()
        m.d.comb += [
            write.eq(queue.i.valid & queue.i.ready), read.eq(queue.o.ready & queue.o.valid),
            Assert(queue.level == used), Assert(~queue.i.ready | (used != depth)),
            # the registers behind the memory cannot take what is meant for it
            Assert(queue.i.ready | (used >= depth - self.behind)),
            Assert(~queue.o.valid | ((used != 0) & (queue.o.payload == entries[0]))),
            Assert(queue.o.valid | (used <= self.latency)),
        ]
        m.d.sync += used.eq(used + write - read)
        for n in range(depth):
            arrives = write & (n == used - read)
            m.d.sync += entries[n].eq(Mux(arrives, queue.i.payload, Mux(read, entries[n + 1], entries[n])))
