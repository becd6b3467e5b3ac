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
    in between; otherwise each slice is written as it arrives, with a write enable per slice. INP takes padding with any
    byte, WGT diagonals, where the configuration has these features.
    """

    def __init__(self, config, name, *, assemble):
        self.config, self.depth = config, config.depth[name]
        self.bits = 8 * config.tile_bytes[name]
        self.slice_bits = min(self.bits, config.axi_data_width)
        self.slices = self.bits // self.slice_bits
        self.assemble = assemble
        self.pads = name == "INP" and config.has(Feature.PAD_VALUE)
        self.diagonals = name == "WGT" and config.has(Feature.DIAGONAL)
        super().__init__({
            "write": In(scratch_write(config)), "read": In(scratch_read(config, name))})

    def elaborate(self, platform):
        m = Module()
        chunk, width, slices = self.write.chunk, self.slice_bits, self.slices
        shape = data.ArrayLayout(unsigned(width), slices)
        m.submodules.memory = tiles = memory.Memory(shape=shape, depth=self.depth, init=[])
        read = tiles.read_port()
        m.d.comb += [read.en.eq(self.read.en), read.addr.eq(self.read.index),
                     self.read.data.eq(read.data.as_value())]

        value = chunk.data[:width]
        blank = chunk.pad_byte.replicate(width // 8) if self.pads else Const(0, width)
        writing, padding = self.write.en & chunk.write, self.write.en & chunk.pad
        if self.assemble or (self.diagonals and slices == 1):
            write = tiles.write_port()
            early = Signal(self.bits - width)          # the tile's slices before its last one
            complete = writing & chunk.complete
            closing = chunk.write & chunk.complete     # the same, for what does not matter without a write
            if self.diagonals:
                tile = self._collect_diagonals(m, early, writing, closing)
            else:
                for number in range(slices - 1):
                    with m.If(writing & (chunk.slice == number)):
                        m.d.sync += early[number * width:][:width].eq(value)
                tile = Mux(closing, Cat(early, value), blank.replicate(slices))
            m.d.comb += [write.en.eq(complete | padding),
                         write.addr.eq(Mux(closing, chunk.index, chunk.pad_index)), write.data.eq(tile)]
        else:
            write = tiles.write_port(granularity=1)
            m.d.comb += write.addr.eq(Mux(writing, chunk.index, chunk.pad_index))
            if self.diagonals:
                self._write_diagonals(m, write, writing, padding)
            else:
                m.d.comb += [*(write.data[k].eq(Mux(writing, value, blank)) for k in range(slices)),
                             *(write.en[k].eq(padding | (writing & (chunk.slice == k))) for k in range(slices))]
        return m

    def _on_diagonal(self, number):
        """(slice, place in it) of the diagonal that byte `number` of a tile comes from; None if it is beside it."""
        element, beside = divmod(number, self.config.block + 1)
        return None if beside else divmod(element, min(self.config.block, self.config.bus_bytes))

    def _collect_diagonals(self, m, early, writing, closing):
        """Collects slices of tiles and diagonals in `early`; returns the tile to write when `closing`, else zeros.

        On a bus that is no wider than `block` bytes, a byte has the same place in a slice of the diagonal as in one of
        the tile. On a wider one the diagonal is a single slice, of which nothing is collected.
        """
        chunk, each = self.write.chunk, self.slice_bits // 8
        last = max(self.config.block // self.config.bus_bytes, 1) - 1        # slice of a diagonal
        whole = Signal()
        m.d.comb += whole.eq(closing & ~chunk.diagonal)
        tile = []
        for number in range(self.bits // 8):
            part, place = divmod(number, each)
            source = self._on_diagonal(number)
            byte = chunk.data.word_select(place, 8)
            if part < self.slices - 1:
                comes = (chunk.slice == part) & ~chunk.diagonal
                if source and source[0] < last:
                    comes = chunk.slice == Mux(chunk.diagonal, source[0], part)
                with m.If(writing & comes):
                    m.d.sync += early.word_select(number, 8).eq(byte)
                byte = early.word_select(number, 8)
            if source and source[0] == last:
                byte = Mux(chunk.diagonal, chunk.data.word_select(source[1], 8), byte)
            tile.append(Mux(closing if source else whole, byte, 0))
        return Cat(tile)

    def _write_diagonals(self, m, write, writing, padding):
        """Writes slices of tiles and diagonals as they arrive: a slice of a diagonal goes to those slices of the tile
        that its bytes are in, the first one also to those without such a byte. Each has one at most, in the same place.
        """
        chunk, each = self.write.chunk, self.slice_bits // 8
        whole = Signal()
        m.d.comb += whole.eq(writing & ~chunk.diagonal)
        for part in range(self.slices):
            sources = [self._on_diagonal(part * each + place) for place in range(each)]
            comes_with = max((source[0] for source in sources if source), default=0)
            m.d.comb += [
                write.en[part].eq(padding | (writing & (chunk.slice == Mux(chunk.diagonal, comes_with, part)))),
                write.data[part].eq(Cat(Mux(writing if source else whole, chunk.data.word_select(place, 8), 0)
                                        for place, source in enumerate(sources)))]


def assembles(config, name):
    """Whether the memory of a memory type collects the slices of a tile: it does if they are few enough for registers
    to pay off.

    Without write enables per slice, a row of block RAM holds 36 bits instead of 32: WGT in the default
    configuration takes 57 block RAMs instead of 64."""
    return 1 < config.tile_bytes[MemType[name].memory] // config.bus_bytes <= 32
