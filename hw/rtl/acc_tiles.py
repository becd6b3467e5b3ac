"""Collects the chunks of LOAD ACC and LOAD ACC_8BIT into whole accumulator tiles."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.interfaces import chunk_layout

ACC_8BIT = 1         # position of that memory type in the accumulator's loader


def tile_layout(config):
    """A tile for the accumulator: `write` it to `index`; zeros if `pad`. `last`: it completes the LOAD."""
    return data.StructLayout({
        "write": unsigned(1), "pad": unsigned(1), "index": unsigned(config.acc_depth_log), "last": unsigned(1),
        "data": data.ArrayLayout(signed(32), config.lanes)})


class AccTiles(wiring.Component):
    """Collects chunks into tiles; bytes of ACC_8BIT are sign-extended to 32 bits.

    Latency: one cycle; throughput: a chunk a cycle. A finished tile that is not taken stalls the chunks.
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
        taken = Signal()
        m.d.comb += [self.chunk.ready.eq(~self.tile.valid | self.tile.ready),
                     taken.eq(self.chunk.valid & self.chunk.ready)]
        with m.If(self.tile.ready):
            m.d.sync += self.tile.valid.eq(0)
        finished = (chunk.write & chunk.complete) | chunk.pad
        with m.If(taken):
            m.d.sync += [
                self.tile.valid.eq(finished | chunk.last), tile.write.eq(finished),
                tile.pad.eq(chunk.pad), tile.last.eq(chunk.last),
            ]
            with m.If(chunk.pad):
                m.d.sync += tile.index.eq(chunk.pad_index)
            with m.Else():
                m.d.sync += tile.index.eq(chunk.index)
        with m.If(taken & chunk.write):
            for lane in range(config.lanes):
                value = tile.data[lane]
                with m.If((chunk.select == ACC_8BIT) & (chunk.slice == lane // narrow)):
                    m.d.sync += value.eq(chunk.data[8 * (lane % narrow):][:8].as_signed())
                with m.Elif((chunk.select != ACC_8BIT) & (chunk.slice == lane // wide)):
                    m.d.sync += value.eq(chunk.data[32 * (lane % wide):][:32])
        return m
