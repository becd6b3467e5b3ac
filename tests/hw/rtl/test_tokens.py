"""hw/rtl/tokens.py: against a counter, whatever producer and consumer do; no token is ever lost."""

import itertools

import pytest
from stream_bench import Bench, each_stall

from vta.hw.rtl.tokens import TokenQueue


@each_stall
@pytest.mark.parametrize("depth", [2, 8])
def test_no_token_is_lost(depth, stalls):
    """The producer reserves when it may, pushes some cycles later; the consumer pops when it may, but never in two
    cycles in a row. A pop counts a cycle late."""
    dut = TokenQueue(depth)
    b, source, sink = Bench(dut, stalls, seed=depth), dut.source, dut.sink
    produce, late, consume = b.pattern(), b.pattern("random"), b.pattern()
    total, moved, fullest = 300, {"reserved": 0, "pushed": 0, "popped": 0, "counted": 0}, []

    async def drive(ctx):
        for cycle in itertools.count():
            owed = moved["reserved"] - moved["pushed"]
            count = moved["pushed"] - moved["counted"]
            here = moved["pushed"] - moved["popped"]
            assert ctx.get(dut.count) == count and ctx.get(sink.can_pop) == (count > 0)
            assert ctx.get(source.can_push) == (count + owed < depth)
            popped = here < count
            moved["counted"] = moved["popped"]
            fullest.append(count)
            reserve = bool(ctx.get(source.can_push)) and moved["reserved"] < total and not next(produce)
            push = owed + reserve > 0 and not next(late)
            # let the queue fill up first, and later run empty
            pop = here > 0 and not popped and not next(consume) and (cycle > 3 * depth)
            for port, value in ((source.reserve, reserve), (source.push, push), (sink.pop, pop)):
                ctx.set(port, value)
            await ctx.tick()
            for name, value in (("reserved", reserve), ("pushed", push), ("popped", pop)):
                moved[name] += value
    b.process(drive)
    b.run(until=lambda: moved["popped"] == total)
    assert max(fullest) == depth and fullest[-1] == 0


def test_a_token_can_be_popped_in_the_cycle_after_its_push():
    dut = TokenQueue(4)
    b = Bench(dut)
    count = b.watch(dut.count, dut.sink.can_pop)

    async def stream(ctx):
        for cycle in range(20):                             # every other cycle one in, and in the next one out
            for port in (dut.source.reserve, dut.source.push):
                ctx.set(port, cycle % 2 == 0)
            ctx.set(dut.sink.pop, cycle % 2)
            await ctx.tick()
    b.process(stream)
    b.run(after=20)
    assert count[0] == (0, 0) and set(count[1:20]) == {(1, 1)}


@pytest.mark.parametrize("depth", [2, 1024, 32768])
def test_host_sets_the_count(depth):
    dut = TokenQueue(depth)
    b = Bench(dut)
    seen = b.watch(dut.count, dut.source.can_push, dut.sink.can_pop)

    async def host(ctx):
        for value in (depth, 1, 0, (1 << 32) - 1):
            ctx.set(dut.set_count, value)
            ctx.set(dut.set, 1)
            await ctx.tick()
            ctx.set(dut.set, 0)
            await ctx.tick()
    b.process(host)
    b.run()
    assert seen[1] == (depth, 0, 1) and seen[3] == (1, 1, 1) and seen[5] == (0, 1, 0) and seen[7] == (depth, 0, 1)
