"""A token queue neither loses nor invents tokens, whatever its producer and consumer do within the protocol."""

from amaranth.hdl import Assert, Assume, Mux, Signal

from vta.hw.rtl import tokens
from vta.sim.formal.property import Property, inner

GHOST_BITS = 16      # the counts are compared modulo 2^16, more than the depth of any queue


class TokenConservation(Property):
    """Against total counts of what was reserved, pushed and popped."""

    def __init__(self, unit=tokens, depth=1024):
        super().__init__()
        self.queue = unit.TokenQueue(depth)

    def state(self, m):
        queue, depth = self.queue, self.queue.depth
        fragment = self.unit(m, queue)
        reserved, pushed, popped = (Signal(GHOST_BITS, name=name) for name in ("reserved", "pushed", "popped"))
        m.d.comb += [
            # the protocol
            Assume(~queue.reserve | queue.space),
            Assume(~queue.pop | queue.available),
            Assume(~queue.push | queue.reserve | (pushed != reserved)),
            # the host sets the count only between runs
            Assume(~queue.set | (~queue.reserve & ~queue.push & ~queue.pop)),
        ]
        given = Mux(queue.set_count > depth, depth, queue.set_count)
        m.d.sync += [reserved.eq(Mux(queue.set, given, reserved + queue.reserve)),
                     pushed.eq(Mux(queue.set, given, pushed + queue.push)),
                     popped.eq(Mux(queue.set, 0, popped + queue.pop))]
        m.d.comb += [
            Assert(queue.count == (pushed - popped)[:GHOST_BITS]),
            Assert(queue.available == (pushed != popped)),
            Assert(queue.space == ((reserved - popped)[:GHOST_BITS] != depth)),
            # invariants that make the above inductive
            Assert(inner(fragment, "taken") == (reserved - popped)[:GHOST_BITS]),
            Assert((reserved - popped)[:GHOST_BITS] <= depth),
            Assert((pushed - popped)[:GHOST_BITS] <= (reserved - popped)[:GHOST_BITS]),
        ]
