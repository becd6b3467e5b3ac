"""A top module of the AXI units alone: copies a region of memory."""

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import CONSTANTS, bus_log, read_signature, write_signature
from vta.hw.rtl.burst_generator import ROW_BITS, BurstGenerator
from vta.hw.rtl.read_arbiter import ReadArbiter
from vta.hw.rtl.top import master_ports
from vta.hw.rtl.write_master import WriteMaster


class Mover(wiring.Component):
    """`start` (one cycle) copies `rows` rows of `x_bytes`, whole beats, from `source` to `target`; `done`: the last
    response has arrived. Two burst generators, a read arbiter and a write master, joined beat by beat."""

    def __init__(self, config):
        self.config = config
        address = config.axi_addr_width
        super().__init__({
            "aclk": In(1), "aresetn": In(1), "start": In(1), "done": Out(1), "failed": Out(1),
            "source": In(address), "source_stride": In(ROW_BITS),
            "target": In(address), "target_stride": In(ROW_BITS), "x_bytes": In(ROW_BITS), "rows": In(16),
            **master_ports(config, "m_axi_")})

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.d.comb += [sync.clk.eq(self.aclk), sync.rst.eq(~self.aresetn)]
        m.submodules.read_arbiter = read_arbiter = ReadArbiter(self.config, 1)
        m.submodules.write_master = write_master = WriteMaster(self.config)
        for name, unit in (("source", read_arbiter.clients[0].request), ("target", write_master.request)):
            m.submodules[name] = bursts = BurstGenerator(self.config)
            m.d.comb += [
                bursts.region.valid.eq(self.start),
                bursts.region.payload.first.eq(getattr(self, name)),
                bursts.region.payload.last.eq(getattr(self, name) + self.x_bytes - 1),
                bursts.region.payload.stride.eq(getattr(self, f"{name}_stride")),
                bursts.region.payload.rows.eq(self.rows)]
            wiring.connect(m, bursts.burst, unit)
        beats = read_arbiter.clients[0].beats
        m.d.comb += [
            write_master.beats.valid.eq(beats.valid), beats.ready.eq(write_master.beats.ready),
            write_master.beats.payload.data.eq(beats.payload.data), write_master.beats.payload.strobe.eq(~0)]

        left = Signal(32)
        with m.If(self.start):
            m.d.sync += [left.eq((self.x_bytes * self.rows) >> bus_log(self.config)), self.failed.eq(0)]
        with m.Elif(beats.valid & beats.ready):
            m.d.sync += left.eq(left - 1)
        with m.If((beats.valid & beats.payload.error) | (write_master.response & write_master.failed)):
            m.d.sync += self.failed.eq(1)
        m.d.comb += self.done.eq((left == 0) & write_master.idle & read_arbiter.idle)

        for channel in ("ar", "aw"):
            m.d.comb += getattr(self, f"m_axi_{channel}size").eq(bus_log(self.config))
            m.d.comb += [getattr(self, f"m_axi_{channel}{name}").eq(value) for name, value in CONSTANTS.items()]
        for unit, signature in ((read_arbiter.axi, read_signature), (write_master.axi, write_signature)):
            for name, member in signature(self.config).members.items():
                pin, port = getattr(self, f"m_axi_{name}"), getattr(unit, name)
                m.d.comb += pin.eq(port) if member.flow == Out else port.eq(pin)
        return m
