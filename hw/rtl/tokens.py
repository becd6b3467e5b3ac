"""A dependency queue: tokens carry no data, so the queue is a counter; it never loses one."""

from amaranth.hdl import Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.interfaces import TOKEN_SINK, TOKEN_SOURCE


class TokenQueue(wiring.Component):
    """A queue of up to `depth` tokens from one producer (`source`) to one consumer (`sink`).

    A token can be popped in the cycle after its push. `set` replaces the count (host, between runs), with `depth` at
    most.
    """

    def __init__(self, depth):
        self.depth = depth
        super().__init__({"source": In(TOKEN_SOURCE), "sink": In(TOKEN_SINK),
                          "count": Out(range(depth + 1)), "set": In(1), "set_count": In(32)})

    def elaborate(self, platform):
        m = Module()
        source, sink = self.source, self.sink
        reserved = self.count.like(self.count, name="reserved")      # credits: tokens pushed or reserved, not popped
        m.d.sync += [self.count.eq(self.count + source.push - sink.pop),
                     reserved.eq(reserved + source.reserve - sink.pop)]
        with m.If(self.set):
            given = Mux(self.set_count > self.depth, self.depth, self.set_count)
            m.d.sync += [self.count.eq(given), reserved.eq(given)]
        m.d.comb += [sink.can_pop.eq(self.count != 0), source.can_push.eq(reserved != self.depth)]
        return m
