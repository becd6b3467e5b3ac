"""The on-chip memories that loads fill and GEMM reads: INP, WGT and micro-ops."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In

from vta.hw.features import Feature
from vta.hw.isa import MemType
from vta.hw.rtl.interfaces import scratch_read, scratch_write


class Scratchpad(wiring.Component):
    """One memory of `config.depth[name]` tiles: a write port that takes chunks, and a read port.

    Writes, one chunk a cycle, are visible to reads from the next cycle on. `read.data` holds while `read.en` is 0.
    With `assemble` the slices of a tile are collected and written at once, which leaves the port free for padding
    in between; otherwise each slice is written as it arrives, with a write enable per slice. Padding of INP consists of
    the chunk's `pad_byte` if it has one.
    """

    def __init__(self, config, name, *, assemble):
        self.config, self.depth = config, config.depth[name]
        self.bits = 8 * config.tile_bytes[name]
        self.slice_bits = min(self.bits, config.axi_data_width)
        self.assemble = assemble
        self.pads = name == "INP" and Feature.PAD_VALUE.key in config.features      # with any byte
        super().__init__({
            "write": In(scratch_write(config)), "read": In(scratch_read(config, name))})

    def elaborate(self, platform):
        m = Module()
        chunk, width = self.write.chunk, self.slice_bits
        slices = self.bits // width
        shape = data.ArrayLayout(unsigned(width), slices)
        m.submodules.memory = tiles = memory.Memory(shape=shape, depth=self.depth, init=[])
        read = tiles.read_port()
        m.d.comb += [read.en.eq(self.read.en), read.addr.eq(self.read.index),
                     self.read.data.eq(read.data.as_value())]

        blank = Const(0, width)
        if self.pads:
            blank = chunk.pad_byte.replicate(width // 8)
        value = chunk.data[:width]
        writing, padding = self.write.en & chunk.write, self.write.en & chunk.pad
        if self.assemble:
            write = tiles.write_port()
            early = Signal(self.bits - width)          # the tile's slices before its last one
            for number in range(slices - 1):
                with m.If(writing & (chunk.slice == number)):
                    m.d.sync += early[number * width:][:width].eq(value)
            complete = writing & chunk.complete
            m.d.comb += [write.en.eq(complete | padding),
                         write.addr.eq(Mux(complete, chunk.index, chunk.pad_index)),
                         write.data.eq(Mux(complete, Cat(early, value), blank.replicate(slices)))]
        else:
            write = tiles.write_port(granularity=1)
            m.d.comb += [write.addr.eq(Mux(writing, chunk.index, chunk.pad_index)),
                         *(write.data[k].eq(Mux(writing, value, blank)) for k in range(slices)),
                         *(write.en[k].eq(padding | (writing & (chunk.slice == k))) for k in range(slices))]
        return m


def assembles(config, name):
    """Whether the memory of a memory type collects the slices of a tile: it does if they are few enough for registers
    to pay off.

    Without write enables per slice, a row of block RAM holds 36 bits instead of 32: WGT in the default
    configuration takes 57 block RAMs instead of 64."""
    return 1 < config.tile_bytes[MemType[name].memory] // config.bus_bytes <= 32
