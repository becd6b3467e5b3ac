"""cocotb tests of `axi_memory_port` alone: traffic of an independent AXI master, times, errors.

Run inside the simulator by tests/sim/cosim/test_axi_memory.py.
"""

import random

import cocotb
from axi_memory_bench import BASE, SIZE, Bench
from cocotb.triggers import Combine, FallingEdge
from cocotbext.axi import AxiBus, AxiMaster

from vta.sim.cosim.server import MemoryModel

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
