"""Queues of typed payloads, and the register slice that cuts a handshake."""

from amaranth.hdl import Cat, Module, Mux, Shape, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped


def counted(count, up, down):
    """`count` + `up` - `down`, where `up` and `down` may come late in a cycle: one carry chain for a wide `count`, none
    for a narrow one."""
    if len(count) > 5:
        return (Cat(up, count) + Cat(up, down.replicate(len(count))))[1:][:len(count)]
    more = Cat(bit ^ count[:n].all() for n, bit in enumerate(count))
    less = Cat(bit ^ ~count[:n].any() for n, bit in enumerate(count))
    return Mux(up, Mux(down, count, more), Mux(down, less, count))


class Counter(wiring.Component):
    """Counts from `init`, up and down, between 0 and `limit`; `up` at `limit` and `down` at 0 are not allowed.

    `some` (`value` != 0) and `full` (`value` == `limit`) are registers.
    """

    def __init__(self, limit, init=0):
        self.limit, self.init = limit, init
        super().__init__({"up": In(1), "down": In(1), "value": Out(range(limit + 1), init=init),
                          "some": Out(1, init=int(init != 0)), "full": Out(1, init=int(init == limit))})

    def elaborate(self, platform):
        m = Module()
        value, up, down = self.value, self.up, self.down
        m.d.sync += [
            value.eq(counted(value, up, down)),
            self.some.eq(up | value[1:].any() | (value[0] & ~down)),
            self.full.eq(~down & ((value == self.limit) | (up & (value == self.limit - 1)))),
        ]
        return m


class Fifo(wiring.Component):
    """Holds up to `depth` payloads of `shape`; `level` counts them. Throughput: one a cycle.

    Latency: one cycle from `i` to `o`, from LUT RAM; with `block_ram` two, from the output of a block RAM. With
    `registered` (`depth` >= 3, or 4) `o` is a register slice, and the latency one cycle in either case: a payload that
    finds the memory empty goes straight to that. `more` tells whether there will be another payload in the next cycle.
    `i.ready` is a register, and with a slice nothing but the slice depends on `o.ready`.
    """

    def __init__(self, shape, depth, *, block_ram=False, registered=False):
        self.shape, self.depth, self.block_ram, self.registered = shape, depth, block_ram, registered
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
                          "level": Out(range(depth + 1)), **({"more": Out(1)} if registered else {})})

    def elaborate(self, platform):
        m = Module()
        width = Shape.cast(self.shape).width
        capacity = max(self.depth - self.block_ram - 2 * self.registered, 1)      # of the memory
        m.submodules.count = count = Counter(capacity)
        depth = 1 << max((capacity - 1).bit_length(), 1)         # an address of no bits is no Verilog
        m.submodules.memory = cells = memory.Memory(shape=width, depth=depth, init=[])
        write = cells.write_port()
        read = cells.read_port(domain="sync" if self.block_ram else "comb")
        pop = Signal()
        stored = Signal()                        # what arrives goes to the memory
        straight = Signal()                      # ... past it, to the register slice
        m.d.comb += [
            self.i.ready.eq(~count.full), write.data.eq(self.i.payload),
            stored.eq(self.i.valid & self.i.ready & ~straight), count.up.eq(stored), count.down.eq(pop),
            write.en.eq(~count.full),            # the next place is free: what is in it means nothing until it counts
        ]
        for port, moves in ((write, stored), (read, pop)):
            at = Signal.like(port.addr, name="at")
            m.d.comb += port.addr.eq(at)
            with m.If(moves):
                m.d.sync += at.eq(at + 1)

        # out of the memory
        valid = count.some
        ready = Signal()
        if self.block_ram:
            fetched = Signal()
            m.d.comb += [pop.eq(count.some & (~fetched | ready)), read.en.eq(pop)]
            m.d.sync += fetched.eq(pop | (fetched & ~ready))
            valid = fetched
        else:
            m.d.comb += pop.eq(valid & ready)
        if not self.registered:
            m.d.comb += [self.o.payload.eq(read.data), self.o.valid.eq(valid), ready.eq(self.o.ready),
                         self.level.eq(count.value + (valid if self.block_ram else 0))]
            return m
        m.submodules.slice = out = RegisterSlice(self.shape)
        connect(m, out.o, flipped(self.o))
        m.d.comb += [
            ready.eq(out.i.ready), straight.eq(ready & ~valid & ~count.some),
            out.i.payload.eq(Mux(valid, read.data, self.i.payload)), out.i.valid.eq(valid | (straight & self.i.valid)),
            self.level.eq(count.value + (valid if self.block_ram else 0) + out.level), self.more.eq(out.more),
        ]
        return m


class RegisterSlice(wiring.Component):
    """A queue of two registers: neither `i.ready` nor `o` depends on another signal in the same cycle.

    Throughput: one payload a cycle. Latency: one cycle. `level` counts the payloads; `more`: there is one behind
    that at `o`, or arrives, so that `o` has it in the next cycle if it has none now or gives that away.
    """

    def __init__(self, shape):
        self.shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape)),
                          "level": Out(2), "more": Out(1)})

    def elaborate(self, platform):
        m = Module()
        width = Shape.cast(self.shape).width
        first, second = (Signal(width, name=name, reset_less=True) for name in ("first", "second"))
        first_valid, second_valid = (Signal(name=f"{name}_valid") for name in ("first", "second"))
        m.d.comb += [self.i.ready.eq(~second_valid), self.o.payload.eq(first), self.o.valid.eq(first_valid),
                     self.level.eq(first_valid + second_valid),
                     self.more.eq(second_valid | self.i.valid)]
        with m.If(~first_valid | self.o.ready):
            m.d.sync += [first.eq(Mux(second_valid, second, self.i.payload)),
                         first_valid.eq(second_valid | self.i.valid), second_valid.eq(0)]
        with m.Else():
            m.d.sync += second_valid.eq(second_valid | self.i.valid)
        with m.If(~second_valid):
            m.d.sync += second.eq(self.i.payload)
        return m
