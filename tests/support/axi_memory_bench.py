"""What cocotb tests of `axi_memory_port` alone need: the port with its memory, and pins driven by hand."""

import tempfile

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from vta.sim.cosim.server import MemoryModel

SIZE = 1 << 16
BASE = 0x10000
CALM = {"read_latency": 4, "write_latency": 4, "reads": 64, "writes": 256, "bandwidth": 1, "order": 0,
        "early": 0, "max_burst": 256, "max_reads": 64, "max_writes": 256, "read_ids": 16, "seed": 1}
CALM |= {f"stall_{channel}": 0 for channel in ("ar", "r", "aw", "w", "b")}


class Bench:
    """The port with its memory in a file, and its pins for driving by hand at falling edges."""

    def __init__(self, dut, **settings):
        self.dut, self.memory = dut, MemoryModel()
        self.bytes = len(dut.wdata) // 8
        self.file = tempfile.NamedTemporaryFile()            # noqa: SIM115 (lives as long as the bench)
        self.file.truncate(SIZE)
        self.memory.map(self.file.name, BASE, SIZE)
        self.memory.configure(CALM | settings)
        self.memory.clear()

    async def start(self):
        dut = self.dut
        Clock(dut.aclk, 2, "ns").start()
        for pin in ("arvalid", "awvalid", "wvalid", "rready", "bready", "arcache", "awcache", "arprot",
                    "awprot"):
            getattr(dut, pin).value = 0
        for channel in ("ar", "aw"):
            self.request(channel, BASE)
        self.data(0)
        dut.aresetn.value = 0
        await self.cycles(3)
        dut.aresetn.value = 1
        await self.cycles(2)
        return self

    def request(self, channel, address, beats=1, size=None, burst=1, ident=0):
        size = (self.bytes - 1).bit_length() if size is None else size
        fields = {"addr": address, "len": beats - 1, "size": size, "burst": burst, "id": ident}
        for pin, value in fields.items():
            getattr(self.dut, channel + pin).value = value

    def data(self, byte, last=1):
        self.dut.wdata.value = int.from_bytes(bytes([byte]) * self.bytes, "little")
        self.dut.wstrb.value = (1 << self.bytes) - 1
        self.dut.wlast.value = last

    async def cycles(self, count):
        for _ in range(count):
            await FallingEdge(self.dut.aclk)

    async def until(self, pin, limit=100):
        """Cycles until `pin` is high, seen at falling edges."""
        for waited in range(limit):
            if int(getattr(self.dut, pin).value):
                return waited
            await FallingEdge(self.dut.aclk)
        raise AssertionError(f"{pin} stays low for {limit} cycles")

    async def send(self, channel, **request):
        """One address handshake."""
        self.request(channel, **request)
        getattr(self.dut, channel + "valid").value = 1
        await self.until(channel + "ready")
        await self.cycles(1)
        getattr(self.dut, channel + "valid").value = 0

    async def put(self, byte, last):
        self.data(byte, last)
        self.dut.wvalid.value = 1
        await self.until("wready")
        await self.cycles(1)
        self.dut.wvalid.value = 0

    def stored(self, address, count):
        with open(self.file.name, "rb") as file:
            file.seek(address - BASE)
            return file.read(count)

    def violations(self):
        return self.memory.report()["violations"]
