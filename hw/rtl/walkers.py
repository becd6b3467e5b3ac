"""The two walkers of a tile writer: one over the data of a LOAD, one over its padding."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.interfaces import NUMBER_BITS, slice_bits

RUN_BITS = 22        # padding tiles in one pad run: at most 16 rows of 65565


def descriptor_layout(config):
    """What a tile writer needs to know about one LOAD.

    `select` is the position of the memory type in the writer's list. The first row starts at byte `beat_offset`
    of a beat, each next row `stride` bytes later, modulo the bus; `merged`: rows are contiguous in DRAM, so that
    one row may end and the next begin within a beat. A LOAD with `x_size` 0 writes nothing but keeps its order.
    """
    return data.StructLayout({
        "select": unsigned(1), "sram_base": unsigned(16), "x_size": unsigned(16), "y_size": unsigned(16),
        "stride": unsigned(bus_log(config)), "beat_offset": unsigned(bus_log(config)), "merged": unsigned(1),
        "y_pad_0": unsigned(4), "y_pad_1": unsigned(4), "x_pad_0": unsigned(4), "x_pad_1": unsigned(4),
        "push": unsigned(1), "number": unsigned(NUMBER_BITS)})


def selected(select, values):
    """`values[select]`; a constant if all values are equal."""
    return Array(values)[select] if len(set(values)) > 1 else values[0]


def _move(m, walker, select, target, beyond=0):
    """In the next cycle `walker` is at tile `target`, modulo the depth of the selected memory.

    Its flag `beyond` is then 1 if `target` is not below the depth, or if the argument is 1."""
    at = Signal(RUN_BITS + 2)
    m.d.comb += at.eq(target)
    for number, log in enumerate(walker.depth_logs):
        with m.If(select == number):
            m.d.sync += [walker.index.eq(at & ((1 << log) - 1)), walker.beyond.eq(beyond | (at >> log != 0))]


def _ports(config):
    return {
        "start": In(1), "new": In(descriptor_layout(config)), "top": In(RUN_BITS),
        "load": In(descriptor_layout(config)), "step": In(1),
        "left": Out(1), "ends": Out(1), "index": Out(16), "beyond": Out(1)}


class DataWalker(wiring.Component):
    """Where the next slice of data goes: one slice per `step`, row by row.

    `start` begins the LOAD `new`, with `top` tiles of padding above its first row; `load` is its descriptor from the
    next cycle on. `left`: there are slices left. The next one is number `slice` of tile `index`, which is `beyond` the
    memory if it has wrapped; it starts at byte `beat_offset` of the beat, 0 for tiles as wide as the bus. It is
    the last one of its tile, beat or LOAD: `tile_ends`, `beat_ends`, `ends`.
    """

    def __init__(self, config, tile_logs, depth_logs):
        self.config, self.tile_logs, self.depth_logs = config, tile_logs, depth_logs
        super().__init__(_ports(config) | {
            "slice": Out(slice_bits(config)), "beat_offset": Out(bus_log(config)),
            "tile_ends": Out(1), "beat_ends": Out(1)})

    def elaborate(self, platform):
        m = Module()
        load, new, bus = self.load, self.new, bus_log(self.config)
        column = Signal(16)
        row = Signal(16)
        row_offset = Signal(bus)                 # beat offset at which the current row starts
        wide = [int(log >= bus) for log in self.tile_logs]
        last_slice = selected(load.select, [max(1 << log >> bus, 1) - 1 for log in self.tile_logs])
        packed_bytes = selected(load.select, [1 << log if log < bus else 0 for log in self.tile_logs])
        row_ends = Signal()
        m.d.comb += [
            self.tile_ends.eq(self.slice == last_slice),
            row_ends.eq(self.tile_ends & (column + 1 == load.x_size)),
            self.ends.eq(row_ends & (row + 1 == load.y_size)),
            self.beat_ends.eq(selected(load.select, wide) | (row_ends & ~load.merged) | self.ends
                              | (self.beat_offset + packed_bytes == 1 << bus)),
        ]
        with m.If(self.step):
            m.d.sync += self.slice.eq(self.slice + 1)
            if not all(wide):
                m.d.sync += self.beat_offset.eq(self.beat_offset + packed_bytes)
            with m.If(self.tile_ends):
                m.d.sync += [self.slice.eq(0), column.eq(column + 1)]
                _move(m, self, load.select, self.index + Mux(row_ends, load.x_pad_1 + load.x_pad_0 + 1, 1), self.beyond)
            with m.If(row_ends):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
                if not all(wide):
                    following = row_offset + load.stride
                    m.d.sync += [row_offset.eq(following),
                                 self.beat_offset.eq(Mux(selected(load.select, wide), 0, following))]
            with m.If(self.ends):
                m.d.sync += self.left.eq(0)
        with m.If(self.start):
            m.d.sync += [self.left.eq((new.x_size != 0) & (new.y_size != 0)), self.slice.eq(0), column.eq(0), row.eq(0)]
            if not all(wide):
                m.d.sync += [row_offset.eq(new.beat_offset),
                             self.beat_offset.eq(Mux(selected(new.select, wide), 0, new.beat_offset))]
            _move(m, self, new.select, new.sram_base + self.top + new.x_pad_0)
        return m


class PadWalker(wiring.Component):
    """Where the next tile of padding goes: one tile per `step`.

    Padding comes in pad runs: above the first row with its left margin, between two rows, after the last row. One cycle
    moves over a row of data to the next one: `valid` is 0 then, although padding is `left`. `ends`: this is the last
    tile. `width` is the length of a padded row of `new`; the other ports are those of the data walker.
    """

    def __init__(self, config, depth_logs):
        self.config, self.depth_logs = config, depth_logs
        super().__init__(_ports(config) | {"width": In(17), "valid": Out(1)})

    def elaborate(self, platform):
        m = Module()
        load, new = self.load, self.new
        pad_run = Signal(RUN_BITS)               # tiles left of it
        rows_left = Signal(16)                   # rows of data still to move over
        last_run = Signal(RUN_BITS)
        m.d.comb += [self.valid.eq(self.left & (pad_run != 0)), self.ends.eq((rows_left == 0) & (pad_run == 1))]
        with m.If(self.left & (pad_run == 0)):
            m.d.sync += [pad_run.eq(Mux(rows_left == 1, last_run, load.x_pad_1 + load.x_pad_0)),
                         rows_left.eq(rows_left - 1), self.left.eq((rows_left != 1) | (last_run != 0))]
            _move(m, self, load.select, self.index + load.x_size, self.beyond)
        with m.If(self.step):
            m.d.sync += [pad_run.eq(pad_run - 1), self.left.eq(~self.ends)]
            _move(m, self, load.select, self.index + 1, self.beyond)

        bottom = Signal(RUN_BITS)
        first_run = Signal(RUN_BITS)
        padded = (new.x_pad_0 | new.x_pad_1 | new.y_pad_0 | new.y_pad_1) != 0
        m.d.comb += [bottom.eq(new.y_pad_1 * self.width),
                     first_run.eq(self.top + Mux(new.y_size == 0, bottom, new.x_pad_0))]
        with m.If(self.start):
            m.d.sync += [self.left.eq((new.x_size != 0) & padded & ((new.y_size != 0) | (first_run != 0))),
                         pad_run.eq(first_run), rows_left.eq(new.y_size), last_run.eq(new.x_pad_1 + bottom)]
            _move(m, self, new.select, new.sram_base)
        return m
