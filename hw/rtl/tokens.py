"""A dependency queue: tokens carry no data, so the queue is a counter; it never loses one."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class TokenQueue(wiring.Component):
    """A queue of up to `depth` tokens from one producer to one consumer.

    The producer *reserves* a place (only while `space` is 1), perhaps cycles before it *pushes* the token
    into it; both may be in one cycle. The consumer pops only while `available` is 1. A token can be popped
    in the cycle after its push. `set` replaces the count (host, between runs), with `depth` at most.
    """

    def __init__(self, depth):
        self.depth = depth
        bits = range(depth + 1)
        super().__init__({
            "reserve": In(1), "space": Out(1), "push": In(1),
            "pop": In(1), "available": Out(1),
            "count": Out(bits), "set": In(1), "set_count": In(32)})

    def elaborate(self, platform):
        m = Module()
        taken = self.count.like(self.count, name="taken")      # tokens there and places reserved
        m.d.sync += [self.count.eq(self.count + self.push - self.pop),
                     taken.eq(taken + self.reserve - self.pop)]
        with m.If(self.set):
            given = Mux(self.set_count > self.depth, self.depth, self.set_count)
            m.d.sync += [self.count.eq(given), taken.eq(given)]
        m.d.comb += [self.available.eq(self.count != 0), self.space.eq(taken != self.depth)]
        return m
