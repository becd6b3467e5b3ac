"""The queues of Amaranth's standard library, as used here: first in, first out, nothing lost, nothing invented."""

from amaranth.hdl import Array, Assert, Mux, Signal
from amaranth.lib import fifo

from vta.sim.formal.property import Property


class FirstInFirstOut(Property):
    """Against a list: `depth` entries, of which the first `used` are in the queue."""

    def __init__(self, unit=fifo, kind="SyncFIFO", depth=4, width=3):
        super().__init__()
        self.buffered = kind == "SyncFIFOBuffered"
        self.queue = getattr(unit, kind)(width=width, depth=depth)

    def state(self, m):
        queue, depth = self.queue, self.queue.depth
        m.submodules.queue = queue
        self.inputs += [queue.w_data, queue.w_en, queue.r_en]
        entries = Array(Signal(queue.width, name=f"entry_{n}") for n in range(depth + 1))
        used, write, read = Signal(range(depth + 1)), Signal(), Signal()
        m.d.comb += [
            write.eq(queue.w_en & queue.w_rdy), read.eq(queue.r_en & queue.r_rdy),
            Assert(queue.level == used),
            Assert(~queue.w_rdy | (used != depth)),
            # a buffered queue may reserve one entry for a value on its way to the output
            Assert(queue.w_rdy | (used >= (depth - 1 if self.buffered else depth))),
            Assert(~queue.r_rdy | ((used != 0) & (queue.r_data == entries[0]))),
            # a buffered queue may take one cycle more to offer what was just written
            Assert(queue.r_rdy | (used <= (self.past(m, write) if self.buffered else 0))),
        ]
        m.d.sync += used.eq(used + write - read)
        for n in range(depth):
            arrives = write & (n == used - read)
            m.d.sync += entries[n].eq(Mux(arrives, queue.w_data, Mux(read, entries[n + 1], entries[n])))
