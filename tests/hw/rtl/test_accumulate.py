"""hw/rtl/accumulate.py: any sequence of ops gives the same result as executing them one by one."""

import dataclasses
import itertools
from random import Random

import pytest
from accumulators import Accumulators
from amaranth.lib import data
from op_model import OpModel, bank, multiply, op
from stream_bench import Bench, cycles, each_stall, unpack

from vta.hw.config import PRESETS
from vta.hw.isa import LANE_OPS, AluOp
from vta.hw.rtl.accumulate import DOT_CYCLE, Y

CONFIG = PRESETS["tiny"]
REQUANTISES = dataclasses.replace(CONFIG, features=frozenset(["requantise"]))
BYTES = data.ArrayLayout(8, CONFIG.lanes)
DOT_BITS = 16 + CONFIG.log_block
LATENCY = 3                     # cycles from an op to its write
DONE = 1                        # ... and to its tag
TAGS = ("push_prev", "push_next", "finish")


def tile(random, bits=32):
    half = 1 << bits - 1
    return [random.choice([random.randrange(-half, half), random.choice([-half, half - 1, -1, 0])])
            for _ in range(CONFIG.lanes)]


def run(ops, stalls="none", seed=0, tiles=16, config=CONFIG):
    """Execute `ops` with random dot products and tiles; compare the first `tiles` accumulators, all 32 bits.

    The accumulators are read as the bytes that the output buffer shows of them, shifted down in three passes.
    """
    dut = Accumulators(config, DOT_BITS)
    b = Bench(dut, stalls, seed)
    pattern, model = b.pattern(), OpModel(CONFIG)
    dones = b.watch(dut.done, dut.busy)
    tags, shown, dots, last = {}, [], {}, {"write": 0}

    async def feed_dots(ctx):
        for cycle in itertools.count():
            ctx.set(dut.dot, dots.pop(cycle, [0] * CONFIG.lanes))
            await ctx.tick()
    clock = itertools.count()

    async def enter(ctx, one):
        nonlocal last
        needs_gap = one["y"] is Y.SRC or (one["read_x"] and {"shift", "multiply"} & set(one["select"]))
        while next(pattern) or (needs_gap and last["write"] and last["dst"] in (one["src"], one["x"])):
            last = {"write": 0}
            ctx.set(dut.valid, 0)
            await ctx.tick()
            next(clock)
        cycle, gap, last = next(clock), not last["write"], one
        given, dot = tile(b.random), tile(b.random, DOT_BITS)
        if one["is_gemm"]:
            dots[cycle + DOT_CYCLE] = dot
        model.apply(one, dot, given, gap)
        tags[cycle + DONE] = one["tag"]
        ctx.set(dut.valid, 1)
        ctx.set(dut.op, one)
        ctx.set(dut.tile, given)
        await ctx.tick()
        ctx.set(dut.valid, 0)
        ctx.set(dut.tile, tile(b.random))

    async def main(ctx):
        for one in ops:
            await enter(ctx, one)
        for shift in (0, 8, 8, 8):
            for index in range(tiles if shift else 0):
                await enter(ctx, op(AluOp.SHR, index, x=index, imm=shift))
            await cycles(ctx, LATENCY + 1)
            for _ in range(LATENCY + 1):
                next(clock)
            now = []
            for index in range(tiles):
                ctx.set(dut.out.en, 1)
                ctx.set(dut.out.index, index)
                await ctx.tick()
                next(clock)
                now.append(unpack(BYTES, ctx.get(dut.out.data)))
            shown.append((now, [[value & 255 for value in acc] for acc in model.acc[:tiles]]))
    b.process(main)
    b.process(feed_dots)
    b.run(until=lambda: len(shown) == 4)
    for now, expected in shown:
        assert now == expected
    for cycle, (bits, busy) in enumerate(dones):
        assert unpack(dut.done.shape(), bits) == dict.fromkeys(TAGS, 0) | tags.get(cycle, {})
        assert busy == any(cycle + DONE - late in tags for late in range(1, LATENCY + 1))
    return tags


def fill(tiles=16):
    return [op(dst=index, y=Y.TILE) for index in range(tiles)]


def random_ops(random, count, tiles):
    """Ops of all kinds on few tiles; a src is reused only by the same operation, and while y holds it."""
    ops, kept = [], None
    for _ in range(count):
        operation = random.choice([*LANE_OPS, AluOp.ADD, "zero", "tile", "gemm"])
        dst, src = random.randrange(tiles), random.randrange(tiles)
        tag = [name for name in TAGS if random.random() < 0.1]
        if operation in ("zero", "tile", "gemm"):
            x = dst if operation == "gemm" else None
            ops.append(op(dst=dst, x=x, y=Y.TILE if operation == "tile" else Y.ZERO, dot=operation == "gemm", tag=tag))
            kept = None
            continue
        if random.random() < 0.4:
            operand = {"imm": random.choice([random.randrange(-1 << 15, 1 << 15), random.randint(-33, 33)])}
        elif kept == operation and random.random() < 0.5:
            operand = {"y": Y.HOLD}
        elif bank(src) == bank(dst) and src != dst:
            ops.append(op(operation, src=src, write=0))                # src alone first
            operand = {"y": Y.HOLD}
        else:
            operand = {"src": src}
        kept = None if "imm" in operand else operation
        ops += multiply(dst, **operand, tag=tag) if operation == AluOp.MUL else [
            op(operation, dst, x=dst, **operand, tag=tag)]
    return ops


@each_stall
@pytest.mark.parametrize("tiles", [2, 4, 16])
def test_all_kinds_mixed(tiles, stalls):
    run(fill() + random_ops(Random(tiles), 250, tiles), stalls, seed=tiles)


@each_stall
def test_all_kinds_beside_a_requantiser(stalls):
    run(fill() + random_ops(Random(5), 250, 6), stalls, seed=6, config=REQUANTISES)


KINDS = {
    "x": lambda a, b: [op(AluOp.ADD, a, x=a, imm=77)],
    "extreme": lambda a, b: [op(AluOp.MAX, a, x=a, imm=-5)],
    "shift": lambda a, b: [op(AluOp.SHR, a, x=a, imm=3)],
    "src": lambda a, b: [op(AluOp.ADD, b, x=b, src=a)],
    "both": lambda a, b: [op(AluOp.ADD, a, x=a, src=a)],
    "dot": lambda a, b: [op(dst=a, x=a, dot=True)],
    "mul": lambda a, b: multiply(b, src=a),
    "move": lambda a, b: [op(dst=a, y=Y.TILE)],
    "zero": lambda a, b: [op(dst=a)],
}


@pytest.mark.parametrize("distance", range(1, 7))
def test_same_tile_at_every_distance(distance):
    """Each kind writes a tile and each kind uses it `distance` ops later."""
    ops = fill()
    for first, second in itertools.product(KINDS.values(), KINDS.values()):
        between = [op(AluOp.ADD, 8 + n, x=8 + n, imm=n) for n in range(distance - 1)]
        ops += [*first(1, 3), *between, *second(1, 3), *between]             # 1 and 3: one of each bank
    run(ops, seed=distance)


def test_one_op_a_cycle():
    tags = run(fill() + [op(AluOp.ADD, n % 2, x=n % 2, imm=1, tag=["finish"]) for n in range(50)])
    assert all(cycle + 1 in tags for cycle in range(DONE, DONE + 65))
