"""Turns 2-D regions of DRAM into AXI bursts, for every loader and the store unit."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import LEN_BITS, bus_log
from vta.hw.rtl.interfaces import burst_layout

ROW_BITS = 28        # bytes of a row: 65535 tiles of at most 4096 bytes


def region_layout(config):
    """A 2-D region: `rows` (>= 1) rows of `x_bytes` (>= 1) bytes each, their starts `stride` bytes apart."""
    return data.StructLayout({"addr": config.axi_addr_width, "x_bytes": unsigned(ROW_BITS),
                              "stride": unsigned(ROW_BITS), "rows": unsigned(16)})


class BurstGenerator(wiring.Component):
    """Splits regions into bursts, row by row; contiguous rows are merged into one.

    Bursts start and end on bus beats (rows that do not are widened) and never cross an aligned block of `max_burst`
    beats, hence no 4 KiB boundary. Throughput: one burst a cycle, without a gap between regions; merging
    rows costs one extra cycle. Latency: one cycle. `last` marks the last burst of a region.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "region": In(stream.Signature(region_layout(config))),
            "burst": Out(stream.Signature(burst_layout(config))),
            "last": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config, region = self.config, self.region.payload
        bus, block = bus_log(config), config.max_burst
        beat_bits = ROW_BITS + 17 - bus

        def beats_of(addr, nbytes):
            """Number of beats that hold the `nbytes` bytes at `addr`."""
            return (addr[:bus] + nbytes + ((1 << bus) - 1)) >> bus

        active = Signal()
        merge = Signal()
        row_addr = Signal(config.axi_addr_width)                 # where the current row starts
        x_bytes = Signal(ROW_BITS)
        stride = Signal(ROW_BITS)
        rows = Signal(16)                                        # rows left, including this one
        beat = Signal(config.axi_addr_width - bus)               # next beat of the row, counted from address 0
        left = Signal(beat_bits)                                 # beats left in it
        in_block = Signal(LEN_BITS + 1)
        count = Signal(LEN_BITS + 1)
        row_ends = Signal()
        fire = Signal()
        next_row = Signal(config.axi_addr_width)
        m.d.comb += [
            in_block.eq(block - beat[:block.bit_length() - 1]),
            count.eq(Mux(left < in_block, left, in_block)),
            row_ends.eq(left <= in_block),
            self.last.eq(row_ends & (rows == 1)),
            self.burst.valid.eq(active & ~merge),
            self.burst.payload.addr.eq(beat << bus),
            self.burst.payload.len.eq(count - 1),
            fire.eq(self.burst.valid & self.burst.ready),
            next_row.eq(row_addr + stride),
            self.region.ready.eq(~active | (fire & self.last)),
        ]
        with m.If(fire):
            m.d.sync += [beat.eq(beat + count), left.eq(left - count)]
            with m.If(row_ends):
                m.d.sync += [row_addr.eq(next_row), rows.eq(rows - 1), beat.eq(next_row[bus:]),
                             left.eq(beats_of(next_row, x_bytes))]
            with m.If(self.last):
                m.d.sync += active.eq(0)
        with m.If(merge):       # a cycle of its own: the product takes a whole cycle of a DSP
            m.d.sync += [left.eq(beats_of(row_addr, x_bytes * rows)), rows.eq(1), merge.eq(0)]
        with m.If(self.region.valid & self.region.ready):
            m.d.sync += [
                active.eq(1), merge.eq((region.x_bytes == region.stride) & (region.rows > 1)),
                row_addr.eq(region.addr), x_bytes.eq(region.x_bytes), stride.eq(region.stride),
                rows.eq(region.rows), beat.eq(region.addr[bus:]), left.eq(beats_of(region.addr, region.x_bytes)),
            ]
        return m
