"""cocotb tests of the AXI units on the memory of cocotbext-axi, which is independent of this project.

Run inside the simulator by tests/hw/rtl/test_axi.py, on the `Mover` of axi_mover.py.
"""

import itertools
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRam

SIZE = 1 << 16
STALLS = {
    "none": lambda seed: itertools.repeat(False),
    "cyclic": lambda seed: itertools.cycle((False, True, True, False, True)),
    "random": lambda seed: map((0.5).__gt__, iter(random.Random(seed).random, None)),
}


class Bench:
    """The mover and its memory, filled at random."""

    def __init__(self, dut, stalls, seed):
        self.dut, self.random = dut, random.Random(seed)
        self.bytes = len(dut.m_axi_rdata) // 8
        self.ram = ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False,
                                size=SIZE)
        for interface in (ram.write_if, ram.read_if):
            interface.log.disabled = True
        ram.write(0, self.random.randbytes(SIZE))
        channels = (ram.read_if.ar_channel, ram.read_if.r_channel, ram.write_if.aw_channel, ram.write_if.w_channel,
                    ram.write_if.b_channel)
        for n, channel in enumerate(channels):
            channel.set_pause_generator(STALLS[stalls](seed + n))
        cocotb.start_soon(self.hold("w", ("data", "strb", "last")))
        cocotb.start_soon(self.hold("aw", ("addr", "len")))
        cocotb.start_soon(self.hold("ar", ("addr", "len")))

    async def hold(self, prefix, names):
        """An offer stays as it is until it is taken; a burst stays within its 4 KiB."""
        dut, before = self.dut, None
        pins = [getattr(dut, f"m_axi_{prefix}{name}") for name in names]
        valid, ready = (getattr(dut, f"m_axi_{prefix}{name}") for name in ("valid", "ready"))
        while True:
            await RisingEdge(dut.aclk)
            now = tuple(int(pin.value) for pin in pins) if valid.value else None
            assert before is None or now == before, f"{prefix}: {before} became {now} while it waited"
            if now and names[0] == "addr":
                addr, length = now
                assert addr // 4096 == (addr + (length + 1) * self.bytes - 1) // 4096, f"{addr:#x} {length}"
            before = now if now and not ready.value else None

    async def reset(self):
        dut = self.dut
        dut.start.value = 0
        dut.aresetn.value = 0
        Clock(dut.aclk, 2, "ns").start()
        for _ in range(4):
            await RisingEdge(dut.aclk)
        dut.aresetn.value = 1
        await RisingEdge(dut.aclk)

    async def move(self, source, target, x_bytes, rows=1, source_stride=None, target_stride=None):
        """Move and compare all of memory; returns the cycles it took."""
        strides = [x_bytes if stride is None else stride for stride in (source_stride, target_stride)]
        expected = bytearray(self.ram.read(0, SIZE))
        for row in range(rows):
            at, to = source + row * strides[0], target + row * strides[1]
            expected[to:to + x_bytes] = self.ram.read(at, x_bytes)
        dut = self.dut
        for name, value in (("source", source), ("target", target), ("x_bytes", x_bytes), ("rows", rows),
                            ("source_stride", strides[0]), ("target_stride", strides[1]), ("start", 1)):
            getattr(dut, name).value = value
        await RisingEdge(dut.aclk)
        dut.start.value = 0
        for cycles in range(20_000):
            await RisingEdge(dut.aclk)
            if cycles > 2 and dut.done.value:
                break
        assert dut.done.value, "the move does not end"
        assert self.ram.read(0, SIZE) == expected
        assert not dut.failed.value
        return cycles


@cocotb.test()
@cocotb.parametrize(stalls=list(STALLS))
async def moves_arrive(dut, stalls):
    """Rows of any length and stride; source and target lie apart."""
    bench = Bench(dut, stalls, seed=len(stalls))
    await bench.reset()
    rng, size, half = bench.random, bench.bytes, SIZE // 2
    for _ in range(8):
        x_bytes, rows = size * rng.choice([1, 2, rng.randint(1, 60)]), rng.randint(1, 6)
        strides = [rng.choice([x_bytes, x_bytes + size * rng.randint(0, 9)]) for _ in range(2)]
        places = [size * rng.randrange((half - rows * stride) // size) for stride in strides]
        await bench.move(places[0], half + places[1], x_bytes, rows, *strides)


@cocotb.test()
async def full_rate(dut):
    """Without stalls, long moves take little more than a cycle a beat."""
    bench = Bench(dut, "none", seed=1)
    await bench.reset()
    cycles = await bench.move(0, SIZE // 2, 400 * bench.bytes)
    assert cycles < 1.1 * 400, f"{cycles} cycles for 400 beats"
