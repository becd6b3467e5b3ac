"""hw/rtl/store.py: STOREs arrive in memory whole and alone, and push their tokens with the last response."""

import dataclasses
import itertools
from collections import Counter

import pytest
from memory_bench import WritePort
from stream_bench import Bench, each_stall, unpack

from vta.hw.config import PRESETS
from vta.hw.counters import STATES
from vta.hw.isa import MEMORY, MemType, Opcode, Unit, encode
from vta.hw.registers import ErrorCause
from vta.hw.rtl.interfaces import ERROR
from vta.hw.rtl.store import Store

TINY = PRESETS["tiny"]
MEMORY_BYTES = 1 << 13
GUARD = 0xA5


def out_tile(config, index):
    size = config.tile_bytes["OUT"]
    return bytes((index * 37 + n * 11 + 1) % 256 for n in range(size))


def store(x, y=1, stride=None, sram=0, dram=0, mem=MemType.OUT, pop=0, push=0):
    return {"opcode": Opcode.STORE, "mem_type": mem, "x_size": x, "y_size": y, "sram_base": sram,
            "x_stride": x if stride is None else stride, "dram_base": dram, "pop_prev": pop, "push_prev": push}


def run(config, stores, stalls="none", seed=0, pointer=0, latency=4, errors=(), tokens=None, space=True):
    """Execute STOREs; compare all of memory. Returns the bench with what was seen."""
    dut = Store(config)
    b = Bench(dut, stalls, seed)
    b.image, expected = bytearray([GUARD] * MEMORY_BYTES), bytearray([GUARD] * MEMORY_BYTES)
    size = config.tile_bytes["OUT"]
    for f in stores:
        if f["mem_type"] == MemType.OUT:
            for row, column in itertools.product(range(f["y_size"]), range(f["x_size"])):
                at = pointer + size * (f["dram_base"] + row * f["x_stride"] + column)
                index = (f["sram_base"] + row * f["x_size"] + column) % config.depth["OUT"]
                expected[at:at + size] = out_tile(config, index)
    b.port = WritePort(b, config, dut.axi, b.image, latency=latency, errors=errors)
    b.set(running=1, out_ptr=pointer)
    b.taken = b.send(dut.insn, [encode(MEMORY, fields) for fields in stores])
    b.seen = b.watch(dut.s2g.push, dut.g2s.pop, dut.status.states, dut.status.error, dut.status.events, dut.axi.bvalid,
                     dut.idle)
    pops = [f["pop_prev"] for f in stores]
    have, arrive, room = [sum(pops) if tokens is None else 0], b.pattern("random"), b.pattern()

    async def buffer_and_tokens(ctx):
        """The output buffer, with garbage where nothing was read; G2S tokens, and room for S2G tokens."""
        while True:
            if tokens is not None and next(arrive):
                have[0] += 1
            ctx.set(dut.g2s.can_pop, have[0] > 0)
            ctx.set(dut.s2g.can_push, space and not next(room))
            _, _, en, index, pop = await ctx.tick().sample(dut.out.en, dut.out.index, dut.g2s.pop)
            data = out_tile(config, index) if en else b.random.randbytes(size)
            ctx.set(dut.out.data, int.from_bytes(data, "little"))
            assert have[0] >= pop
            have[0] -= pop
    b.process(buffer_and_tokens)
    pushes = sum(f["push_prev"] for f in stores) if space else 0
    b.run(until=lambda: b.seen and b.seen[-1][-1] and len(b.taken) == len(stores)
          and sum(row[0] for row in b.seen) >= pushes if space else len(b.seen) > 100)
    if space:
        assert b.image == expected
        assert sum(row[0] for row in b.seen) == pushes and sum(row[1] for row in b.seen) == sum(pops)
        events = Counter()
        for row in b.seen:
            events.update(unpack(dut.status.events.shape(), row[4]))
        assert events == {"store_insns": len(stores), "pushed_s2g": pushes, "write_beats": len(b.port.beats),
                          "write_bursts": len(b.port.bursts),
                          "out_tiles": sum(f["x_size"] * f["y_size"] for f in stores if f["mem_type"] == MemType.OUT)}
    b.errors = [error for row in b.seen if (error := unpack(ERROR, row[3]))["valid"]]
    assert all(row[2].bit_count() == 1 for row in b.seen), "exactly one state in each cycle"
    return b


@each_stall
@pytest.mark.parametrize("width", [64, 128, 256, 512])
def test_random_stores(width, stalls):
    """With tiles of 4 bytes, so that most rows begin and end within a beat; tokens come at random."""
    config = dataclasses.replace(TINY, axi_data_width=width)
    random = Bench(Store(config), seed=width).random
    stores = []
    for _ in range(20):
        x, y = random.choice([1, 1, 2, random.randint(0, 30)]), random.randint(0, 4)
        stride = random.choice([x, random.randint(0, 60)])         # rows may overlap
        span = max(y - 1, 0) * stride + x
        stores.append(store(x, y, stride, random.randrange(config.depth["OUT"]),
                            random.randrange(MEMORY_BYTES // 4 - span), pop=random.randint(0, 1),
                            push=random.randint(0, 1)))
    b = run(config, stores, stalls, seed=width, tokens="random")
    assert not [error for error in b.errors if error["cause"] not in (ErrorCause.INDEX, ErrorCause.TOKEN)]


def test_base_address_is_added():
    run(TINY, [store(3, 2, 7, dram=5)], pointer=0x204 & ~7)


@pytest.mark.parametrize("latency", [1, 40])
def test_the_token_comes_with_the_last_response(latency):
    b = run(TINY, [store(40, push=1), store(1, sram=3, dram=300, push=1)], latency=latency)
    pushes = [cycle for cycle, row in enumerate(b.seen) if row[0]]
    responses = [cycle for cycle, row in enumerate(b.seen) if row[5]]
    assert len(b.port.bursts) == len(responses) == 3
    assert pushes == responses[1:]


def test_a_store_without_work_waits_for_those_before_it():
    b = run(TINY, [store(40, push=1), store(0, push=1), store(3, 0, push=1)], latency=30)
    pushes = [cycle for cycle, row in enumerate(b.seen) if row[0]]
    responses = [cycle for cycle, row in enumerate(b.seen) if row[5]]
    assert pushes[0] == responses[-1] and pushes[1:] == [pushes[0] + 1, pushes[0] + 2]


def test_one_tile_stores_cost_their_beats():
    """STOREs of one tile of two beats: a beat each cycle, all responses outstanding at once."""
    config = dataclasses.replace(PRESETS["default"], log_uop_buff_size=9, log_inp_buff_size=10, log_wgt_buff_size=12,
                                 log_acc_buff_size=11)
    b = run(config, [store(1, dram=n, push=1) for n in range(16)], latency=60)
    cycles = [cycle for cycle, _ in b.port.beats]
    assert len(cycles) == 32 and cycles[-1] - cycles[0] == 31 and cycles[-1] < b.port.answered[0]


@pytest.mark.parametrize("fields, cause", [
    ({"mem": MemType.INP}, ErrorCause.MEMORY_TYPE), ({"mem": 7}, ErrorCause.MEMORY_TYPE),
    ({"sram": TINY.depth["OUT"] - 1}, ErrorCause.INDEX), ({"dram": 0}, ErrorCause.AXI_WRITE)])
def test_errors_name_cause_and_instruction(fields, cause):
    """In the second of three STOREs; its tokens are handled all the same."""
    good = {"dram": 100, "push": 1, "pop": 1}
    b = run(TINY, [store(2, **good), store(2, **good | fields), store(2, **good)], errors={0})
    assert {(error["cause"], error["number"]) for error in b.errors} == {(cause, 1)}


@pytest.mark.parametrize("stalls", ["cyclic", "random"])
def test_a_failed_write_is_not_attributed_to_token_instructions(stalls):
    """Responses may come one right after the other, while those without work between their STOREs have not ended."""
    stores = [store(n % 3 == 0, dram=8 * n, push=1) for n in range(30)]
    bad = set(range(0, 30, 6))
    size = TINY.tile_bytes["OUT"]
    b = run(dataclasses.replace(TINY, write_outstanding=64, store_queue_depth=32), stores, stalls,
            errors={8 * n * size for n in bad})
    assert {error["number"] for error in b.errors if error["cause"] == ErrorCause.AXI_WRITE} == bad


def test_other_memory_types_without_work_are_legal():
    """The token instruction of the store unit has memory type 0 and no size."""
    assert not run(TINY, [store(0, mem=MemType.UOP, push=1)]).errors


def test_a_full_queue_holds_the_token_back_and_is_reported():
    b = run(TINY, [store(1), store(1, push=1), store(0), store(1)], space=False)
    assert sum(row[0] for row in b.seen) == 0
    assert {(error["cause"], error["number"]) for error in b.errors} == {(ErrorCause.TOKEN, 1)}
    names = [counter.name for counter in STATES[Unit.STORE]]
    assert names[b.seen[-1][2].bit_length() - 1] == "store_wait_mem"
