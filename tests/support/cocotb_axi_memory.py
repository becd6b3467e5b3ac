"""cocotb tests of `axi_memory_port` alone: traffic of an independent AXI master, times, errors, broken rules.

Run inside the simulator by tests/sim/cosim/test_axi_memory.py.
"""

import random
import tempfile

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Combine, FallingEdge
from cocotbext.axi import AxiBus, AxiMaster

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


# ---- random traffic against an independent master ----

async def traffic(dut, rng_seed, **settings):
    bench = await Bench(dut, **settings).start()
    master = AxiMaster(AxiBus.from_entity(dut), dut.aclk, dut.aresetn, reset_active_level=False,
                       max_burst_len=64)
    rng = random.Random(rng_seed)
    mirror = bytearray(SIZE)

    async def client(number):
        """Owns one eighth of memory: random writes and reads there, at any alignment."""
        first = number * SIZE // 8
        for _ in range(12):
            length = rng.choice([1, 3, bench.bytes, 40, 700])
            offset = first + rng.randrange(SIZE // 8 - length)
            if rng.random() < 0.5:
                data = rng.randbytes(length)
                mirror[offset:offset + length] = data
                await master.write(BASE + offset, data, awid=number)
            else:
                read = await master.read(BASE + offset, length, arid=number)
                assert read.data == mirror[offset:offset + length], f"read of {length} at 0x{offset:x}"

    await Combine(*(cocotb.start_soon(client(number)) for number in range(8)))
    await bench.cycles(2)
    assert bench.stored(BASE, SIZE) == mirror
    assert bench.violations() == []
    counts = bench.memory.report()["counts"]
    assert counts["under_way"] == 0 and counts["bad_addresses"] == 0 and counts["read_beats"] > 100


@cocotb.test()
async def traffic_calm(dut):
    await traffic(dut, 1)


@cocotb.test()
async def traffic_with_stalls(dut):
    await traffic(dut, 2, **{f"stall_{channel}": 0.4 for channel in ("ar", "r", "aw", "w", "b")})


@cocotb.test()
async def traffic_reordered(dut):
    await traffic(dut, 3, order=1, read_latency=20, bandwidth=0.7)


@cocotb.test()
async def traffic_interleaved(dut):
    await traffic(dut, 4, order=2, read_latency=9, stall_r=0.2, early=0.5, reads=3, writes=2)


# ---- times ----

async def beat_times(bench, beats):
    """Cycles from now to each of the next `beats` beats on R, taken as they come."""
    times, bench.dut.rready.value = [], 1
    for cycle in range(1000):
        if int(bench.dut.rvalid.value):
            times.append(cycle)
            if len(times) == beats:
                return times
        await FallingEdge(bench.dut.aclk)
    raise AssertionError(f"{len(times)} beats in 1000 cycles")


@cocotb.test()
async def read_latency(dut):
    """The first beat can be taken L cycles after the address; the next ones follow, then the next burst."""
    for latency in (1, 2, 16):
        bench = await Bench(dut, read_latency=latency).start()
        dut.rready.value = 1
        await bench.send("ar", address=BASE, beats=4)
        first = await bench.until("rvalid") + 1     # `send` ends one cycle after the handshake
        assert first == latency, f"{first} cycles at latency {latency}"
        await bench.cycles(10)
        await bench.send("ar", address=BASE, beats=4)
        await bench.send("ar", address=BASE + 512, beats=4)
        times = await beat_times(bench, 8 if latency > 2 else 6)
        assert times == list(range(times[0], times[0] + len(times))), f"gaps: {times}"
        await bench.cycles(20)


@cocotb.test()
async def bandwidth(dut):
    bench = await Bench(dut, bandwidth=0.25).start()
    await bench.send("ar", address=BASE, beats=8)
    times = await beat_times(bench, 8)
    assert times[-1] - times[0] == 28, times


@cocotb.test()
async def write_latency_and_visibility(dut):
    """The response can be taken L cycles after the last beat; the bytes are in memory with it, not before."""
    bench = await Bench(dut, write_latency=10).start()
    dut.bready.value = 1
    await bench.send("aw", address=BASE + 64, beats=2)
    await bench.put(0x11, last=0)
    await bench.put(0x22, last=1)
    await bench.cycles(8)
    assert not int(dut.bvalid.value) and bench.stored(BASE + 64, 1) == b"\0"
    await bench.cycles(1)
    assert int(dut.bvalid.value)
    assert bench.stored(BASE + 64, 2 * bench.bytes) == b"\x11" * bench.bytes + b"\x22" * bench.bytes
    assert bench.stored(BASE + 63, 1) == bench.stored(BASE + 64 + 2 * bench.bytes, 1) == b"\0"
    assert bench.violations() == []


@cocotb.test()
async def outstanding_limit(dut):
    """With two reads waiting and a limit of two, a third address is not taken."""
    bench = await Bench(dut, reads=2).start()
    await bench.send("ar", address=BASE)
    await bench.send("ar", address=BASE)
    dut.arvalid.value = 1
    await bench.cycles(20)
    assert not int(dut.arready.value)
    dut.rready.value = 1
    await bench.until("arready")


# ---- errors of the memory ----

@cocotb.test()
async def errors(dut):
    bench = await Bench(dut).start()
    bench.memory.error_range(BASE + 256, BASE + 512, True, False)
    dut.rready.value = dut.bready.value = 1
    for address, response in ((BASE, 0), (BASE + 256, 2), (BASE + SIZE, 3), (BASE - 4096, 3)):
        await bench.send("ar", address=address)
        await bench.until("rvalid")
        assert int(dut.rresp.value) == response, f"0x{address:x}"
        await bench.send("aw", address=address)
        await bench.put(0x33, last=1)
        await bench.until("bvalid")
        assert int(dut.bresp.value) == (0 if response == 2 else response), f"0x{address:x}"
        await bench.cycles(2)
    bad = bench.memory.report()["bad_addresses"]
    assert len(bad) == 4 and f"read at 0x{BASE + SIZE:x}" in bad[0] and "write at" in bad[1], bad


@cocotb.test()
async def unknown_setting(dut):
    try:
        MemoryModel().configure({"latency": 3})
    except ValueError as error:
        assert "'latency'" in str(error)
    else:
        raise AssertionError("accepted")


# ---- rules of the master: each broken on purpose ----

def breaks(channel, words, **settings):
    """A cocotb test whose body breaks one rule: exactly that is reported, and `fault` rises."""
    def decorate(body):
        async def test(dut):
            bench = await Bench(dut, **settings).start()
            assert bench.violations() == [] and not int(dut.fault.value)
            await body(bench)
            await bench.cycles(3)
            found = bench.violations()
            assert len(found) == 1 and channel + ": " in found[0] and words in found[0], found
            assert int(dut.fault.value)
        test.__name__ = test.__qualname__ = body.__name__
        test.__module__ = body.__module__
        return cocotb.test()(test)
    return decorate


async def hold(bench, channel, change):
    """Offer on a channel whose ready stays low, then apply `change`."""
    valid = getattr(bench.dut, channel + "valid")
    valid.value = 1
    await bench.cycles(3)
    change()
    await bench.cycles(2)


@breaks("AR", "withdrawn", stall_ar=1)
async def ar_withdrawn(bench):
    await hold(bench, "ar", lambda: setattr(bench.dut.arvalid, "value", 0))


@breaks("AW", "payload changed", stall_aw=1)
async def aw_payload_changed(bench):
    await hold(bench, "aw", lambda: bench.request("aw", BASE + 64))


@breaks("AR", "payload changed", stall_ar=1)
async def ar_cache_changed(bench):
    await hold(bench, "ar", lambda: setattr(bench.dut.arcache, "value", 3))


@breaks("W", "payload changed", stall_w=1)
async def w_data_changed(bench):
    """Issue 41 of apache/tvm-vta: write data that changes while it waits."""
    await bench.send("aw", address=BASE)
    await hold(bench, "w", lambda: bench.data(9))


@breaks("W", "withdrawn", stall_w=1)
async def w_withdrawn(bench):
    await bench.send("aw", address=BASE)
    await hold(bench, "w", lambda: setattr(bench.dut.wvalid, "value", 0))


@breaks("AR", "4 KiB")
async def crosses_page(bench):
    await bench.send("ar", address=BASE + 4096 - bench.bytes, beats=2)


@breaks("AW", "not INCR")
async def fixed_burst(bench):
    await bench.send("aw", address=BASE, burst=0)


@breaks("AR", "beats of 4 bytes")
async def narrow(bench):
    await bench.send("ar", address=BASE, size=2)


@breaks("AR", "the limit is 16", max_burst=16)
async def too_long(bench):
    await bench.send("ar", address=BASE, beats=17)


@breaks("AR", "ID 2", read_ids=2)
async def unknown_id(bench):
    await bench.send("ar", address=BASE, ident=2)


@breaks("AR", "more than 2 bursts", max_reads=2)
async def too_many_reads(bench):
    for _ in range(3):
        await bench.send("ar", address=BASE)


@breaks("AW", "more than 1 bursts", max_writes=1)
async def too_many_writes(bench):
    for _ in range(2):
        await bench.send("aw", address=BASE)


@breaks("W", "before its address")
async def data_first(bench):
    await hold(bench, "w", lambda: None)


@breaks("W", "last is 1 at beat 1 of 2")
async def last_early(bench):
    await bench.send("aw", address=BASE, beats=2)
    await bench.put(1, last=1)


@breaks("W", "last is 0 at beat 1 of 1")
async def last_missing(bench):
    await bench.send("aw", address=BASE)
    await bench.put(1, last=0)


@breaks("AR", "during reset")
async def valid_in_reset(bench):
    bench.dut.aresetn.value = 0
    bench.dut.arvalid.value = 1
    await bench.cycles(1)
    bench.dut.arvalid.value = 0
