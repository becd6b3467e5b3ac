"""One 2-D tensor loader for every memory: burst generator and tile writer, joined by a queue of descriptors.

The burst generator works on the next LOADs while the data of earlier ones is still arriving.
"""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.rtl.axi import LEN_BITS
from vta.hw.rtl.burst_generator import BurstGenerator
from vta.hw.rtl.decode import PADS, transfer_layout
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import (
    NUMBER_BITS,
    beat_layout,
    chunk_layout,
    diagonal_member,
    pad_byte_member,
    read_client,
)
from vta.hw.rtl.tile_writer import TileWriter
from vta.hw.rtl.walkers import descriptor_layout, selected

LUT_BUFFER = 64      # buffers of at most this many beats are LUT RAM
LOADS_AHEAD = 8      # LOADs that may have sent requests before the first one's data has been written


def load_layout(config):
    """A decoded LOAD; with `push` it pushes a token when it is complete. `number` is for error reports."""
    return data.StructLayout({
        "transfer": transfer_layout(config), "pads": PADS, **pad_byte_member(config),
        "push": unsigned(1), "number": unsigned(NUMBER_BITS)})


class Loader(wiring.Component):
    """Executes LOADs of the memory types `names`, in order; see `TileWriter` for what it writes.

    `load` takes one LOAD in two cycles while fewer than `LOADS_AHEAD` are in flight and their bursts leave at once; the
    first burst is offered two cycles later. With `buffer` beats of its own (a power of two) the loader requests only
    what fits there, so the read channel never waits for `chunk`; without, the consumer must take chunks at once.
    `read_ahead` bounds the beats requested and not yet received, so that more urgent clients wait less.
    """

    def __init__(self, config, *names, assembled=(), buffer=0, read_ahead=0):
        self.config, self.names, self.assembled = config, names, assembled
        self.buffer, self.limit = buffer, buffer or read_ahead
        super().__init__({
            "load": In(stream.Signature(load_layout(config))),
            "read": Out(read_client(config)),
            "chunk": Out(stream.Signature(chunk_layout(config))),
            "beyond": Out(1), "bad": Out(1), "number": Out(NUMBER_BITS),
            "receiving": Out(1),     # the tile writer works on a LOAD
            "idle": Out(1),          # no LOAD is in flight
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.bursts = bursts = BurstGenerator(config)
        m.submodules.tile_writer = tile_writer = TileWriter(config, *self.names, assembled=self.assembled)
        m.submodules.descriptors = descriptors = Fifo(descriptor_layout(config), LOADS_AHEAD)

        # a LOAD goes to both halves at once, or only to the tile writer if it has nothing to read
        load, described = self.load.payload, descriptors.i.payload
        ready = Signal()                         # both halves can take one
        taken = Signal()
        select = Signal()
        depth_logs = tile_writer.depth_logs
        transfer, pads = load.transfer, load.pads
        m.d.comb += [
            bursts.region.payload.eq(transfer.region),
            select.eq(transfer.select if len(self.names) > 1 else 0), described.select.eq(select),
            *(described[name].eq(transfer[name]) for name in (
                "sram_base", "x_size", "y_size", "stride", "beat_offset", "merged")),
            described.data.eq(transfer.work), described.pads.eq(pads.any),
            described.base.eq(pads.base + pads.top),
            described.one_column.eq(transfer.x_size == 1), described.one_row.eq(transfer.y_size == 1),
            described.no_rows.eq(~pads.some_rows),
            described.first_run.eq(pads.top + Mux(pads.some_rows, pads.left, pads.bottom)),
            described.between.eq(pads.between), described.skip.eq(pads.skip),
            described.last_run.eq(pads.bottom + pads.right),
            *(described[name].eq(load[name]) for name in pad_byte_member(config)),
            *(described[name].eq(transfer.select == self.names.index("WGT_DIAG") if "WGT_DIAG" in self.names else 0)
              for name in diagonal_member(config)),
            described.base_beyond.eq(selected(select, [(described.base >> log) != 0 for log in depth_logs])),
            described.sram_beyond.eq(selected(select, [(described.sram_base >> log) != 0 for log in depth_logs])),
            *(described[f"{name}_some"].eq(described[f"{name}_run"] != 0) for name in ("first", "last")),
            *(described[f"{name}_one"].eq(described[f"{name}_run"] == 1) for name in ("first", "last")),
            described.push.eq(load.push), described.number.eq(load.number),
            taken.eq(self.load.valid & ready), self.load.ready.eq(ready),
            bursts.region.valid.eq(taken & transfer.work), descriptors.i.valid.eq(taken),
        ]
        m.d.sync += ready.eq(descriptors.i.ready & bursts.idles & ~taken)
        connect(m, tile_writer.descriptor, descriptors.o)

        beats = flipped(self.read.beats)
        if self.buffer:
            m.submodules.buffer = buffer = Fifo(
                beat_layout(config), self.buffer, block_ram=self.buffer > LUT_BUFFER, registered=True)
            connect(m, beats, buffer.i)
            beats = buffer.o
        connect(m, beats, tile_writer.beats)

        # requests run ahead by at most `limit` beats. `room` counts a request two cycles late, and bursts come every
        # other cycle at most: besides the next one, either one of the greatest length must fit, or the next one is
        # compared
        room = Signal(range(self.limit + 1), init=self.limit)
        length = Signal(LEN_BITS, reset_less=True)
        received = Signal()
        fits = Signal(init=1)
        requested = Signal()
        before = Signal()
        burst, request, longest = bursts.burst, self.read.request, config.max_burst
        m.d.comb += [
            request.payload.eq(burst.payload), request.valid.eq(burst.valid & fits),
            burst.ready.eq(request.ready & fits), requested.eq(burst.valid & burst.ready),
        ]
        m.d.sync += [
            before.eq(requested), length.eq(burst.payload.len), received.eq(beats.valid & beats.ready),
            room.eq(room + (Mux(before, -1 - length, 0) + received)),
            fits.eq(Mux(before, room >= 2 * longest, (room >= longest) | (burst.valid & (burst.payload.len < room)))),
        ]
        connect(m, flipped(self.chunk), tile_writer.chunk)
        m.d.comb += [self.beyond.eq(tile_writer.beyond), self.bad.eq(tile_writer.bad),
                     self.number.eq(tile_writer.number),
                     self.receiving.eq(tile_writer.busy), self.idle.eq(~tile_writer.busy & ~descriptors.o.valid)]
        return m
