"""Turns 2-D regions of DRAM into AXI bursts, for every loader and the store unit."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.interfaces import burst_layout

ROW_BITS = 28        # bytes of a row: 65535 tiles of at most 4096 bytes


def region_layout(config):
    """A 2-D region: `rows` (>= 1) rows, the first one from byte `first` to byte `last`, both included, each next one
    `stride` bytes later."""
    return data.StructLayout({"first": config.axi_addr_width, "last": config.axi_addr_width,
                              "stride": unsigned(ROW_BITS), "rows": unsigned(16)})


class BurstGenerator(wiring.Component):
    """Splits regions into bursts, row by row.

    Bursts start and end on bus beats (rows that do not are widened) and never cross an aligned block of `max_burst`
    beats, hence no 4 KiB boundary. A region is taken when the last burst of the one before is offered, or has been.
    Throughput: one burst in two cycles. Latency: two cycles. `last` marks the last burst of a region. `burst` is a
    register.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "region": In(stream.Signature(region_layout(config))),
            "burst": Out(stream.Signature(burst_layout(config))),
            "last": Out(1),
            "idles": Out(1),     # `region.ready` in the next cycle
            "moves": Out(1),     # in the next cycle `burst` is the next one of the region that was taken last
        })

    def elaborate(self, platform):
        m = Module()
        config, new = self.config, self.region.payload
        bus, block_log = bus_log(config), exact_log2(config.max_burst)
        beats = unsigned(config.axi_addr_width - bus)            # beats, counted from address 0

        # where the next burst starts and its row ends; the row after that, and the rows left from there
        beat, last_beat = (Signal(beats, name=name, reset_less=True) for name in ("beat", "last_beat"))
        row = Signal(region_layout(config), reset_less=True)
        row_ends = Signal(reset_less=True)       # the next burst is the last one of its row: they are in one block
        last_row = Signal(reset_less=True)       # row.rows == 0
        active = Signal()                        # there is a next burst
        valid = Signal()                         # there is a burst
        idle = Signal(init=1)                    # ~active, a register of its own: it is heavily loaded
        go = self.moves
        end = Signal(block_log)

        def block(at):
            return at[block_log:]

        m.d.comb += [
            self.burst.valid.eq(valid), self.region.ready.eq(idle), go.eq(active & ~valid),
            # a burst goes up to the end of the row or of the block, whichever comes first
            end.eq(Mux(row_ends, last_beat[:block_log], config.max_burst - 1)),
        ]
        with m.If(self.burst.ready):
            m.d.sync += valid.eq(0)
        with m.If(~valid):
            m.d.sync += [valid.eq(active), self.burst.payload.addr.eq(beat << bus),
                         self.burst.payload.len.eq(end - beat[:block_log]), self.last.eq(row_ends & last_row)]
        m.d.comb += self.idles.eq(Mux(idle, ~self.region.valid, go & row_ends & last_row))
        m.d.sync += idle.eq(self.idles)

        # the next row is in `row`, or while idle in the region that is offered, whether or not there is one
        start = Signal(region_layout(config))
        # three comparisons in different words, or synthesis makes one of them, behind a multiplexer
        following = Signal(len(beat) - block_log)
        row_in_block, new_in_block, in_last_block = (
            Signal(name=name) for name in ("row_in_block", "new_in_block", "in_last_block"))
        m.d.comb += [
            start.eq(Mux(idle, new.as_value(), row.as_value())), following.eq(block(beat) + 1),
            row_in_block.eq(block(row.first[bus:]) == block(row.last[bus:])),
            new_in_block.eq(~(block(new.first[bus:]) != block(new.last[bus:]))),
            in_last_block.eq(~(following ^ block(last_beat)).any()),
        ]
        with m.If(idle | (go & row_ends)):
            m.d.sync += [
                beat.eq(start.first >> bus), last_beat.eq(start.last >> bus),
                last_row.eq(start.rows == 1),
                row.eq(start), row.first.eq(start.first + start.stride), row.last.eq(start.last + start.stride),
                row.rows.eq(start.rows - 1), active.eq(Mux(idle, self.region.valid, ~last_row))]
        with m.Elif(go):
            m.d.sync += beat.eq(Cat(Const(0, block_log), following))
        with m.If(~active | ~valid):
            m.d.sync += row_ends.eq(Mux(active, Mux(row_ends, row_in_block, in_last_block), new_in_block))
        return m
