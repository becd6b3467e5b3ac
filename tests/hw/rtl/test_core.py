"""hw/rtl/core.py: all units together, for every number of ports; memory stalls and responds in any order."""

import dataclasses
from contextlib import closing

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from memory_bench import ReadPort, WritePort
from small_programs import Program
from stream_bench import Bench, cycles, until

from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS
from vta.hw.isa import AluOp, MemType, Opcode, Unit
from vta.hw.rtl.core import Core
from vta.runtime.functional import FunctionalDevice

TINY = PRESETS["tiny"]
MEMORY = 1 << 18


def program(device, seed):
    """Load, multiply, add, shift, store; three rounds, the last one with padding and rows apart."""
    random, config, p = np.random.default_rng(seed), device.config, Program(device)

    def tiles(count, mem):
        return random.integers(-100, 100, (count, config.tile_bytes[mem.name] // (4 if mem == MemType.ACC else 1)))

    for n in range(3):
        p.uops((0, 0, 0), (4, 4, 1), sram=2 * n)
        p.load(MemType.ACC, tiles(8, MemType.ACC))
        p.load(MemType.INP, tiles(6, MemType.INP), y=3, pads=(1, 0, n, 1))
        p.load(MemType.WGT, tiles(4, MemType.WGT), sram=n)
        p.gemm(uop=(2 * n, 2 * n + 2), loop=(2, 4), dst=(0, 1), src=(1, 1), wgt=(1, 0), reset=n == 1)
        p.alu(AluOp.ADD, uop=(2 * n, 2 * n + 1), loop=(1, 4), dst=(0, 1), src=(0, 2))
        p.alu(AluOp.SHR, imm=n, uop=(2 * n, 2 * n + 2), loop=(1, 4), dst=(0, 1), src=(0, 1))
        p.store(2, y=4, stride=3 + n)
    return p


def many_tokens(device, seed):
    """Eleven loads push their tokens before compute, which waits for a store, pops the first one.

    The queue has room for eight: load must wait, and the read channel stay free for compute's loads.
    """
    p = Program(device)
    p.serial = False
    p.uops((0, 0, 0))
    p.alu(AluOp.ADD, imm=5, loop=(8, 32), dst=(0, 1), src=(0, 1), push_next=1)
    p.store(1, pop_prev=1, push_prev=1)
    for n in range(11):
        p.fill(MemType.WGT, [n, n + 1], sram=n, push_next=1)
    p.uops((1, 0, 0), sram=1)["pop_next"] = 1
    p.alu(AluOp.ADD, imm=3, uop=(1, 2), loop=(1, 8), dst=(0, 1), src=(0, 1), push_next=1)
    p.store(8, pop_prev=1, push_prev=1)
    p.emit(Opcode.LOAD, mem_type=MemType.UOP, pop_next=1)
    for _ in range(11):
        p.emit(Opcode.LOAD, mem_type=MemType.UOP, pop_prev=1)
    p.emit(Opcode.FINISH)
    return p


@pytest.mark.parametrize("ports, stalls, reorder", [(1, "none", False), (1, "random", True), (2, "cyclic", True),
                                                    (4, "random", True)])
def test_programs(ports, stalls, reorder):
    assert not run(program, {"axi_ports": ports}, stalls, reorder)


@pytest.mark.parametrize("changes", [
    {"axi_data_width": 256}, {"axi_data_width": 512, "axi_addr_width": 64}, {"read_ids": 1, "max_burst": 16},
    {"log_batch": 1, "axi_data_width": 128}], ids=str)
def test_configurations(changes):
    """Tiles of a quarter to an eighth of a beat, addresses of 64 bits, one ID for all clients, batches."""
    assert not run(program, changes, "random", reorder=True)


@pytest.mark.parametrize("ports", [1, 2])
def test_a_full_token_queue_blocks_no_other_unit(ports):
    assert run(many_tokens, {"axi_ports": ports}, "random", reorder=False)


@pytest.mark.parametrize("after", [30, 90, 150, 220])
def test_soft_reset_in_the_middle(after):
    """Bursts in flight end as AXI requires; then the program runs as if nothing had happened."""
    assert not run(program, {}, "random", reorder=True, reset_after=after)


class Resettable(wiring.Component):
    """A core behind the soft reset of the top module."""

    reset: In(1)

    def __init__(self, config):
        super().__init__()
        self.core = Core(config)

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = ResetInserter(self.reset)(self.core)
        return m


def run(write, changes, stalls, reorder, reset_after=None):
    """Run what `write` writes, here and on the functional simulator, on the tiny configuration with `changes`.

    Returns the number of cycles with an error."""
    config = dataclasses.replace(TINY, **changes)
    with closing(FunctionalDevice(config, MEMORY)) as device:
        p = write(device, seed=config.axi_ports)
        words = p.words()
        stream = p.data(words, np.uint64)
        image = bytearray(device.memory.bytes[:MEMORY].tobytes())
        functional = p.run().counters
        seen = simulate(config, image, stream.address, len(words), stalls, reorder, reset_after)
        for buffer in p.buffers:
            assert image[buffer.address:buffer.address + buffer.nbytes] == bytes(buffer.array)
    length = sum(row[0] for row in seen)
    counts = {counter.name: sum(row[4 + n] for row in seen if row[0]) for n, counter in enumerate(COUNTERS)}
    for unit in Unit:
        assert sum(counts[c.name] for c in COUNTERS if c.unit is unit and c.kind == "state") == length
    assert {name: counts[name] for name in functional} == functional
    return sum(row[2] for row in seen)


def simulate(config, image, address, count, stalls, reorder, reset_after):
    """The core on `image`; returns (running, finish, error, settled, *counter steps) of each cycle of the run."""
    top = Resettable(config)
    b, dut = Bench(top, stalls, seed=config.axi_ports), top.core
    for axi in dut.read:
        ReadPort(b, config, axi, image, reorder=reorder)
    WritePort(b, config, dut.write, image)
    seen = b.watch(dut.running, dut.finish, dut.error_seen, dut.settled & dut.bus_idle,
                   *(getattr(dut.add, counter.name) for counter in COUNTERS))

    async def launch(ctx):
        ctx.set(dut.insn_ptr, address)
        ctx.set(dut.insn_count, count)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.running, 1)

    async def host(ctx):
        await launch(ctx)
        if reset_after:
            await cycles(ctx, reset_after)
            ctx.set(dut.halt, 1)
            await until(ctx, dut.bus_idle)
            ctx.set(top.reset, 1)
            ctx.set(dut.running, 0)
            await ctx.tick()
            ctx.set(top.reset, 0)
            ctx.set(dut.halt, 0)
            assert not any(row[1] for row in seen), "ended before the reset"
            await cycles(ctx, 5)
            seen.clear()
            await launch(ctx)
        await until(ctx, dut.finish)
        ctx.set(dut.running, 0)
    b.process(host)
    b.run(until=lambda: any(row[1] for row in seen), limit=8000, after=100)
    assert sum(row[1] for row in seen) == 1 and seen[-1][3]
    return seen
