"""The two walkers of a tile writer: one over the data of a LOAD, one over its padding.

Both count down, and keep in registers what the next step needs to know about the counters.
"""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.decode import PAD_BITS, SIZE_BITS
from vta.hw.rtl.interfaces import NUMBER_BITS, diagonal_member, pad_byte_member, slice_bits

RUN_BITS = PAD_BITS + 1      # padding tiles in one pad run: above, and all below or one margin
INDEX_BITS = RUN_BITS + 1    # of an on-chip index before it wraps


def descriptor_layout(config):
    """What a tile writer needs to know about one LOAD.

    `select` is the position of the memory in the writer's list; `diagonal` tells WGT_DIAG from WGT. With `data`, there
    are `y_size` rows of `x_size` tiles, the first one at tile `base`. It starts at byte `beat_offset` of a beat, each
    next row `stride` bytes later, modulo the bus; `merged`: rows are contiguous in DRAM, so that one row may end and
    the next begin within a beat. Rows are `skip` tiles apart. With `pads`, there is padding from tile `sram_base` on:
    `first_run` tiles, `between` two rows, `last_run` after the last row; they consist of `pad_byte` or, where there is
    none, of 0. A LOAD with neither writes nothing but keeps its order. The flags that follow say whether `base` and
    `sram_base` are beyond the memory, and whether the two runs are not 0, or 1: the walkers have no time to find out.
    """
    return data.StructLayout({
        "select": 1, **diagonal_member(config), "data": 1, "pads": 1, "sram_base": 16, "base": INDEX_BITS,
        "x_size": SIZE_BITS, "y_size": SIZE_BITS, "one_column": 1, "one_row": 1, "no_rows": 1,
        "stride": bus_log(config), "beat_offset": bus_log(config), "merged": 1,
        "first_run": RUN_BITS, "between": 5, "skip": 6, "last_run": RUN_BITS, **pad_byte_member(config),
        **dict.fromkeys(("base_beyond", "sram_beyond", "first_some", "first_one", "last_some", "last_one"), 1),
        "push": 1, "number": NUMBER_BITS})


def selected(select, values):
    """`values[select]`; `values[0]` if there is one, or if they are equal numbers."""
    if len(values) == 1 or (isinstance(values[0], int) and len(set(values)) == 1):
        return values[0]
    return Array(values)[select]


def _move(m, walker, select, target, beyond=None):
    """In the next cycle `walker` is at tile `target`, modulo the depth of the selected memory.

    Its flag `beyond` is then the argument, or without one stays 1, and becomes 1 if `target` is not below the depth."""
    at = Signal(INDEX_BITS)
    m.d.comb += at.eq(target)
    for number, log in enumerate(walker.depth_logs):
        with m.If(select == number):
            m.d.sync += [walker.index.eq(at & ((1 << log) - 1)),
                         walker.beyond.eq(walker.beyond | (at >> log != 0) if beyond is None else beyond)]


def _ports(config):
    return {
        "start": In(1), "new": In(descriptor_layout(config)), "load": In(descriptor_layout(config)), "step": In(1),
        "left": Out(1), "ends": Out(1), "index": Out(16), "beyond": Out(1)}


class DataWalker(wiring.Component):
    """Where the next slice of data goes: one slice per `step`, row by row.

    `start` begins the LOAD `new`; `load` is its descriptor from the next cycle on. `left`: there are slices left. The
    next one is number `slice` of tile `index`, which is `beyond` the memory if it has wrapped; it starts at byte
    `beat_offset` of the beat, 0 for tiles as wide as the bus. It is the last one of its tile, beat or LOAD:
    `tile_ends`, `beat_ends`, `ends`.
    """

    def __init__(self, config, tile_logs, depth_logs):
        self.config, self.tile_logs, self.depth_logs = config, tile_logs, depth_logs
        super().__init__(_ports(config) | {
            "slice": Out(slice_bits(config)), "beat_offset": Out(bus_log(config)),
            "tile_ends": Out(1), "beat_ends": Out(1)})

    def elaborate(self, platform):
        m = Module()
        load, new, bus = self.load, self.new, bus_log(self.config)
        columns = Signal(SIZE_BITS)              # left of the row, including this one
        rows = Signal(SIZE_BITS)                 # left, including this one
        last_column = Signal()                   # columns == 1
        last_row = Signal()                      # rows == 1
        row_ends = Signal()
        next_tile, next_column, next_row = (     # the same, and `tile_ends`, of the next slice
            Signal(name=name) for name in ("next_tile", "next_column", "next_row"))
        row_offset = Signal(bus)                 # beat offset at which the current row starts
        wide = [int(log >= bus) for log in self.tile_logs]
        last_slices = [max(1 << log >> bus, 1) - 1 for log in self.tile_logs]

        def position(load):
            """Position of the memory type in the writer's list."""
            return Cat(load.select, load.diagonal) if len(self.tile_logs) == 4 else load.select

        def packed_bytes(load):
            """Bytes of a tile that shares its beat with others."""
            return selected(position(load), [1 << log if log < bus else 0 for log in self.tile_logs])

        def ends_tile(load, number):
            """Whether slice `number` is the last one of its tile."""
            return number == selected(position(load), last_slices)

        m.d.comb += [
            next_tile.eq(ends_tile(load, Mux(self.tile_ends, 0, self.slice + 1))),
            next_column.eq(Mux(self.tile_ends, Mux(last_column, load.one_column, columns == 2), last_column)),
            next_row.eq(Mux(row_ends, rows == 2, last_row)),
        ]
        if not all(wide):
            # narrow tiles: the offset of the next one in its beat
            next_offset = Signal(bus)
            following = row_offset + load.stride
            now_load = Mux(self.start, new.as_value(), load.as_value())
            m.d.comb += next_offset.eq(Mux(row_ends, following, self.beat_offset + packed_bytes(load)))
            with m.If(self.start):
                m.d.comb += next_offset.eq(new.beat_offset)
                m.d.sync += row_offset.eq(new.beat_offset)
            with m.Elif(self.step & row_ends):
                m.d.sync += row_offset.eq(following)
            with m.If(self.start | self.step):
                then = data.View(descriptor_layout(self.config), now_load)
                m.d.sync += [
                    self.beat_offset.eq(Mux(selected(position(then), wide), 0, next_offset)),
                    self.beat_ends.eq(selected(position(then), wide)
                                      | (next_tile & next_column & (~then.merged | next_row))
                                      | (next_offset + packed_bytes(then) == 1 << bus)),
                ]
        else:
            m.d.comb += self.beat_ends.eq(1)
        with m.If(self.start):
            m.d.comb += [next_tile.eq(ends_tile(new, 0)), next_column.eq(new.one_column),
                         next_row.eq(new.one_row)]
            m.d.sync += [self.left.eq(new.data), self.slice.eq(0), columns.eq(new.x_size), rows.eq(new.y_size)]
            _move(m, self, new.select, new.base, new.base_beyond)
        with m.Elif(self.step):
            m.d.sync += self.slice.eq(Mux(self.tile_ends, 0, self.slice + 1))
            with m.If(self.tile_ends):
                m.d.sync += columns.eq(Mux(last_column, load.x_size, columns - 1))
                _move(m, self, load.select, self.index + Mux(last_column, load.skip, 1))
            with m.If(row_ends):
                m.d.sync += rows.eq(rows - 1)
            with m.If(self.ends):
                m.d.sync += self.left.eq(0)
        with m.If(self.start | self.step):
            m.d.sync += [
                self.tile_ends.eq(next_tile), last_column.eq(next_column), last_row.eq(next_row),
                row_ends.eq(next_tile & next_column), self.ends.eq(next_tile & next_column & next_row)]
        return m


class PadWalker(wiring.Component):
    """Where the next tile of padding goes: one tile per `step`.

    Padding comes in pad runs: above the first row with its left margin, between two rows, after the last row. One cycle
    moves over a row of data to the next one: `valid` is 0 then, although padding is `left`. `ends`: this is the last
    tile. The other ports are those of the data walker.
    """

    def __init__(self, config, depth_logs):
        self.config, self.depth_logs = config, depth_logs
        super().__init__(_ports(config) | {"valid": Out(1)})

    def elaborate(self, platform):
        m = Module()
        load, new = self.load, self.new
        tiles = Signal(RUN_BITS)                 # left of the pad run
        some = Signal()                          # tiles != 0
        one = Signal()                           # tiles == 1
        rows = Signal(SIZE_BITS)                 # of data, still to move over
        no_row = Signal()                        # rows == 0
        last_row = Signal()                      # rows == 1

        def run(length, is_some, is_one):
            """The next pad run has `length` tiles."""
            m.d.sync += [tiles.eq(length), some.eq(is_some), one.eq(is_one)]

        m.d.comb += [self.valid.eq(self.left & some), self.ends.eq(no_row & one)]
        with m.If(self.left & ~some):
            m.d.sync += [rows.eq(rows - 1), last_row.eq(rows == 2), no_row.eq(last_row)]
            with m.If(last_row):
                m.d.sync += self.left.eq(load.last_some)
                run(load.last_run, load.last_some, load.last_one)
            with m.Else():
                run(load.between, load.between != 0, load.between == 1)
            _move(m, self, load.select, self.index + load.x_size)
        with m.If(self.step):
            m.d.sync += [tiles.eq(tiles - 1), some.eq(~one), one.eq(tiles == 2), self.left.eq(~self.ends)]
            _move(m, self, load.select, self.index + 1)
        with m.If(self.start):
            m.d.sync += [self.left.eq(new.pads), rows.eq(new.y_size), last_row.eq(new.one_row),
                         no_row.eq(new.no_rows)]
            run(new.first_run, new.first_some, new.first_one)
            _move(m, self, new.select, new.sram_base, new.sram_beyond)
        return m
