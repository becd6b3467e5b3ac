"""The burst generator's bursts cover exactly the rows of its regions and never cross a 4 KiB boundary."""

from amaranth.hdl import Assert, Assume, Signal
from amaranth.lib import data

from vta.hw.rtl import burst_generator
from vta.hw.rtl.axi import bus_log
from vta.sim.formal.property import Property, inner

PAGE = 4096


class LegalBursts(Property):
    """For regions of any size, all bursts are legal in AXI and held until they are taken."""

    def __init__(self, config, unit=burst_generator):
        super().__init__()
        self.config = config
        self.bursts = unit.BurstGenerator(config)

    def state(self, m):
        dut, bus = self.bursts, bus_log(self.config)
        fragment = self.unit(m, dut)
        new, burst = dut.region.payload, dut.burst.payload
        row = data.View(new.shape(), inner(fragment, "row"))
        beat, last_beat = (inner(fragment, name) for name in ("beat", "last_beat"))
        active, idle, row_ends = (inner(fragment, name) for name in ("active", "idle", "row_ends"))
        block = self.config.max_burst.bit_length() - 1

        def ordered(first, last, bits=2):
            """Not further apart than a quarter (1 bit: half) of the addresses: so `last` is not before `first`."""
            return (last - first)[:len(first)][-bits:] == 0

        m.d.comb += [Assume(new.rows != 0), Assume(ordered(new.first, new.last))]
        self.held(m, dut.burst.valid, dut.burst.ready, [burst, dut.last])
        nbytes = Signal(17)
        m.d.comb += [
            nbytes.eq((burst.len + 1) << bus),
            Assert(~dut.burst.valid | (burst.addr[:bus] == 0)),
            Assert(~dut.burst.valid | (burst.len < self.config.max_burst)),
            Assert(~dut.burst.valid | (burst.addr[:12] + nbytes <= PAGE)),
            # invariants: what is left of the row, and the row after it, are in order
            Assert(active == ~idle), Assert(~active | ordered(beat, last_beat, 1)),
            Assert(~active | ordered(row.first, row.last)),
            Assert(~active | (row_ends == (beat[block:] == last_beat[block:]))),
        ]


class WholeRegion(Property):
    """Beat by beat: the bursts of a region are its rows in order, and `last` is on the last one.

    Regions are small (at most `max_rows` rows of `max_bytes`) and in the first two pages; each comes when the one
    before has been requested.
    """

    def __init__(self, config, unit=burst_generator, max_rows=2, max_bytes=31):
        super().__init__()
        self.config, self.max_rows, self.max_bytes = config, max_rows, max_bytes
        self.bursts = unit.BurstGenerator(config)

    def state(self, m):
        dut, bus = self.bursts, bus_log(self.config)
        self.unit(m, dut)
        new, burst = dut.region.payload, dut.burst.payload
        m.d.comb += [Assume((new.rows != 0) & (new.rows <= self.max_rows)),
                     Assume((new.last >= new.first) & (new.last < new.first + self.max_bytes)),
                     Assume(new.stride <= 2 * self.max_bytes), Assume(new.first < 2 * PAGE)]
        self.held(m, dut.region.valid, dut.region.ready, [new], Assume)
        taken, fire = dut.region.valid & dut.region.ready, dut.burst.valid & dut.burst.ready
        # the expected row: its start, its bytes, the number of rows after it, its next beat
        bits = self.config.axi_addr_width
        start, nbytes, stride = (Signal(bits, name=name) for name in ("start", "nbytes", "stride"))
        follow, beat, busy = Signal(8), Signal(bits - bus), Signal()
        m.d.comb += Assume(~dut.region.valid | ~busy | (fire & dut.last))
        end = (start + nbytes + (1 << bus) - 1)[bus:bits]      # first beat after the row
        after = beat + burst.len + 1
        following = (start + stride)[:bits]
        with m.If(fire):
            m.d.comb += [Assert(busy), Assert(burst.addr == beat << bus), Assert(after <= end),
                         Assert(dut.last == ((after == end) & (follow == 0)))]
            m.d.sync += [beat.eq(after), busy.eq(~dut.last)]
            with m.If(after == end):
                m.d.sync += [start.eq(following), beat.eq(following[bus:]), follow.eq(follow - 1)]
        m.d.comb += Assert(~taken | ~busy | (fire & dut.last))
        with m.If(taken):
            m.d.sync += [busy.eq(1), start.eq(new.first), beat.eq(new.first[bus:]), stride.eq(new.stride),
                         nbytes.eq(new.last - new.first + 1), follow.eq(new.rows - 1)]
