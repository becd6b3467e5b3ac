"""A dependency queue: tokens carry no data, so the queue is a counter; it never loses one."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.fifo import counted
from vta.hw.rtl.interfaces import TOKEN_SINK, TOKEN_SOURCE


class TokenQueue(wiring.Component):
    """A queue of up to `depth` tokens from one producer (`source`) to one consumer (`sink`).

    A token can be popped in the cycle after its push. `can_push` and `can_pop` are registers, and a pop is counted a
    cycle late: after one, the consumer must let a cycle pass before the next. `set` replaces the count (host, between
    runs), with `depth` at most.
    """

    def __init__(self, depth):
        self.depth = depth
        super().__init__({"source": In(TOKEN_SOURCE), "sink": In(TOKEN_SINK),
                          "count": Out(range(depth + 1)), "set": In(1), "set_count": In(32)})

    def elaborate(self, platform):
        m = Module()
        source, sink, depth = self.source, self.sink, self.depth
        reserved = self.count.like(self.count, name="reserved")      # credits: tokens pushed or reserved, not popped
        some = Signal()                                              # count != 0
        full = Signal()                                              # reserved == depth
        popped = Signal()
        m.d.comb += [sink.can_pop.eq(some), source.can_push.eq(~full)]
        m.d.sync += [
            popped.eq(sink.pop), self.count.eq(counted(self.count, source.push, popped)),
            reserved.eq(counted(reserved, source.reserve, popped)),
            some.eq(source.push | (self.count[1:] != 0) | (self.count[0] & ~popped)),
            full.eq(~popped & ((reserved == depth) | (source.reserve & (reserved == depth - 1)))),
        ]
        with m.If(self.set):
            given = Mux(self.set_count > depth, depth, self.set_count)
            m.d.sync += [self.count.eq(given), reserved.eq(given),
                         some.eq(self.set_count != 0), full.eq(self.set_count >= depth)]
        return m
