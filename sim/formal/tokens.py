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
        queue, depth, source, sink = self.queue, self.queue.depth, self.queue.source, self.queue.sink
        fragment = self.unit(m, queue)
        late = inner(fragment, "popped")         # a pop of the cycle before, which is not counted yet
        reserved, pushed, popped = (Signal(GHOST_BITS, name=name) for name in ("reserved", "pushed", "popped"))
        m.d.comb += [
            # the protocol
            Assume(~source.reserve | source.can_push),
            Assume(~sink.pop | (sink.can_pop & ~late)),
            Assume(~source.push | source.reserve | (pushed != reserved)),
            # the host sets the count only between runs
            Assume(~queue.set | (~source.reserve & ~source.push & ~sink.pop)),
        ]
        given = Mux(queue.set_count > depth, depth, queue.set_count)
        m.d.sync += [reserved.eq(Mux(queue.set, given, reserved + source.reserve)),
                     pushed.eq(Mux(queue.set, given, pushed + source.push)),
                     popped.eq(Mux(queue.set, 0, popped + sink.pop))]
        here, taken = ((count - popped + late)[:GHOST_BITS] for count in (pushed, reserved))
        m.d.comb += [
            Assert(queue.count == here), Assert(sink.can_pop == (here != 0)),
            Assert(source.can_push == (taken != depth)),
            # invariants that make the above inductive
            Assert(inner(fragment, "reserved") == taken), Assert(taken <= depth), Assert(here <= taken),
            Assert(~late | (here != 0)),
        ]
