"""hw/rtl/fifo.py: typed payloads in order, at full rate, with the level of what is inside; counters."""

import itertools
from collections import deque

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.rtl.fifo import Counter, Fifo, RegisterSlice

SHAPE = data.StructLayout({"wide": unsigned(20), "small": signed(3)})


def items(random, count=100):
    return [{"wide": random.randrange(1 << 20), "small": random.randrange(-4, 4)} for _ in range(count)]


@each_stall
@pytest.mark.parametrize("registered", [False, True])
@pytest.mark.parametrize("block_ram", [False, True])
@pytest.mark.parametrize("depth", [3, 7, 16])
def test_first_in_first_out(depth, block_ram, registered, stalls):
    depth = max(depth, 3 + block_ram) if registered else depth
    dut = Fifo(SHAPE, depth, block_ram=block_ram, registered=registered)
    b = Bench(dut, stalls, seed=depth)
    sent = items(b.random)
    taken, got, level = b.send(dut.i, sent), b.receive(dut.o, len(sent)), b.watch(dut.level)
    b.run()
    assert values(got) == sent
    given = [cycle for cycle, _ in got]
    inside = list(itertools.accumulate((cycle in taken) - (cycle in given) for cycle in range(len(level))))
    assert level[1:] == inside[:-1] and max(level) <= depth
    if stalls == "none" and depth > 3:
        latency = 2 if block_ram and not registered else 1
        assert at_full_rate(taken) and given[0] == taken[0] + latency
        assert given == [cycle + latency for cycle in taken] or registered


@each_stall
def test_register_slice(stalls):
    dut = RegisterSlice(SHAPE)
    b = Bench(dut, stalls)
    sent = items(b.random)
    taken, got = b.send(dut.i, sent), b.receive(dut.o, len(sent))
    b.run()
    assert values(got) == sent
    if stalls == "none":
        assert at_full_rate(taken) and [cycle for cycle, _ in got] == [cycle + 1 for cycle in taken]


def test_register_slice_takes_two():
    """`i.ready` does not depend on `o.ready`: two payloads enter, although none leaves."""
    dut = RegisterSlice(SHAPE)
    b = Bench(dut)
    taken = b.feed(dut.i, deque((0, item) for item in items(b.random, 5)))
    b.run(after=10)
    assert taken == [0, 1]


@pytest.mark.parametrize("limit, init", [(1, 0), (4, 4), (5, 2), (16, 0), (1024, 1000)])
def test_counter(limit, init):
    """Against an integer, at random; `some` and `full` belong to the value."""
    dut = Counter(limit, init)
    b, value = Bench(dut, seed=limit), init

    async def count(ctx):
        nonlocal value
        for _ in range(2000):
            assert (ctx.get(dut.value), ctx.get(dut.some), ctx.get(dut.full)) == (value, value != 0, value == limit)
            down = value > 0 and b.random.random() < 0.5
            up = value < limit and b.random.random() < 0.5
            ctx.set(dut.up, up)
            ctx.set(dut.down, down)
            await ctx.tick()
            value += up - down
    b.process(count)
    b.run(after=2000)
