"""hw/rtl/issue.py: instructions leave in order, each with its tokens, and never without them."""

import itertools
from collections import deque

from stream_bench import Bench, at_full_rate, cycles, each_stall, values

from vta.hw.isa import CONTROL, INSN_BITS, TOKEN_FLAGS, decode
from vta.hw.rtl.issue import Issue


def instructions(random, count):
    return [random.getrandbits(INSN_BITS) for _ in range(count)]


@each_stall
def test_tokens_and_order(stalls):
    """Tokens come at random; an instruction takes all those it pops in the cycle in which it is taken."""
    dut = Issue(4)
    b = Bench(dut, stalls, seed=3)
    insns = instructions(b.random, 150)
    flags = [decode(CONTROL, insn) for insn in insns]
    b.send(dut.i, insns)
    got = b.receive(dut.o, len(insns), stable=True)
    come = b.pattern("random")
    tokens, popped = {"prev": 0, "next": 0}, {"prev": 0, "next": 0}
    sides = {"prev": dut.prev, "next": dut.next}

    async def supply(ctx):
        for _ in itertools.count():
            for side, sink in sides.items():
                tokens[side] += next(come)
                ctx.set(sink.can_pop, tokens[side] > 0)
            _, _, prev, nxt, valid, wait_prev, wait_next = await ctx.tick().sample(
                dut.prev.pop, dut.next.pop, dut.o.valid, dut.wait_prev, dut.wait_next)
            assert valid + wait_prev + wait_next <= 1
            for side, pop in (("prev", prev), ("next", nxt)):
                assert not pop or tokens[side] > 0, f"popped a token of {side} that is not there"
                tokens[side] -= pop
                popped[side] += pop
            if wait_next:
                assert tokens["next"] == 0
    b.process(supply)
    b.run()
    assert values(got) == [{flag: fields[flag] for flag in TOKEN_FLAGS[2:]} | {"number": n}
                           for n, fields in enumerate(flags)]
    assert popped == {side: sum(f[f"pop_{side}"] for f in flags) for side in popped}


def grant(dut):
    """Tokens of both sides are always there."""
    async def assign(ctx):
        ctx.set(dut.prev.can_pop, 1)
        ctx.set(dut.next.can_pop, 1)
    return assign


def test_one_in_two_cycles_and_five_cycles_later():
    dut = Issue(64)
    b = Bench(dut)
    b.process(grant(dut))
    taken = b.send(dut.i, instructions(b.random, 40))
    got = b.receive(dut.o, 40)
    b.run()
    assert at_full_rate(taken) and [cycle for cycle, _ in got] == [taken[0] + 5 + 2 * n for n in range(40)]


@each_stall
def test_a_decoder_has_two_stages(stalls):
    """What two stages make of `raw`, the second of them with `move`, belongs to the instruction that is offered."""
    dut = Issue(8)
    b = Bench(dut, stalls)
    b.process(grant(dut))
    insns = instructions(b.random, 40)
    b.send(dut.i, insns)
    got, first, second, decoded = b.receive(dut.o, len(insns)), 0, 0, []

    async def decode_in_two(ctx):
        nonlocal first, second
        while True:
            _, _, raw, move, valid, ready = await ctx.tick().sample(dut.raw, dut.move, dut.o.valid, dut.o.ready)
            if valid and ready:
                decoded.append(second)
            first, second = raw, first if move else second
    b.process(decode_in_two)
    b.run()
    assert len(got) == 40 and decoded == insns


def test_waiting_is_named():
    """`wait_prev` goes before `wait_next`; the queue holds its depth and then stalls its source."""
    dut = Issue(4)
    b = Bench(dut)
    both = 0b11 << 3                                   # pop_prev and pop_next
    sent = b.feed(dut.i, deque([(0, both)] * 10))
    seen = b.watch(dut.wait_prev, dut.wait_next, dut.o.valid, dut.empty)

    async def supply(ctx):
        await cycles(ctx, 20)
        ctx.set(dut.prev.can_pop, 1)
        await cycles(ctx, 20)
        ctx.set(dut.next.can_pop, 1)
    b.process(supply)
    b.run(after=60)
    assert len(sent) == 4 + 2              # two are decoded
    assert seen[10] == (1, 0, 0, 0) and seen[30] == (0, 1, 0, 0) and seen[50] == (0, 0, 1, 0)


def test_clear_restarts_the_numbers():
    dut = Issue(4)
    b = Bench(dut)
    b.process(grant(dut))
    b.send(dut.i, [0] * 30)
    got = b.receive(dut.o, 30)

    async def clear(ctx):
        await cycles(ctx, 10)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
    b.process(clear)
    b.run()
    numbers = [value["number"] for _, value in got]
    again = numbers.index(0, 1)
    assert numbers == [*range(again), *range(30 - again)] and again == 3
