"""The data half of the store unit: reads rows of output tiles and packs them into beats."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.fifo import Counter, Fifo
from vta.hw.rtl.interfaces import NUMBER_BITS, scratch_read, write_beat_layout

TILES_AHEAD = 8      # tiles read from the output buffer and not yet sent


def store_rows_layout(config):
    """The tiles of one STORE: `y_size` rows of `x_size` tiles, at consecutive indices from `sram_base` on.

    The first row starts at byte `beat_offset` of a beat, each next row `stride` bytes later, modulo the bus.
    `merged`: rows are contiguous in DRAM, so that one row may end and the next begin within a beat.
    """
    return data.StructLayout({
        "sram_base": unsigned(16), "x_size": unsigned(16), "y_size": unsigned(16),
        "beat_offset": unsigned(bus_log(config)), "stride": unsigned(bus_log(config)),
        "merged": unsigned(1)})


class StoreData(wiring.Component):
    """Reads the tiles of STOREs in order and offers them as beats.

    A tile wider than the bus becomes several beats. Narrower tiles are packed into beats at one tile a cycle, with
    strobes; a row ends its beat unless rows are `merged`. A beat holds until it is taken. Latency: 4 cycles
    from `rows` to the first beat; throughput: a beat a cycle, also across STOREs. `number` is that of the STORE
    being taken. `tile_read`: a tile is read in this cycle; `beyond`: its index, in instruction `beyond_number`, was
    not below the depth (it wraps).
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "rows": In(stream.Signature(store_rows_layout(config))), "number": In(NUMBER_BITS),
            "out": Out(scratch_read(config, "OUT")),
            "beats": Out(stream.Signature(write_beat_layout(config))),
            "tile_read": Out(1), "beyond": Out(1), "beyond_number": Out(NUMBER_BITS)})

    def elaborate(self, platform):
        m = Module()
        config, bus = self.config, bus_log(self.config)
        tile_bytes, bus_bytes = config.tile_bytes["OUT"], 1 << bus
        new = self.rows.payload

        # the walk over the tiles: one read a cycle while the queue behind has room
        walk = data.StructLayout({
            "merged": 1, "x_size": 16, "stride": bus,
            "offset": bus, "row_offset": bus})   # of the tile in its beat, of the row's first tile
        now = Signal(walk, reset_less=True)
        active = Signal()
        index = Signal(config.acc_depth_log)
        beyond = Signal()
        number = Signal(NUMBER_BITS)
        columns = Signal(16)                     # left of the row, including this one
        rows_left = Signal(16)                   # including this one
        last_column = Signal()                   # columns == 1
        one_column = Signal()                    # x_size == 1
        last_row = Signal()                      # rows_left == 1
        all_ends = Signal()
        read = Signal()
        m.submodules.room = room = Counter(TILES_AHEAD, init=TILES_AHEAD)
        # a tile, its byte offset in the beat, and whether it ends the beat
        m.submodules.tiles = tiles = Fifo(data.StructLayout({
            "tile": unsigned(8 * tile_bytes), "offset": unsigned(bus), "flush": unsigned(1)}), TILES_AHEAD)
        narrow = tile_bytes < bus_bytes
        m.d.comb += [
            read.eq(active & room.some), all_ends.eq(last_column & last_row),
            self.tile_read.eq(read),
            self.beyond.eq(read & beyond), self.beyond_number.eq(number),
            self.rows.ready.eq(~active),
            room.up.eq(tiles.o.valid & tiles.o.ready), room.down.eq(read),
        ]
        following = Signal(config.acc_depth_log + 1)
        m.d.comb += following.eq(index + 1)
        with m.If(read):
            m.d.sync += [index.eq(following), beyond.eq(beyond | following[-1]), columns.eq(columns - 1),
                         last_column.eq(columns == 2), now.offset.eq(now.offset + tile_bytes)]
            with m.If(last_column):
                m.d.sync += [
                    columns.eq(now.x_size), last_column.eq(one_column),
                    rows_left.eq(rows_left - 1), last_row.eq(rows_left == 2),
                    now.offset.eq(now.row_offset + now.stride), now.row_offset.eq(now.row_offset + now.stride)]
            with m.If(all_ends):
                m.d.sync += active.eq(0)
        with m.If(self.rows.valid & self.rows.ready):
            m.d.sync += [
                active.eq(1), index.eq(new.sram_base), beyond.eq(new.sram_base >> config.acc_depth_log != 0),
                columns.eq(new.x_size), last_column.eq(new.x_size == 1), one_column.eq(new.x_size == 1),
                rows_left.eq(new.y_size), last_row.eq(new.y_size == 1), number.eq(self.number),
                *(now[name].eq(new[name]) for name in ("x_size", "stride", "merged")),
                now.offset.eq(new.beat_offset), now.row_offset.eq(new.beat_offset),
            ]

        # the read itself is a cycle later, from registers; the tile arrives another one after it
        arriving = tiles.i.payload
        place = data.StructLayout({"offset": unsigned(bus), "flush": unsigned(1)})
        reading, arrived = (Signal(place, name=name, reset_less=True) for name in ("reading", "arrived"))
        out_index = Signal(config.acc_depth_log, reset_less=True)
        in_flight = Signal()
        m.d.comb += [
            self.out.index.eq(out_index), tiles.i.valid.eq(in_flight), arriving.tile.eq(self.out.data),
            arriving.offset.eq(arrived.offset), arriving.flush.eq(arrived.flush),
        ]
        m.d.sync += [
            self.out.en.eq(read), out_index.eq(index), in_flight.eq(self.out.en), arrived.eq(reading),
            reading.offset.eq(now.offset),
            reading.flush.eq((last_column & ~(now.merged & ~all_ends)) | (now.offset + tile_bytes == bus_bytes)),
        ]

        (self._pack if narrow else self._split)(m, tiles.o)
        return m

    def _split(self, m, tiles):
        """A tile becomes one beat or several."""
        width = self.config.axi_data_width
        slices = 8 * self.config.tile_bytes["OUT"] // width
        number = Signal(range(max(slices, 2)))
        m.d.comb += [
            self.beats.valid.eq(tiles.valid),
            self.beats.payload.data.eq(tiles.payload.tile.word_select(number, width)[:width]),
            self.beats.payload.strobe.eq(~0),
            tiles.ready.eq(self.beats.valid & self.beats.ready & (number == slices - 1)),
        ]
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += number.eq(Mux(number == slices - 1, 0, number + 1))

    def _pack(self, m, tiles):
        """Several tiles fill a beat: they are gathered until the beat or the row ends."""
        tile_bytes, payload, oldest = self.config.tile_bytes["OUT"], self.beats.payload, tiles.payload
        gathered = Signal.like(payload.data)
        strobe = Signal.like(payload.strobe)
        m.d.comb += [
            payload.data.eq(gathered | (oldest.tile << (oldest.offset << 3))),
            payload.strobe.eq(strobe | (((1 << tile_bytes) - 1) << oldest.offset)),
            self.beats.valid.eq(tiles.valid & oldest.flush),
            tiles.ready.eq(tiles.valid & (~oldest.flush | self.beats.ready)),
        ]
        with m.If(tiles.ready):
            m.d.sync += [gathered.eq(Mux(oldest.flush, 0, payload.data)),
                         strobe.eq(Mux(oldest.flush, 0, payload.strobe))]
