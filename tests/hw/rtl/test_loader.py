"""hw/rtl/loader.py and hw/rtl/tile_writer.py: every LOAD writes the tiles of the golden model, under any stalls."""

import dataclasses
from collections import deque

import decoded
import pytest
from load_model import beyond, load, load_fields, split_loads, tiles_from, tiles_of
from memory_bench import ReadMemory
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES
from vta.hw.isa import MemType, pad_fields
from vta.hw.rtl.loader import LOADS_AHEAD, Loader
from vta.hw.rtl.scratchpad import assembles

TINY = PRESETS["tiny"]
DRAM = 1 << 13
LOADERS = {                      # names of a loader -> the types whose tiles are collected
    ("INP", "WGT"): None,        # those that `assembles` selects
    ("INP", "WGT", "INP_PAD", "WGT_DIAG"): None,
    ("UOP",): (),
    ("ACC", "ACC_8BIT"): ("ACC", "ACC_8BIT"),
}


EXTENDED = max(LOADERS, key=len)
ALL = frozenset(FEATURES)


def configuration(width, block=TINY.log_block, features=frozenset()):
    """A small configuration; with 64 bits of bus and blocks of 4: tiles of 4 bytes and of 2 beats."""
    if block == TINY.log_block:
        return dataclasses.replace(TINY, axi_data_width=width, features=features)
    return Config(log_block=block, log_uop_buff_size=8, log_inp_buff_size=9, log_wgt_buff_size=12,
                  log_acc_buff_size=11, features=features, axi_data_width=width, max_burst=16, read_ahead_beats=32)


def bench(config, names, stalls, seed=0, assembled=None, errors=(), **options):
    """A loader on a memory of random bytes."""
    if assembled is None:
        assembled = [name for name in names if assembles(config, name)]
    dut = Loader(config, *names, assembled=assembled, **(options or {"read_ahead": config.read_ahead_beats}))
    b = Bench(dut, stalls, seed)
    b.image = bytes(b.random.randrange(256) for _ in range(DRAM))
    b.memory = ReadMemory(b, config, dut.read, b.image, errors=errors)
    b.assembled = assembled
    return b


def check(b, config, names, loads, pointer=0):
    """Run `loads`; returns the chunks received."""
    b.send(b.dut.load, [decoded.load(config, names, fields, n, pointer) for n, fields in enumerate(loads)])
    chunks = b.receive(b.dut.chunk, stable=False)
    seen = b.watch(b.dut.beyond, b.dut.bad, b.dut.number)
    b.run(until=lambda: sum(chunk["last"] for chunk in values(chunks)) == len(loads))
    ended = split_loads(values(chunks))
    assert len(ended) == len(loads)
    for fields, chunks_of_load in zip(loads, ended, strict=True):
        memory = names[names.index(MemType(fields["mem_type"]).name) % 2]
        assert tiles_from(config, names, chunks_of_load, b.assembled) == {
            (memory, index): tile for index, tile in tiles_of(config, fields, b.image, pointer)}
        assert chunks_of_load[-1]["push"] == fields["push_next"]
    b.beyond = {number for out, _, number in seen if out}
    b.bad = {number for _, bad, number in seen if bad}
    assert b.beyond == {n for n, fields in enumerate(loads) if beyond(config, fields)}
    return chunks


@each_stall
@pytest.mark.parametrize("names", LOADERS, ids="-".join)
@pytest.mark.parametrize("width", [64, 128, 256])
def test_random_loads(width, names, stalls):
    config = configuration(width, features=ALL if names == EXTENDED else frozenset())
    b = bench(config, names, stalls, seed=width, assembled=LOADERS[names])
    loads = [load_fields(b.random, config, b.random.choice(names), DRAM) for _ in range(10)]
    check(b, config, names, loads)
    assert not b.bad


@pytest.mark.parametrize("features, names", [((), ("INP", "WGT")), (ALL, EXTENDED)], ids=["stock", "extended"])
@pytest.mark.parametrize("width", [64, 512])
def test_blocks_of_eight(width, features, names):
    """Weights of eight beats and of one beat, inputs and diagonals of one beat and of an eighth."""
    config = configuration(width, 3, frozenset(features))
    b = bench(config, names, "random")
    check(b, config, names, [load_fields(b.random, config, b.random.choice(names), DRAM) for _ in range(10)])


@each_stall
def test_diagonals_of_two_beats(stalls):
    """Between other LOADs; their padding hides behind the first beat of each diagonal."""
    config = configuration(64, 4, ALL)
    b = bench(config, EXTENDED, stalls)
    diagonals = [load_fields(b.random, config, "WGT_DIAG", DRAM, x=4, y=2) for _ in range(6)]
    others = [load("WGT", 2, dram=3, sram=1), load("INP", 3, dram=5, pads=(1, 0, 0, 1)),
              load("INP_PAD", 2, y=2, pads=(1, 1, 1, 1)) | pad_fields(-7)] * 2
    check(b, config, EXTENDED, [fields for pair in zip(diagonals, others, strict=True) for fields in pair])


@pytest.mark.parametrize("batch, names, tile", [(0, ("INP", "WGT"), "WGT"), (4, ("ACC", "ACC_8BIT"), "ACC")])
def test_tiles_of_512_beats(batch, names, tile):
    """The largest tiles there are, 4096 bytes, on the narrowest bus."""
    config = Config(log_block=6, log_batch=batch, log_inp_buff_size=16, log_acc_buff_size=16)
    b = bench(config, names, "none", assembled=[] if tile == "WGT" else names)
    check(b, config, names, [load(tile, 1, sram=1)])
    assert config.tile_bytes[tile] == 512 * config.bus_bytes


@each_stall
def test_contiguous_rows_share_beats(stalls):
    """Rows that follow each other are read as one, so one row may end and the next begin within a beat."""
    config, names = configuration(128), ("INP", "WGT")
    b = bench(config, names, stalls)
    check(b, config, names, [load("INP", x, y=3, sram=8 * n, dram=5 * n, push=1)
                             for n, x in enumerate((1, 2, 3, 5))])


@pytest.mark.parametrize("pads", range(1, 16))
def test_padding_on_every_side(pads):
    config, names = TINY, ("INP", "WGT")
    b = bench(config, names, "random", seed=pads)
    sides = [(1 + n) * (pads >> n & 1) for n in range(4)]
    check(b, config, names, [load(name, 2, y=2, stride=5, sram=3, dram=7, pads=sides) for name in names])


@each_stall
def test_loads_without_work(stalls):
    """x_size 0 writes nothing; y_size 0 writes the rows of padding; both stay in order."""
    config, names = TINY, ("INP", "WGT")
    b = bench(config, names, stalls)
    loads = [load("INP", x, y, sram=1, dram=3, push=push, pads=pads) for x, y, push, pads in (
        (0, 2, 1, (0, 0, 0, 0)), (2, 2, 0, (0, 0, 0, 0)), (0, 2, 0, (0, 2, 3, 0)), (2, 0, 1, (0, 0, 0, 0)),
        (2, 0, 0, (1, 0, 0, 1)), (2, 0, 1, (0, 2, 2, 0)), (2, 2, 0, (0, 0, 0, 0)))]
    check(b, config, names, loads)


@each_stall
@pytest.mark.parametrize("config, names", [(TINY, ("INP", "WGT")), (configuration(64, features=ALL), EXTENDED)],
                         ids=["stock", "extended"])
def test_indices_beyond_the_memory_wrap(config, names, stalls):
    b = bench(config, names, stalls, seed=2)
    loads = [load_fields(b.random, config, name, DRAM, beyond=True) for name in ("INP", "WGT") * 5]
    loads += [load("INP", 2 + over, sram=config.depth["INP"] - 2) for over in (0, 1)]
    loads += [load("WGT", 1, sram=config.depth["WGT"] - 1, pads=(0, 0, 0, 1))]
    loads += [load_fields(b.random, config, name, DRAM, beyond=True) for name in names[2:] * 5]
    check(b, config, names, loads)
    assert b.beyond >= {11, 12} and 10 not in b.beyond


def test_base_addresses_are_added():
    config, names = TINY, ("INP", "WGT")
    b = bench(config, names, "none")
    check(b, config, names, [load_fields(b.random, config, "WGT", DRAM - 0x348)], pointer=0x348)


def test_error_responses_are_reported():
    config, names = TINY, ("INP", "WGT")
    b = bench(config, names, "cyclic", errors={64})
    check(b, config, names, [load("WGT", 1, sram=n, dram=base) for n, base in enumerate((2, 3, 4, 5))])
    assert b.bad == {2}                # tile 4 of 16 bytes lies at 64


@pytest.mark.parametrize("limit", [{"read_ahead": 16}, {"buffer": 32}], ids=str)
def test_requests_run_ahead_within_their_limit(limit):
    """While no beat comes, `limit` beats are requested, over several LOADs, and no more."""
    names = ("INP", "WGT")
    dut = Loader(TINY, *names, **limit)
    b = Bench(dut)
    one = decoded.load(TINY, names, load("WGT", 2))          # 4 beats
    b.feed(dut.load, deque([(0, one)] * (LOADS_AHEAD + 2)))
    bursts = b.receive(dut.read.request)
    b.run(after=100)
    assert sum(burst["len"] + 1 for burst in values(bursts)) == next(iter(limit.values()))


def test_full_rate_and_latency():
    """First request two cycles after its LOAD; a beat in every cycle, over all LOADs; chunks with the beats."""
    config, names = dataclasses.replace(TINY, read_ahead_beats=64), ("INP", "WGT")
    b = bench(config, names, "none")
    loads = [load("WGT", 4, sram=4 * n, dram=4 * n) for n in range(8)]           # 8 beats each
    chunks = check(b, config, names, loads)
    assert b.memory.bursts[0][0] == 3
    assert at_full_rate(b.memory.taken) and len(b.memory.taken) == 64
    assert [cycle for cycle, _ in chunks] == b.memory.taken


def test_padding_hides_behind_assembled_data():
    """A tile of two beats leaves its write port idle in one cycle of two: that is where padding goes."""
    config, names = dataclasses.replace(TINY, read_ahead_beats=64), ("INP", "WGT")
    b = bench(config, names, "none")
    chunks = check(b, config, names, [load("WGT", 6, y=2, pads=(1, 0, 1, 1))])   # 12 tiles, 12 of padding
    assert chunks[-1][0] - b.memory.taken[0] <= 24
