"""hw/rtl/output.py: plain and requantised tiles reach the output buffer in their cycles, and some go back."""

import dataclasses
from random import Random

import pytest
from slow_reference import low, requantise
from stream_bench import Bench, at_full_rate, unpack

from vta.hw.config import PRESETS
from vta.hw.requantisation import HALF_BITS
from vta.hw.rtl.output import Output
from vta.hw.rtl.requantise import LATENCY, WIDE_GAP

STOCK = PRESETS["tiny"]
CONFIG = dataclasses.replace(STOCK, features=frozenset(["requantise"]))
LANES, DEPTH = STOCK.lanes, STOCK.depth["OUT"]
TAGS = ("push_prev", "push_next", "finish")
NO_TAG = dict.fromkeys(TAGS, 0)
WORDS = ("multiplier", "bias", "shift")          # as PAR loads them


def lanes(random):
    """A tile of numbers of all magnitudes."""
    return [low(random.getrandbits(32), 32) >> random.randrange(32) for _ in range(LANES)]


class Schedule:
    """What comes in each cycle, and what is expected of it: all by cycle."""

    def __init__(self, random):
        self.random, self.now, self.ops = random, 0, {}
        self.written, self.tags, self.left = {}, {}, {}
        self.parameters, self.bounds = [[0] * LANES] * 3, (0, 0)

    def _op(self, cycle, result, **fields):
        requant = {name: fields.pop(name) for name in tuple(fields) if name not in ("dst", "write", "tag", "imm")}
        self.ops[cycle] = result, fields | ({"requant": requant} if requant else {})

    def _next(self, blocked=()):
        while self.now in self.ops or self.now in blocked:
            self.now += 1
        return self.now

    def plain(self, write=1, **requant):
        """A result, which goes to the buffer if `write`; never in a cycle in which a requantised one does."""
        cycle = self._next(self.written)
        result, dst = lanes(self.random), self.random.randrange(DEPTH)
        self._op(cycle, result, write=write, dst=dst, tag=dict.fromkeys(TAGS, 1), **requant)
        if write and not requant:
            self.written[cycle] = dst, [value & 255 for value in result]

    def load(self):
        """Parameters and bounds, when no tile is left that needs those before."""
        self.now = max(self.now, max(self.written, default=0))
        self.parameters, imm = [lanes(self.random) for _ in WORDS], self.random.randrange(-1 << 15, 1 << 15)
        self.bounds = low(imm, 8), low(imm >> 8, 8)
        for name, words in zip(WORDS, self.parameters, strict=True):
            self._op(self._next(), words, write=0, imm=imm, load={name: 1})
            self.now += 1

    def enter(self, wide=0, to_acc=0):
        """A tile, in the next cycle, or in two halves."""
        acc, dst = lanes(self.random), self.random.randrange(DEPTH)
        tag = {name: self.random.randint(0, 1) for name in TAGS}
        about = {"write": 0 if to_acc else self.random.randint(0, 1), "dst": dst, "tag": tag,
                 "enters": 1, "to_acc": to_acc, "only_acc": not to_acc}
        cycle = self._next()
        if wide:
            while cycle in self.ops or cycle + WIDE_GAP in self.ops:
                cycle += 1
            self._op(cycle, acc, write=0, first_half=1)
            cycle += WIDE_GAP
            self._op(cycle, [value >> HALF_BITS for value in acc], second_half=1, **about)
        else:
            self._op(cycle, acc, **about)
        result = [requantise(value, wide, *words, self.bounds)
                  for value, *words in zip(acc, *self.parameters, strict=True)]
        self.written[cycle + LATENCY] = dst, [value & 255 for value in result]
        self.tags[cycle + LATENCY - 2] = tag
        self.left[cycle + LATENCY - 1] = to_acc, dst, result


def run(config, schedule):
    """All outputs in every cycle, and a random tile of the buffer in each; at the end the whole buffer."""
    dut = Output(config)
    b = Bench(dut)
    last = max([*schedule.ops, *schedule.written]) + 2
    garbage = {"write": 1, "dst": 3, "imm": 77}
    if config.features:
        garbage["requant"] = {"enters": 1, "to_acc": 1, "load": dict.fromkeys(WORDS, 1)}
    buffer, checked = {}, []
    indices = [*(b.random.randrange(DEPTH) for _ in range(last)), *range(DEPTH), 0]

    async def check(ctx):
        shown = back = None
        for cycle, index in enumerate(indices):
            result, fields = schedule.ops.get(cycle, (lanes(b.random), garbage))
            ctx.set(dut.writing_valid, cycle in schedule.ops)
            ctx.set(dut.writing, fields)
            ctx.set(dut.result, result)
            ctx.set(dut.computed, result)
            ctx.set(dut.out.en, 1)
            ctx.set(dut.out.index, index)
            _, _, out, leaves, to_acc, returns, dst, tile, done = await ctx.tick().sample(
                dut.out.data, dut.leaves, dut.to_acc, dut.back, dut.back_dst, dut.back_tile.as_value(),
                dut.done.as_value())
            if shown is not None:
                assert [*out.to_bytes(LANES, "little")] == shown
            if back is not None:
                assert unpack(dut.tile_shape, tile) == back
            leaving = schedule.left.get(cycle)
            assert leaves == bool(leaving) and unpack(dut.done.shape(), done) == schedule.tags.get(cycle, NO_TAG)
            assert returns == bool(leaving and leaving[0]), f"cycle {cycle}"
            back = None
            if leaving:
                assert to_acc == leaving[0]
            if returns:
                assert dst == leaving[1]
                back = leaving[2]
            shown = buffer.get(index)
            if cycle in schedule.written:
                dst, values = schedule.written[cycle]
                buffer[dst] = values
        checked.append(True)
    b.process(check)
    b.run(until=lambda: checked)


@pytest.mark.parametrize("config", [STOCK, CONFIG], ids=["stock", "requantise"])
def test_plain_results(config):
    """The low byte of each lane, in the cycle of the result."""
    schedule = Schedule(Random(1))
    for _ in range(300):
        schedule.plain(write=schedule.random.random() < 0.8)
        schedule.now += schedule.random.randint(0, 2)
    run(config, schedule)


@pytest.mark.parametrize("gaps", [0, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_requantised_and_plain_results(seed, gaps):
    """Each `LATENCY` cycles after a plain one would be there; results that do not go to the buffer do not."""
    random = Random(seed)
    schedule = Schedule(random)
    for _ in range(4):
        schedule.load()
        for _ in range(60):
            kind = random.choice(["tile", "wide", "plain", "only_acc", "nothing"])
            if kind in ("tile", "wide"):
                schedule.enter(wide=kind == "wide", to_acc=random.randint(0, 1))
            else:
                schedule.plain(write=kind != "nothing", **({"only_acc": 1} if kind == "only_acc" else {}))
            schedule.now += random.randint(0, gaps)
    run(CONFIG, schedule)


def test_a_tile_a_cycle():
    """Back to back, in order, each with its tag."""
    schedule = Schedule(Random(3))
    schedule.load()
    for _ in range(60):
        schedule.enter(to_acc=schedule.random.randint(0, 1))
    run(CONFIG, schedule)
    assert at_full_rate(sorted(schedule.written))
