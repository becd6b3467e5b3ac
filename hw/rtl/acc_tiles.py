"""Collects the chunks of LOAD ACC and LOAD ACC_8BIT into whole accumulator tiles."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.fifo import RegisterSlice
from vta.hw.rtl.interfaces import chunk_layout

ACC_8BIT = 1         # position of that memory type in the accumulator's loader


def tile_layout(config):
    """A tile for the accumulator: `write` it to `index`; zeros if `pad`. `last`: it completes the LOAD."""
    return data.StructLayout({
        "write": unsigned(1), "pad": unsigned(1), "index": unsigned(config.acc_depth_log), "last": unsigned(1),
        "data": data.ArrayLayout(signed(32), config.lanes)})


class AccTiles(wiring.Component):
    """Collects chunks into tiles; bytes of ACC_8BIT are sign-extended to 32 bits.

    Latency: two cycles; throughput: a chunk a cycle. A finished tile that is not taken stalls the chunks.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "chunk": In(stream.Signature(chunk_layout(config))),
            "tile": Out(stream.Signature(tile_layout(config)))})

    def elaborate(self, platform):
        m = Module()
        config, chunk, tile = self.config, self.chunk.payload, self.tile.payload
        wide = min(config.bus_bytes, config.tile_bytes["ACC"]) // 4        # lanes in a slice of ACC
        narrow = min(config.bus_bytes, config.tile_bytes["ACC_8BIT"])      # ... of ACC_8BIT

        # what a chunk does, decoded before the registers in which it waits: without a chunk, nothing
        shape = data.StructLayout({
            "finishes": 1, "ends": 1, "pad": 1, "index": config.acc_depth_log, "bytes": 1,
            "lanes": config.lanes, "data": unsigned(config.axi_data_width)})
        m.submodules.slice = waiting = RegisterSlice(shape)
        new, now = waiting.i.payload, waiting.o.payload
        finished = (chunk.write & chunk.complete) | chunk.pad
        bytes_ = chunk.select == ACC_8BIT
        m.d.comb += [
            waiting.i.valid.eq(self.chunk.valid), self.chunk.ready.eq(waiting.i.ready),
            new.finishes.eq(self.chunk.valid & finished), new.ends.eq(self.chunk.valid & chunk.last),
            new.pad.eq(chunk.pad), new.index.eq(Mux(chunk.pad, chunk.pad_index, chunk.index)), new.bytes.eq(bytes_),
            new.lanes.eq(Cat(self.chunk.valid & chunk.write & (chunk.slice == Mux(bytes_, lane // narrow, lane // wide))
                             for lane in range(config.lanes))),
            new.data.eq(chunk.data),
        ]

        ready = Signal()
        m.d.comb += [ready.eq(~self.tile.valid | self.tile.ready), waiting.o.ready.eq(ready)]
        with m.If(ready):
            m.d.sync += [self.tile.valid.eq(now.finishes | now.ends), tile.write.eq(now.finishes),
                         tile.pad.eq(now.pad), tile.last.eq(now.ends), tile.index.eq(now.index)]
        for lane, value in enumerate(tile.data):
            with m.If(ready & now.lanes[lane]):
                m.d.sync += value.eq(Mux(now.bytes, now.data[8 * (lane % narrow):][:8].as_signed(),
                                         now.data[32 * (lane % wide):][:32].as_signed()))
        return m
