"""The on-chip memories that loads fill and GEMM reads: INP, WGT and micro-ops."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In

from vta.hw.rtl.interfaces import scratch_read, scratch_write


class Scratchpad(wiring.Component):
    """One memory of `config.depth[name]` tiles: a write port fed with chunks, and a read port.

    Writes, one chunk a cycle, are visible to reads from the next cycle on. `read.data` holds while `read.en` is 0.
    With `assemble` the parts of a tile are collected and written at once, which leaves the port free for padding
    in between; otherwise each part is written as it comes, through lane enables.
    """

    def __init__(self, config, name, *, assemble):
        self.config, self.depth = config, config.depth[name]
        self.bits = 8 * config.tile_bytes[name]
        self.part_bits = min(self.bits, config.axi_data_width)
        self.assemble = assemble
        super().__init__({
            "write": In(scratch_write(config)), "read": In(scratch_read(config, name))})

    def elaborate(self, platform):
        m = Module()
        chunk, width = self.write.chunk, self.part_bits
        parts = self.bits // width
        shape = data.ArrayLayout(unsigned(width), parts)
        m.submodules.memory = mem = memory.Memory(shape=shape, depth=self.depth, init=[])
        read = mem.read_port()
        m.d.comb += [read.en.eq(self.read.en), read.addr.eq(self.read.index),
                     self.read.data.eq(read.data.as_value())]

        part = chunk.data[:width]
        writing, padding = self.write.en & chunk.write, self.write.en & chunk.pad
        if self.assemble:
            write = mem.write_port()
            early = Signal(self.bits - width)          # the tile's parts before its last one
            for number in range(parts - 1):
                with m.If(writing & (chunk.part == number)):
                    m.d.sync += early[number * width:][:width].eq(part)
            complete = writing & chunk.complete
            m.d.comb += [write.en.eq(complete | padding),
                         write.addr.eq(Mux(complete, chunk.index, chunk.pad_index)),
                         write.data.eq(Mux(complete, Cat(early, part), Const(0, self.bits)))]
        else:
            write = mem.write_port(granularity=1)
            m.d.comb += [write.addr.eq(Mux(writing, chunk.index, chunk.pad_index)),
                         *(write.data[k].eq(Mux(writing, part, 0)) for k in range(parts)),
                         *(write.en[k].eq(padding | (writing & (chunk.part == k))) for k in range(parts))]
        return m


def assembles(config, name):
    """Whether this memory collects its parts: unless they are so many that the registers cost more than they save.

    A memory without lane enables packs 36 bits into a block RAM's row instead of 32: of WGT's 64 in the default
    configuration 57 are left."""
    return 1 < config.tile_bytes[name] // config.bus_bytes <= 32
