"""hw/rtl/fifo.py: typed payloads in order, at full rate, with the level of what is inside."""

import itertools

import pytest
from amaranth.hdl import signed, unsigned
from amaranth.lib import data
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.rtl.fifo import Fifo

SHAPE = data.StructLayout({"wide": unsigned(20), "small": signed(3)})


@each_stall
@pytest.mark.parametrize("buffered", [False, True])
@pytest.mark.parametrize("depth", [2, 7, 16])
def test_first_in_first_out(depth, buffered, stalls):
    dut = Fifo(SHAPE, depth, buffered=buffered)
    b = Bench(dut, stalls, seed=depth)
    items = [{"wide": b.random.randrange(1 << 20), "small": b.random.randrange(-4, 4)} for _ in range(100)]
    taken, got, level = b.send(dut.i, items), b.receive(dut.o, len(items)), b.watch(dut.level)
    b.run()
    assert values(got) == items
    given = [cycle for cycle, _ in got]
    inside = list(itertools.accumulate((cycle in taken) - (cycle in given) for cycle in range(len(level))))
    assert level[1:] == inside[:-1] and max(level) <= depth
    if stalls == "none" and depth > 2:
        assert at_full_rate(taken) and given == [cycle + 1 + buffered for cycle in taken]
