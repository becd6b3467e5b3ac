"""hw/rtl/requantise.py against numpy's definition: every result in its cycle, and no other."""

import dataclasses
import itertools
import json
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.sim import Simulator

from vta.hw.config import PRESETS
from vta.hw.export.verilog import to_verilog
from vta.hw.requantisation import HALF_BITS, Rounding
from vta.hw.rtl.requantise import LATENCY, WIDE_GAP, Requantise, RequantiseLane
from vta.sim.area import area_of_synthesis
from vta.sim.functional.requantise import Parameters, requantise
from vta.sim.synthesis import XC7, synthesise_text
from vta.sim.timing.estimate import estimate

TINY = PRESETS["tiny"]
MIN, MAX = -1 << 31, (1 << 31) - 1


@dataclass
class Case:
    """Words M, B and S of all lanes, bounds, and the tiles that are requantised with them: (accumulators, wide)."""

    words: tuple
    tiles: list
    low: int = -128
    high: int = 127


def exact(rounding, **fields):
    """Words for q = (x / 2^shift, rounded), as early products are x with a multiplier of 2^11."""
    return Parameters(**{"multiplier": 1 << 11, "bias": 0, "shift": 0, "rounding": rounding, "zero_point": 0,
                         "early": True, "raw": True} | fields).words()


def anything(random, count):
    """Words of all magnitudes."""
    return random.integers(MIN, MAX + 1, count) >> random.integers(0, 32, count)


def scheduled(tiles, random, gaps):
    """{cycle: (word, first_half, second_half, tile that is complete)}: each as soon as possible without `gaps`."""
    cycles = {}
    for acc, wide in tiles:
        start = next(cycle for cycle in itertools.count() if cycle not in cycles and not (
            wide and cycle + WIDE_GAP in cycles) and (not gaps or random.integers(3)))
        if wide:
            cycles[start] = acc, 1, 0, None
            cycles[start + WIDE_GAP] = acc >> HALF_BITS, 0, 1, acc
        else:
            cycles[start] = acc, 0, 0, acc
    return cycles


def check(cases, config=TINY, seed=1, gaps=False):
    """Each case's parameters are loaded as soon as the contract allows, and its first tile comes in the next cycle."""
    dut, random, lanes = Requantise(config), np.random.default_rng(seed), config.lanes

    async def drive(ctx):
        expected, now = {}, 0

        async def cycle(word, **ports):
            nonlocal now
            ctx.set(dut.tile, np.broadcast_to(word, lanes).tolist())
            for port in ("first_half", "second_half", "load", "load_bounds"):
                ctx.set(getattr(dut, port), ports.get(port, {} if port == "load" else 0))
            ctx.set(dut.bounds, ports.get("bounds", {"low": random.integers(-128, 128).item()}))
            wanted = expected.pop(now, None)
            if wanted is not None:
                assert [ctx.get(value) for value in dut.result] == wanted[0].tolist(), wanted[1]
            await ctx.tick()
            now += 1

        async def idle(count):
            for _ in range(count):
                await cycle(anything(random, lanes), first_half=int(random.integers(2)),
                            second_half=int(random.integers(2)))

        for case in cases:
            order = random.permutation(3)
            for n in order:
                bounds = {"load_bounds": 1, "bounds": {"low": case.low, "high": case.high}} if n == order[0] else {}
                await cycle(case.words[n], load={("multiplier", "bias", "shift")[n]: 1}, **bounds)
            parameters = Parameters.from_words(*case.words, case.low, case.high)
            tiles = scheduled(case.tiles, random, gaps)
            for at in range(max(tiles) + 1):
                if at not in tiles:
                    await idle(1)
                    continue
                word, first, second, complete = tiles[at]
                if complete is not None:
                    expected[now + LATENCY] = requantise(complete, parameters, wide=second), (case, complete, second)
                await cycle(word, first_half=first, second_half=second)
            await idle(LATENCY - 2)      # the next cycle, which loads, is LATENCY - 1 after the last tile
        await idle(LATENCY)
        assert not expected
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()


@pytest.mark.parametrize("gaps", [False, True], ids=["full_rate", "gaps"])
@pytest.mark.parametrize("config", [TINY, dataclasses.replace(TINY, log_batch=1)], ids=["4", "2x4"])
def test_anything(config, gaps):
    """Lanes with parameters of their own, of all bits; narrow and wide tiles in between each other."""
    random, lanes = np.random.default_rng(gaps), config.lanes
    check([Case((anything(random, lanes), anything(random, lanes), random.integers(MIN, MAX + 1, lanes)),
                [(anything(random, lanes), bool(random.integers(2))) for _ in range(16)],
                *random.integers(-128, 128, 2).tolist()) for _ in range(40)], config, gaps=gaps)


@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
@pytest.mark.parametrize("rounding", Rounding, ids=lambda rounding: rounding.name)
def test_ties_at_every_shift(rounding, wide):
    """Odd multiples of half a unit of the result, and their neighbours. A wide product is never early: half of x."""
    cases = []
    for shift in range(32):
        half = 1 << max(shift - 1 + wide, 0)
        tiles = [(np.array([n * half - 1, n * half, n * half + 1, -n * half]), wide) for n in (1, 3, -1, -3)
                 if 3 * half < (MAX if wide else 1 << 24)]
        if tiles:
            cases.append(Case(exact(rounding, shift=shift, multiplier=1 << 30 if wide else 1 << 11), tiles))
    assert len(cases) == (30 if wide else 24)
    check(cases)


def test_fraction_of_the_product():
    """Products of 1/4, 1/2 and 3/4 units: the bits below y count in all roundings but DOUBLE, which rounds twice."""
    tiles = [(np.arange(n, n + 4), False) for n in range(-12, 12, 4)]
    check([Case(exact(rounding, shift=shift, multiplier=1 << 9), tiles)
           for rounding, shift in itertools.product(Rounding, (0, 1, 2))])


def test_roundings_by_hand():
    """Lanes that halve 5, 7, -5, -7 by a shift, then the quarters of 10 and 14 by a shift of 2."""
    wanted = {Rounding.DOUBLE: [3, 4, -3, -4], Rounding.UP: [3, 4, -2, -3], Rounding.EVEN: [2, 4, -2, -4],
              Rounding.FLOOR: [2, 3, -3, -4]}
    acc = np.array([5, 7, -5, -7])
    for rounding, results in wanted.items():
        for scale in (1, 2):
            words = exact(rounding, shift=scale)
            assert requantise(scale * acc, Parameters.from_words(*words)).tolist() == results
            check([Case(words, [(scale * acc, False)])])


def test_extremes():
    """All of M, B and acc at the ends of 32 bits, of 25 and around zero; every rounding, early and raw or not."""
    ends = [MIN, MIN + 1, -1 << 24, -1, 0, 1, (1 << 24) - 1, 1 << 24, MAX]
    some = np.array(ends)
    cases = []
    for rounding, early, raw, shift in itertools.product(Rounding, (False, True), (False, True), (0, 31)):
        s = exact(rounding, early=early, raw=raw, shift=shift, zero_point=-256 if raw else 255)[2]
        for m, b in itertools.product((0, 3, 6), (0, 2, 6)):
            cases.append(Case((np.roll(some, m)[:4], np.roll(some, b)[:4], s),
                              [(np.roll(some, n)[:4], bool(n % 2)) for n in (0, 1, 4, 7, 8)]))
    check(cases)


def test_saturation():
    """Results around both bounds, around 0 and far beyond, with zero points at their ends; bounds in wrong order."""
    cases = []
    for zero_point, (low, high) in itertools.product((-256, -128, 0, 5, 255), (
            (-128, 127), (0, 0), (-1, 0), (3, 90), (-100, -50), (127, 127), (-128, -128), (50, -50))):
        around = [bound - zero_point + step for bound in (low, high, 0) for step in (-1, 0, 1)]
        around += [-513, -512, 511, 512, 1 << 9, -1 << 23, (1 << 24) - 1]
        cases.append(Case(exact(Rounding.UP, raw=False, zero_point=zero_point),
                          [(np.array(around[n:n + 4]), False) for n in range(0, 16, 4)], low, high))
    check(cases)


def test_wide_by_hand():
    """x and -x of 31 bits, whose products with 3/4 have all bits of both halves."""
    acc = np.array([0x12345678, -0x12345678, MAX - 7, MIN])
    words = exact(Rounding.FLOOR, multiplier=3 << 29, bias=7)
    results = [(x + 7) * 3 // 4 for x in acc.tolist()]
    assert requantise(acc, Parameters.from_words(*words), wide=True).tolist() == results
    check([Case(words, [(acc, True)] * 9)])


def test_a_lane_is_two_multipliers():
    """All that a DSP48E1 can take is in one: adders ahead of the products and behind them, biases, multipliers."""
    synthesis = synthesise_text(to_verilog(RequantiseLane(), "vta"), XC7, "lane")
    area = area_of_synthesis(synthesis)
    assert area.dsp == 2 and area.lut <= 190 and area.ff <= 320
    assert estimate(synthesis).ns <= 7.5
    cells = json.loads(synthesis.read("design.json.gz"))["modules"]["vta"]["cells"].values()
    used = [cell["parameters"] for cell in cells if cell["type"] == "DSP48E1"]
    assert all(parameters["USE_DPORT"] == "TRUE" for parameters in used)
    assert not any(int(parameters["ADREG"], 2) for parameters in used), "the bias's reset would reset it too"
