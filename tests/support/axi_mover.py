"""The AXI units and nothing else, as a top module: moves a region of memory to another place."""

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import CONSTANTS, bus_log, read_signature, write_signature
from vta.hw.rtl.burst_generator import ROW_BITS, Requester
from vta.hw.rtl.read_arbiter import Reader
from vta.hw.rtl.top import master_ports
from vta.hw.rtl.write_master import Writer


class Mover(wiring.Component):
    """`start` (one cycle) moves `rows` rows of `x_bytes` from `source` to `target`, whole beats; `done` says
    that the last response has come. Two requesters, a reader and a writer, joined beat by beat."""

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
        m.submodules.reader = reader = Reader(self.config, 1)
        m.submodules.writer = writer = Writer(self.config)
        for name, unit in (("source", reader.request[0]), ("target", writer.request)):
            m.submodules[name] = requester = Requester(self.config)
            m.d.comb += [
                requester.region.valid.eq(self.start),
                requester.region.payload.addr.eq(getattr(self, name)),
                requester.region.payload.stride.eq(getattr(self, f"{name}_stride")),
                requester.region.payload.x_bytes.eq(self.x_bytes), requester.region.payload.rows.eq(self.rows)]
            wiring.connect(m, requester.burst, unit)
        beats = reader.beats[0]
        m.d.comb += [
            writer.beats.valid.eq(beats.valid), beats.ready.eq(writer.beats.ready),
            writer.beats.payload.data.eq(beats.payload.data), writer.beats.payload.strobe.eq(~0)]

        left = Signal(32)
        with m.If(self.start):
            m.d.sync += [left.eq((self.x_bytes * self.rows) >> bus_log(self.config)), self.failed.eq(0)]
        with m.Elif(beats.valid & beats.ready):
            m.d.sync += left.eq(left - 1)
        with m.If((beats.valid & beats.payload.error) | (writer.response & writer.failed)):
            m.d.sync += self.failed.eq(1)
        m.d.comb += self.done.eq((left == 0) & writer.idle & reader.idle)

        for channel in ("ar", "aw"):
            m.d.comb += getattr(self, f"m_axi_{channel}size").eq(bus_log(self.config))
            m.d.comb += [getattr(self, f"m_axi_{channel}{name}").eq(value) for name, value in CONSTANTS.items()]
        for unit, signature in ((reader.axi, read_signature), (writer.axi, write_signature)):
            for name, member in signature(self.config).members.items():
                pin, port = getattr(self, f"m_axi_{name}"), getattr(unit, name)
                m.d.comb += pin.eq(port) if member.flow == Out else port.eq(pin)
        return m
