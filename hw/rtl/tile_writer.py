"""The second half of a tensor loader: places arriving data, and writes the padding around it."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.interfaces import NUMBER_BITS, beat_layout, chunk_layout, part_bits

RUN_BITS = 22        # padding tiles in one run: at most 16 rows of 65565


def log2(value):
    """The logarithm of a power of two."""
    return value.bit_length() - 1


def descriptor_layout(config):
    """What a tile_writer must know of one LOAD.

    `mem` counts in the tile_writer's list of memory types; `lane` is the byte of the beat at which the first
    row starts, `stride` the bytes from row to row, modulo the bus; `merged`: each row goes on where the one
    before ended, so that they share beats; a LOAD without work (`x_size` 0) only passes through in order.
    """
    return data.StructLayout({
        "mem": unsigned(1), "sram_base": unsigned(16), "x_size": unsigned(16), "y_size": unsigned(16),
        "stride": unsigned(bus_log(config)), "lane": unsigned(bus_log(config)), "merged": unsigned(1),
        "y_pad_0": unsigned(4), "y_pad_1": unsigned(4), "x_pad_0": unsigned(4), "x_pad_1": unsigned(4),
        "push": unsigned(1), "number": unsigned(NUMBER_BITS)})


class TileWriter(wiring.Component):
    """Turns the beats of LOADs, in order, into chunks to write; one chunk a cycle, LOAD after LOAD without a gap.

    `names` are the memory types served, e.g. ("INP", "WGT"). Two walkers share the output: the data walker
    follows the rows as beats arrive, the pad walker **writes the padding** in the cycles that leave the memory's
    write port idle: those without data, and for `assembled` types (written a tile at a time) those whose
    beat does not complete a tile. Tiles smaller than the bus leave a beat one a cycle. The consumer may
    stall `chunk`, which stalls `beats`; a stalled chunk may still gain a data part.
    `beyond` is 1 in a cycle that writes to an index beyond the memory (it wraps); `bad` in one that
    takes a beat whose response was an error; `number` is the instruction under way.
    """

    def __init__(self, config, *names, assembled=()):
        self.config = config
        self.assembled = [name in assembled for name in names]
        self.tile_logs = [log2(config.tile_bytes[name]) for name in names]
        self.depth_logs = [log2(config.depth[name]) for name in names]
        super().__init__({
            "descriptor": In(stream.Signature(descriptor_layout(config))),
            "beats": In(stream.Signature(beat_layout(config))),
            "chunk": Out(stream.Signature(chunk_layout(config))),
            "beyond": Out(1), "bad": Out(1), "busy": Out(1), "number": Out(NUMBER_BITS)})

    def elaborate(self, platform):
        m = Module()
        bus = bus_log(self.config)
        new, chunk = self.descriptor.payload, self.chunk.payload
        load = Signal(descriptor_layout(self.config))
        accept = Signal()
        fire = Signal()
        active = Signal()
        data_left = Signal()                     # work left for one of the two walkers
        pads_left = Signal()                     # and for the other

        def by_mem(mem, values):
            return Array(values)[mem] if len(set(values)) > 1 else values[0]

        # data walker: where the next part goes, and where in its row, beat and tile it is
        index = Signal(16)
        index_beyond = Signal()
        column = Signal(16)
        row = Signal(16)
        part = Signal(part_bits(self.config))
        lane = Signal(bus)                          # byte of the beat, for tiles smaller than the bus
        row_lane = Signal(bus)                      # ... at which the row under way began
        tile_bytes = [1 << log for log in self.tile_logs]
        last_part = by_mem(load.mem, [max(size >> bus, 1) - 1 for size in tile_bytes])
        narrow = by_mem(load.mem, [int(log < bus) for log in self.tile_logs])
        small = by_mem(load.mem, [size if log < bus else 0
                                  for size, log in zip(tile_bytes, self.tile_logs, strict=True)])
        tile_ends = Signal()
        row_ends = Signal()
        data_ends = Signal()
        beat_ends = Signal()
        do_data = Signal()
        do_pad = Signal()
        m.d.comb += [
            tile_ends.eq(part == last_part),
            row_ends.eq(tile_ends & (column + 1 == load.x_size)),
            data_ends.eq(row_ends & (row + 1 == load.y_size)),
            beat_ends.eq(~narrow | (row_ends & ~load.merged) | data_ends | (lane + small == 1 << bus)),
            do_data.eq(active & data_left & self.beats.valid),
            self.beats.ready.eq(active & data_left & self.chunk.ready & beat_ends),
        ]

        # pad walker: runs of padding, with the rows of data between them
        pad_index = Signal(16)
        pad_beyond = Signal()
        run = Signal(RUN_BITS)
        rows_left = Signal(16)
        middle = load.x_pad_1 + load.x_pad_0
        final = Signal(RUN_BITS)
        next_run = Signal(RUN_BITS)
        pads_end = Signal()
        m.d.comb += [
            do_pad.eq(active & pads_left & (run != 0) & (~do_data | (by_mem(load.mem, self.assembled) & ~tile_ends))),
            next_run.eq(Mux(rows_left == 1, final, middle)),
            pads_end.eq((rows_left == 0) & (run == 1)),
        ]

        # the chunk
        done = Signal()
        m.d.comb += [
            done.eq(active & (~data_left | (do_data & data_ends)) & (~pads_left | (do_pad & pads_end))),
            self.chunk.valid.eq(do_data | do_pad | done),
            chunk.mem.eq(load.mem), chunk.write.eq(do_data), chunk.index.eq(index), chunk.part.eq(part),
            chunk.complete.eq(tile_ends), chunk.pad.eq(do_pad), chunk.pad_index.eq(pad_index),
            chunk.last.eq(done), chunk.push.eq(load.push),
            chunk.data.eq(self.beats.payload.data >> (lane << 3) if min(self.tile_logs) < bus
                          else self.beats.payload.data),
            fire.eq(self.chunk.valid & self.chunk.ready),
            self.beyond.eq(fire & ((do_data & index_beyond) | (do_pad & pad_beyond))),
            self.bad.eq(self.beats.valid & self.beats.ready & self.beats.payload.error),
            self.number.eq(load.number), self.busy.eq(active),
            accept.eq(self.descriptor.valid & self.descriptor.ready),
            self.descriptor.ready.eq(~active | (done & fire)),
        ]

        def advance(at, beyond, step, mem):
            """Move a walker on by `step` tiles: modulo the depth, with a sticky flag once it leaves the memory."""
            total = Signal(RUN_BITS + 2)
            m.d.comb += total.eq(at + step)
            for number, log in enumerate(self.depth_logs):
                with m.If(mem == number):
                    m.d.sync += [at.eq(total & ((1 << log) - 1)), beyond.eq(beyond | (total >> log != 0))]

        with m.If(fire & do_data):
            m.d.sync += part.eq(part + 1)
            if min(self.tile_logs) < bus:
                m.d.sync += lane.eq(Mux(narrow, lane + small, 0))
            with m.If(tile_ends):
                m.d.sync += [part.eq(0), column.eq(column + 1)]
                advance(index, index_beyond, Mux(row_ends, middle + 1, 1), load.mem)
            with m.If(row_ends):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
                if min(self.tile_logs) < bus:
                    m.d.sync += [lane.eq(Mux(narrow, row_lane + load.stride, 0)), row_lane.eq(row_lane + load.stride)]
            with m.If(data_ends):
                m.d.sync += data_left.eq(0)
        with m.If(active & pads_left & (run == 0)):        # over a row of data to the next run
            m.d.sync += [run.eq(next_run), rows_left.eq(rows_left - 1),
                         pads_left.eq((rows_left != 1) | (final != 0))]
            advance(pad_index, pad_beyond, load.x_size, load.mem)
        with m.If(fire & do_pad):
            m.d.sync += [run.eq(run - 1), pads_left.eq(~pads_end)]
            advance(pad_index, pad_beyond, 1, load.mem)
        with m.If(fire & done):
            m.d.sync += active.eq(0)

        # the next LOAD
        width = Signal(17)
        top = Signal(RUN_BITS)
        first = Signal(RUN_BITS)
        work = Signal()
        pads = Signal()
        m.d.comb += [
            width.eq(new.x_pad_0 + new.x_size + new.x_pad_1),
            top.eq(new.y_pad_0 * width),
            first.eq(top + Mux(new.y_size == 0, new.y_pad_1 * width, new.x_pad_0)),
            work.eq(new.x_size != 0),
            pads.eq((new.x_pad_0 | new.x_pad_1 | new.y_pad_0 | new.y_pad_1) != 0),
        ]
        start = Signal(RUN_BITS + 1)
        m.d.comb += start.eq(new.sram_base + top + new.x_pad_0)
        with m.If(accept):
            m.d.sync += [
                load.eq(new), active.eq(1), data_left.eq(work & (new.y_size != 0)),
                pads_left.eq(work & pads & ((new.y_size != 0) | (first != 0))),
                column.eq(0), row.eq(0), part.eq(0), lane.eq(0), row_lane.eq(new.lane),
                run.eq(first), rows_left.eq(new.y_size), final.eq(new.x_pad_1 + new.y_pad_1 * width),
            ]
            for number, (tile_log, depth_log) in enumerate(zip(self.tile_logs, self.depth_logs, strict=True)):
                with m.If(new.mem == number):
                    m.d.sync += [
                        lane.eq(new.lane if tile_log < bus else 0),
                        index.eq(start & ((1 << depth_log) - 1)), index_beyond.eq(start >> depth_log != 0),
                        pad_index.eq(new.sram_base & ((1 << depth_log) - 1)),
                        pad_beyond.eq(new.sram_base >> depth_log != 0)]
        return m
