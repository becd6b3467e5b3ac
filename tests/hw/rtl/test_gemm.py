"""hw/rtl/gemm.py: two products in one are exact for all inputs; the array equals numpy's dot product."""

import dataclasses

import numpy as np
import pytest
from stream_bench import Bench, unpack

from vta.hw.config import PRESETS, Config
from vta.hw.features import Feature
from vta.hw.rtl.gemm import LATENCY, Gemm, balanced_sum, correct, dual_product, pair, split_product


class Bits:
    """A numpy array of integers that slices like a Signal, so that `split_product` runs on it."""

    def __init__(self, array, width=32):
        self.array, self.width = array & (1 << width) - 1, width

    def __getitem__(self, key):
        key = key if isinstance(key, slice) else slice(key, key + 1)
        start, stop, _ = key.indices(self.width)
        return Bits(self.array >> start, stop - start)

    def __xor__(self, value):
        return Bits(self.array ^ value, self.width)

    def as_signed(self):
        return self.array - (self.array >> self.width - 1 << self.width)


def test_dual_product_is_exact_for_all_inputs():
    """All 2^24 triples of x, w0, w1."""
    every = np.arange(-128, 128, dtype=np.int64)
    w0, w1 = np.meshgrid(every, every)
    for x in every:
        product = correct(dual_product(x, pair(w0, w1)))
        assert product.min() >= -1 << 31 and product.max() < 1 << 31
        low, high = split_product(Bits(product))
        assert np.array_equal(low, x * w0) and np.array_equal(high, x * w1)


@pytest.mark.parametrize("count", range(1, 10))
def test_balanced_sum(count):
    assert balanced_sum([1 << n for n in range(count)]) == (1 << count) - 1


def tiles(random, config):
    """An input and a weight tile; some all at the extremes."""
    ends = random.choice([None, None, (-128,), (127,), (-128, 127)])
    shapes = (config.batch, config.block), (config.block, config.block)
    return [np.array([[random.choice(ends) if ends else random.randint(-128, 127) for _ in range(columns)]
                      for _ in range(rows)]) for rows, columns in shapes]


def word(tile):
    return int.from_bytes(tile.astype(np.int8).tobytes(), "little")


CONFIGS = {"4": PRESETS["tiny"], "2x4": dataclasses.replace(PRESETS["tiny"], log_batch=1),
           "8": Config(log_block=3, log_inp_buff_size=10, log_wgt_buff_size=12, log_acc_buff_size=13)}
each_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def window_product(seen, wgt):
    """The window step whose tile is the last one of `seen`, those of its instruction so far: lane by lane."""
    block = len(wgt)
    return [sum(int(tile[b][j]) * int(wgt[j][j % 2 * (block // 2) + tap])
                for tap, tile in enumerate(seen[::-1][:min(4, block // 2)]))
            for b in range(len(seen[0])) for j in range(block)]


@pytest.mark.parametrize("stalls", ["none", "cyclic", "random"])
@each_config
def test_dot_products(config, stalls):
    """Tiles with gaps between them: each result comes `LATENCY` after its tiles, one a cycle."""
    dut = Gemm(config)
    b = Bench(dut, stalls)
    pattern, expected, seen = b.pattern(), {}, b.watch(dut.dot)
    count = 60

    async def drive(ctx):
        cycle = 0
        for _ in range(count):
            while next(pattern):
                ctx.set(dut.en, 0)
                ctx.set(dut.inp, b.random.getrandbits(8 * config.tile_bytes["INP"]))      # not to be used
                await ctx.tick()
                cycle += 1
            inp, wgt = tiles(b.random, config)
            ctx.set(dut.en, 1)
            ctx.set(dut.inp, word(inp))
            ctx.set(dut.wgt, word(wgt))
            expected[cycle] = (inp @ wgt.T).reshape(-1).tolist()
            await ctx.tick()
            cycle += 1
        ctx.set(dut.en, 0)
    b.process(drive)
    b.run(until=lambda: len(expected) == count)
    for cycle, dot in expected.items():
        assert unpack(dut.dot.shape(), seen[cycle + LATENCY]) == dot
    assert stalls != "none" or list(expected) == list(range(count))


@pytest.mark.parametrize("stalls", ["none", "cyclic", "random"])
@each_config
def test_window_steps(config, stalls):
    """Instructions of window steps, short and long, back to back, with plain steps between some of them."""
    config = dataclasses.replace(config, features=frozenset({Feature.WINDOW.key}))
    dut = Gemm(config)
    b = Bench(dut, stalls)
    pattern, expected, seen = b.pattern(), {}, b.watch(dut.dot)
    steps = []                    # (window, first)
    for _ in range(20):
        steps += [(0, b.random.getrandbits(1))] * b.random.choice([0, 0, 1, 2])
        steps += [(1, number == 0) for number in range(b.random.randint(1, 7))]

    async def drive(ctx):
        cycle, past = 0, []
        for window, first in steps:
            while next(pattern):
                for port in (dut.inp, dut.wgt, dut.window, dut.first):
                    ctx.set(port, b.random.getrandbits(len(port)))        # not to be used
                ctx.set(dut.en, 0)
                await ctx.tick()
                cycle += 1
            inp, wgt = tiles(b.random, config)
            for port, value in ((dut.en, 1), (dut.window, window), (dut.first, first),
                                (dut.inp, word(inp)), (dut.wgt, word(wgt))):
                ctx.set(port, value)
            past = [inp] if first else [*past, inp]
            expected[cycle] = window_product(past, wgt) if window else (inp @ wgt.T).reshape(-1).tolist()
            await ctx.tick()
            cycle += 1
        ctx.set(dut.en, 0)
    b.process(drive)
    b.run(until=lambda: len(expected) == len(steps))
    for cycle, dot in expected.items():
        assert unpack(dut.dot.shape(), seen[cycle + LATENCY]) == dot
    assert stalls != "none" or list(expected) == list(range(len(steps)))
