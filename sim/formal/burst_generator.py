"""The burst generator's bursts cover exactly the rows of its regions and never cross a 4 KiB boundary."""

from amaranth.hdl import Assert, Assume, Mux, Signal

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
        m.d.comb += [Assume(new.rows != 0), Assume(new.x_bytes != 0)]
        self.held(m, dut.burst.valid, dut.burst.ready, [burst, dut.last])
        nbytes, busy = Signal(17), Signal()
        fire = dut.burst.valid & dut.burst.ready
        m.d.comb += [
            nbytes.eq((burst.len + 1) << bus),
            Assert(~dut.burst.valid | (burst.addr[:bus] == 0)),
            Assert(~dut.burst.valid | (burst.len < self.config.max_burst)),
            Assert(~dut.burst.valid | (burst.addr[:12] + nbytes <= PAGE)),
            # invariants: the current row has beats left, and so do the rows after it
            Assert(busy == inner(fragment, "active")), Assert(busy | ~inner(fragment, "merge")),
            Assert(~dut.burst.valid | (inner(fragment, "left") != 0)),
            Assert(~busy | (inner(fragment, "rows") != 0)),
            Assert(~busy | (inner(fragment, "x_bytes") != 0)),
        ]
        with m.If(fire & dut.last):
            m.d.sync += busy.eq(0)
        with m.If(dut.region.valid & dut.region.ready):
            m.d.sync += busy.eq(1)


class WholeRegion(Property):
    """Beat by beat: the bursts of a region are its rows in order, and `last` is on the last one.

    Regions are small (at most `max_rows` rows of `max_bytes`) and in the first two pages; contiguous rows count as
    one row.
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
                     Assume((new.x_bytes != 0) & (new.x_bytes <= self.max_bytes)),
                     Assume(new.stride <= 2 * self.max_bytes),
                     Assume(new.addr < 2 * PAGE)]
        self.held(m, dut.region.valid, dut.region.ready, [new], Assume)
        taken, fire = dut.region.valid & dut.region.ready, dut.burst.valid & dut.burst.ready
        # the expected row: its start, its bytes, the number of rows after it, its next beat
        bits = self.config.axi_addr_width
        start, nbytes, stride = (Signal(bits, name=name) for name in ("start", "nbytes", "stride"))
        follow, beat, busy = Signal(8), Signal(bits - bus), Signal()
        one = (new.x_bytes == new.stride) & (new.rows > 1)
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
            m.d.sync += [busy.eq(1), start.eq(new.addr), beat.eq(new.addr[bus:]), stride.eq(new.stride),
                         nbytes.eq(Mux(one, new.x_bytes[:8] * new.rows[:2], new.x_bytes)),
                         follow.eq(Mux(one, 0, new.rows - 1))]
