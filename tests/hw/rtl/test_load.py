"""hw/rtl/load.py: LOADs with their tokens, states, events and errors; what is written is the loader's test."""

import dataclasses
from collections import Counter

import pytest
from load_model import beyond, load, load_fields, split_loads, tiles_from, tiles_of, word
from memory_bench import ReadMemory
from stream_bench import Bench, each_stall, unpack

from vta.hw.config import PRESETS
from vta.hw.counters import STATES
from vta.hw.features import FEATURES
from vta.hw.isa import MemType, Opcode, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.interfaces import ERROR
from vta.hw.rtl.load import NAMES, Load
from vta.hw.rtl.scratchpad import assembles

TINY = PRESETS["tiny"]
DRAM = 1 << 12
STATE_NAMES = [counter.name.removeprefix("load_") for counter in STATES[Unit.LOAD]]


def run(loads, stalls="none", seed=0, tokens=None, space=True, latency=4, errors=(), config=TINY):
    """Execute LOADs (with `pop_next`); returns the bench, with what happened in each cycle in `seen`.

    `tokens`: G2L tokens come at random instead of being there; `space`: there is room for L2G tokens at times.
    """
    dut = Load(config)
    status, b = dut.status, Bench(dut, stalls, seed)
    image = bytes(b.random.randrange(256) for _ in range(DRAM))
    b.memory = ReadMemory(b, config, dut.read, image, latency, errors)
    b.taken = b.send(dut.insn, [word(fields) for fields in loads])
    b.set(running=1)
    pops = sum(fields.get("pop_next", 0) for fields in loads)
    b.seen, chunks = [], []
    have, arrive, room = [0 if tokens else pops], b.pattern("random"), b.pattern()

    async def watch(ctx):
        while True:
            have[0] += bool(tokens) and next(arrive)
            ctx.set(dut.g2l.can_pop, have[0] > 0)
            ctx.set(dut.l2g.can_push, space and not next(room))
            _, _, write, chunk, *rest, idle = await ctx.tick().sample(
                dut.write.en, dut.write.chunk.as_value(), dut.l2g.push, dut.g2l.pop, status.states.as_value(),
                status.error.as_value(), status.events.as_value(), dut.idle)
            assert have[0] >= rest[1]
            have[0] -= rest[1]
            b.seen.append((write, *rest, idle))
            if write:
                chunks.append(unpack(dut.write.chunk.shape(), chunk))
    b.process(watch)
    b.run(until=lambda: len(b.seen) > 150 if not space else
          len(b.taken) == len(loads) and b.seen[-1][-1] and sum(chunk["last"] for chunk in chunks) == len(loads))
    assert all(row[3].bit_count() == 1 for row in b.seen), "exactly one state in each cycle"
    b.states = [STATE_NAMES[row[3].bit_length() - 1] for row in b.seen]
    b.events = Counter()
    for row in b.seen:
        b.events.update(unpack(status.events.shape(), row[5]))
    b.errors = [error for row in b.seen if (error := unpack(ERROR, row[4]))["valid"]]
    if space:
        assembled = [name for name in NAMES if assembles(config, name)]
        for fields, parts in zip(loads, split_loads(chunks), strict=True):
            name = MemType(fields["mem_type"]).memory
            assert tiles_from(config, NAMES, parts, assembled) == {
                (name, index): tile for index, tile in tiles_of(config, fields, image)}
        assert sum(row[1] for row in b.seen) == sum(fields["push_next"] for fields in loads)
        assert sum(row[2] for row in b.seen) == pops
    return b


def tiles(loads, name):
    return sum(f["x_size"] * f["y_size"] for f in loads if MemType(f["mem_type"]).memory == name)


@each_stall
@pytest.mark.parametrize("features", [(), ("pad_value",), FEATURES], ids=["stock", "pad_value", "all"])
@pytest.mark.parametrize("width", [64, 256])
def test_random_loads_with_tokens(width, features, stalls):
    config = dataclasses.replace(TINY, axi_data_width=width, features=frozenset(features))
    random = Bench(Load(config), seed=width).random
    names = [mem.name for mem in MemType.of(config) if mem.name in NAMES]
    loads = [load_fields(random, config, random.choice(names), DRAM) | {"pop_next": random.randint(0, 1)}
             for _ in range(15)]
    b = run(loads, stalls, seed=width, tokens="random", config=config)
    assert b.events == {"load_insns": len(loads), "inp_tiles": tiles(loads, "INP"), "wgt_tiles": tiles(loads, "WGT"),
                        "pushed_l2g": sum(fields["push_next"] for fields in loads)}
    assert {error["number"] for error in b.errors if error["cause"] == ErrorCause.INDEX} == {
        n for n, fields in enumerate(loads) if beyond(config, fields)}


def test_nothing_is_requested_before_its_token():
    """The second LOAD's request comes after its G2L token, the first one's long before."""
    dut = Load(TINY)
    b = Bench(dut)
    memory = ReadMemory(b, TINY, dut.read, bytes(DRAM))
    b.send(dut.insn, [word(load("WGT", 1)), word(load("WGT", 1, dram=9) | {"pop_next": 1})])
    b.set(running=1)

    async def grant(ctx):
        ctx.set(dut.l2g.can_push, 1)
        for _ in range(50):
            await ctx.tick()
        ctx.set(dut.g2l.can_pop, 1)
    b.process(grant)
    b.run(after=100)
    assert [cycle < 10 for cycle, _, _ in memory.bursts] == [True, False]
    assert memory.bursts[1][0] == 52


def test_the_token_comes_a_cycle_before_the_last_write():
    b = run([load("WGT", 3, push=1)])
    pushes = [cycle for cycle, row in enumerate(b.seen) if row[1]]
    assert pushes == [max(cycle for cycle, row in enumerate(b.seen) if row[0]) - 1]


def test_token_instructions():
    """Without size, a LOAD only moves tokens, one in two cycles."""
    loads = [load("INP", 0, push=1) | {"pop_next": 1} for _ in range(12)]
    b = run(loads)
    assert not b.memory.bursts
    pushes = [cycle for cycle, row in enumerate(b.seen) if row[1]]
    assert pushes == list(range(pushes[0], pushes[0] + 24, 2))


def test_every_state_is_reached():
    b = run([*[load("INP", 0) | {"pop_next": 1}] * 40, load("INP", 4), load("WGT", 2)], tokens="random", latency=20)
    assert {"busy", "wait_insn", "wait_mem", "wait_token"} <= set(b.states)
    assert b.states.count("busy") == 40 + 4 + 2 * 2


def test_read_errors_and_full_queues():
    b = run([load("INP", 2), load("INP", 2, dram=16), load("INP", 2)], errors={64})
    assert {(error["cause"], error["number"]) for error in b.errors} == {(ErrorCause.AXI_READ, 1)}
    full = run([load("INP", 2, push=1)], space=False)
    assert {error["cause"] for error in full.errors} == {ErrorCause.TOKEN}
    assert not any(row[1] for row in full.seen)


def test_opcode_is_ignored():
    """Fetch routes; the load unit takes what it gets as a LOAD."""
    assert not run([load("INP", 2) | {"opcode": Opcode.LOAD}]).errors
