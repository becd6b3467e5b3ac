"""One 2-D tensor loader for every memory: burst generator and tile writer, joined by a queue of descriptors.

The burst generator works on the next LOADs while the data of earlier ones is still arriving.
"""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import MEMORY, MemType
from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.burst_generator import BurstGenerator
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, beat_layout, chunk_layout, read_client
from vta.hw.rtl.tile_writer import TileWriter
from vta.hw.rtl.walkers import descriptor_layout

LUT_BUFFER = 64      # buffers of at most this many beats are LUT RAM
LOADS_AHEAD = 8      # LOADs that may have sent requests before the first one's data has been written


class Loader(wiring.Component):
    """Executes LOADs of the memory types `names`, in order; see `TileWriter` for what it writes.

    `insn` takes one LOAD in two cycles at most while fewer than `LOADS_AHEAD` are in flight; its first burst
    is offered in the next cycle. `pointers` are the base addresses of the memory types, multiples of the
    bus. With `buffer` beats of its own (a power of two) the loader requests only what fits there, so the
    read channel never waits for `chunk`; without, the consumer must take chunks at once.
    `read_ahead` bounds the beats requested and not yet received, so that more urgent clients wait less.
    """

    def __init__(self, config, *names, assembled=(), buffer=0, read_ahead=0):
        self.config, self.names, self.assembled = config, names, assembled
        self.buffer, self.limit = buffer, buffer or read_ahead
        super().__init__({
            "insn": In(stream.Signature(ISSUED)),
            "pointers": In(config.axi_addr_width).array(len(names)),
            "read": Out(read_client(config)),
            "chunk": Out(stream.Signature(chunk_layout(config))),
            "beyond": Out(1), "bad": Out(1), "number": Out(NUMBER_BITS),
            "receiving": Out(1),     # the tile writer works on a LOAD
            "idle": Out(1),          # no LOAD is in flight
        })

    def elaborate(self, platform):
        m = Module()
        config, bus = self.config, bus_log(self.config)
        m.submodules.bursts = bursts = BurstGenerator(config)
        m.submodules.tile_writer = tile_writer = TileWriter(config, *self.names, assembled=self.assembled)
        m.submodules.descriptors = descriptors = Fifo(descriptor_layout(config), LOADS_AHEAD)

        # decode
        fields = data.View(MEMORY, self.insn.payload.insn)
        described = descriptors.i.payload
        region = bursts.region.payload
        select = Signal()
        addr = Signal(config.axi_addr_width)
        tile_logs = tile_writer.tile_logs
        work = Signal()
        m.d.comb += [
            select.eq(fields.mem_type == MemType[self.names[1]] if len(self.names) == 2 else 0),
            addr.eq(Array(pointer + (fields.dram_base << log)
                          for pointer, log in zip(self.pointers, tile_logs, strict=True))[select]),
            region.addr.eq(addr), region.rows.eq(fields.y_size),
            region.x_bytes.eq(Array(fields.x_size << log for log in tile_logs)[select]),
            region.stride.eq(Array(fields.x_stride << log for log in tile_logs)[select]),
            *[described[name].eq(fields[name]) for name in (
                "sram_base", "x_size", "y_size", "y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")],
            described.select.eq(select), described.beat_offset.eq(addr[:bus]),
            described.stride.eq(region.stride[:bus]), described.merged.eq(fields.x_stride == fields.x_size),
            described.push.eq(fields.push_next), described.number.eq(self.insn.payload.number),
            work.eq((fields.x_size != 0) & (fields.y_size != 0)),
            # a LOAD goes to both halves at once, or only to the tile writer if it has nothing to read
            bursts.region.valid.eq(self.insn.valid & work & descriptors.i.ready),
            descriptors.i.valid.eq(self.insn.valid & self.insn.ready),
            self.insn.ready.eq(descriptors.i.ready & (bursts.region.ready | ~work)),
        ]
        wiring.connect(m, tile_writer.descriptor, descriptors.o)

        beats = wiring.flipped(self.read.beats)
        if self.buffer:
            m.submodules.buffer = buffer = Fifo(beat_layout(config), self.buffer, buffered=self.buffer > LUT_BUFFER)
            wiring.connect(m, beats, buffer.i)
            beats = buffer.o
        wiring.connect(m, beats, tile_writer.beats)

        # requests run ahead by at most `limit` beats
        ahead = Signal(range(self.limit + 1))
        room = Signal()
        burst, request = bursts.burst, self.read.request
        count = burst.payload.len + 1
        m.d.comb += [
            room.eq(ahead + count <= self.limit),
            request.payload.eq(burst.payload),
            request.valid.eq(burst.valid & room),
            burst.ready.eq(request.ready & room),
        ]
        m.d.sync += ahead.eq(ahead + Mux(burst.valid & burst.ready, count, 0) - (beats.valid & beats.ready))

        wiring.connect(m, wiring.flipped(self.chunk), tile_writer.chunk)
        m.d.comb += [self.beyond.eq(tile_writer.beyond), self.bad.eq(tile_writer.bad),
                     self.number.eq(tile_writer.number),
                     self.receiving.eq(tile_writer.busy), self.idle.eq(~tile_writer.busy & ~descriptors.o.valid)]
        return m
