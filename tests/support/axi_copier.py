"""A small accelerator with the pins of VTA, to test its surroundings: it copies bursts of memory.

Registers (word offsets in bytes): 0x00 control (write 1: start; reads 2 when done), 0x04 source, 0x08 target,
0x0C bursts; the interrupt is high while done. Bursts have 8 beats, one read and one write in flight.
"""

from amaranth.hdl import ClockDomain, ClockSignal, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

BEATS = 8


def pins(config):
    """The pins of an accelerator with one AXI master, by their Arm names."""
    address, data = config.axi_addr_width, config.axi_data_width
    members = {"aclk": In(1), "aresetn": In(1), "interrupt": Out(1)}
    lite = {"awaddr": In(12), "awvalid": In(1), "awready": Out(1), "wdata": In(32), "wstrb": In(4),
            "wvalid": In(1), "wready": Out(1), "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
            "araddr": In(12), "arvalid": In(1), "arready": Out(1), "rdata": Out(32), "rresp": Out(2),
            "rvalid": Out(1), "rready": In(1)}
    request = {"addr": address, "len": 8, "size": 3, "burst": 2, "id": 4, "cache": 4, "prot": 3, "valid": 1}
    master = {f"{channel}{name}": Out(width)
              for channel in ("ar", "aw") for name, width in request.items()}
    master |= {"arready": In(1), "awready": In(1), "rdata": In(data), "rresp": In(2), "rlast": In(1),
               "rid": In(4), "rvalid": In(1), "rready": Out(1), "wdata": Out(data),
               "wstrb": Out(data // 8), "wlast": Out(1), "wvalid": Out(1), "wready": In(1),
               "bresp": In(2), "bid": In(4), "bvalid": In(1), "bready": Out(1)}
    members |= {f"s_axi_{name}": member for name, member in lite.items()}
    return members | {f"m_axi_{name}": member for name, member in master.items()}


class Copier(wiring.Component):
    def __init__(self, config):
        self.config = config
        super().__init__(pins(config))

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        source, target, bursts = Signal(32), Signal(32), Signal(32)
        start, done = Signal(), Signal()
        self._registers(m, (source, target, bursts), start, done)
        m.submodules.buffer = buffer = Memory(shape=self.config.axi_data_width, depth=BEATS, init=[])
        write, read = buffer.write_port(), buffer.read_port(domain="comb")
        beat = Signal(range(BEATS + 1))
        size = (self.config.bus_bytes - 1).bit_length()
        for channel, address in (("ar", source), ("aw", target)):
            for name, value in (("addr", address), ("len", BEATS - 1), ("size", size), ("burst", 1)):
                m.d.comb += getattr(self, f"m_axi_{channel}{name}").eq(value)
        m.d.comb += [
            write.addr.eq(beat), write.data.eq(self.m_axi_rdata), read.addr.eq(beat),
            self.m_axi_wdata.eq(read.data),
            self.m_axi_wstrb.eq(-1), self.m_axi_wlast.eq(beat == BEATS - 1), self.interrupt.eq(done)]
        with m.FSM():
            with m.State("idle"), m.If(start):
                m.d.sync += done.eq(0)
                m.next = "request"
            with m.State("request"):
                m.d.comb += self.m_axi_arvalid.eq(1)
                with m.If(self.m_axi_arready):
                    m.next = "receive"
            with m.State("receive"):
                m.d.comb += [self.m_axi_rready.eq(1), write.en.eq(self.m_axi_rvalid)]
                with m.If(self.m_axi_rvalid):
                    m.d.sync += beat.eq(beat + 1)
                    with m.If(self.m_axi_rlast):
                        m.d.sync += beat.eq(0)
                        m.next = "announce"
            with m.State("announce"):
                m.d.comb += self.m_axi_awvalid.eq(1)
                with m.If(self.m_axi_awready):
                    m.next = "send"
            with m.State("send"):
                m.d.comb += self.m_axi_wvalid.eq(1)
                with m.If(self.m_axi_wready):
                    m.d.sync += beat.eq(beat + 1)
                    with m.If(self.m_axi_wlast):
                        m.d.sync += beat.eq(0)
                        m.next = "response"
            with m.State("response"):
                m.d.comb += self.m_axi_bready.eq(1)
                with m.If(self.m_axi_bvalid):
                    m.d.sync += [source.eq(source + BEATS * self.config.bus_bytes),
                                 target.eq(target + BEATS * self.config.bus_bytes),
                                 bursts.eq(bursts - 1), done.eq(bursts == 1)]
                    m.next = "request"
                    with m.If(bursts == 1):
                        m.next = "idle"
        return m

    def _registers(self, m, words, start, done):
        taken = Signal()
        m.d.comb += [taken.eq(self.s_axi_awvalid & self.s_axi_wvalid & ~self.s_axi_bvalid),
                     self.s_axi_awready.eq(taken), self.s_axi_wready.eq(taken),
                     self.s_axi_arready.eq(~self.s_axi_rvalid)]
        with m.If(taken):
            m.d.sync += self.s_axi_bvalid.eq(1)
            with m.Switch(self.s_axi_awaddr):
                with m.Case(0):
                    m.d.comb += start.eq(self.s_axi_wdata[0])
                for n, word in enumerate(words):
                    with m.Case(4 + 4 * n):
                        m.d.sync += word.eq(self.s_axi_wdata)
        with m.If(self.s_axi_bvalid & self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += self.s_axi_rvalid.eq(1)
            with m.Switch(self.s_axi_araddr):
                with m.Case(0):
                    m.d.sync += self.s_axi_rdata.eq(done << 1)
                for n, word in enumerate(words):
                    with m.Case(4 + 4 * n):
                        m.d.sync += self.s_axi_rdata.eq(word)
        with m.If(self.s_axi_rvalid & self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
