"""hw/rtl/nest.py: exactly the three nested loops, one step a cycle."""

import pytest
from amaranth.sim import Simulator
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.isa import LOOP_BITS
from vta.hw.rtl.nest import OPERANDS, Nest, operand_bits

CONFIG = PRESETS["tiny"]


def steps(insn):
    """The three loops of the ISA, written out; a sticky top bit says that an offset has left its range."""
    bits = operand_bits(CONFIG)
    for o in range(insn["iter_out"]):
        for i in range(insn["iter_in"]):
            offset = {name: o * insn[f"{name}_factor_out"] + i * insn[f"{name}_factor_in"] for name in OPERANDS}
            for u in range(insn["uop_bgn"], insn["uop_end"]):
                last = (o, i, u) == (insn["iter_out"] - 1, insn["iter_in"] - 1, insn["uop_end"] - 1)
                trip = {"initial": u == insn["uop_bgn"], "final": u == insn["uop_end"] - 1}
                yield {"uop": u, "last": last, **trip, "offset": {
                    name: value % (1 << bits[name]) | (value >> bits[name] != 0) << bits[name]
                    for name, value in offset.items()}}


def counted(insn):
    """Adds the fields that follow from the others."""
    insn["uops"] = insn["uop_end"] - insn["uop_bgn"]
    return insn | {"one_uop": insn["uops"] == 1, "one_in": insn["iter_in"] == 1, "one_out": insn["iter_out"] == 1}


def instruction(random, factors="any"):
    bits, depth = operand_bits(CONFIG), CONFIG.depth["UOP"]
    bgn = random.choice([0, random.randrange(depth), depth - 1])
    insn = {"uop_bgn": bgn, "uop_end": min(bgn + random.randint(1, 4), 2 * depth),
            "iter_out": random.randint(1, 4), "iter_in": random.choice([1, random.randint(1, 5)])}
    insn = counted(insn)
    for name in OPERANDS:
        for loop in ("out", "in"):
            insn[f"{name}_factor_{loop}"] = random.choice(
                [0, 1, random.randint(0, 3), random.randrange(1 << bits[name])])
    return insn


@each_stall
@pytest.mark.parametrize("seed", [1, 2])
def test_three_nested_loops(seed, stalls):
    dut = Nest(CONFIG)
    b = Bench(dut, stalls, seed)
    insns = [instruction(b.random) for _ in range(40)]
    expected = [step for insn in insns for step in steps(insn)]
    b.send(dut.insn, insns)
    got = b.receive(dut.step, len(expected))
    b.run()
    assert values(got) == expected


def test_one_step_a_cycle_across_instructions():
    """The first step a cycle after its instruction, then no gap; instructions of a single step included."""
    dut = Nest(CONFIG)
    b = Bench(dut)
    insns = [instruction(b.random) for _ in range(10)]
    one = counted({"uop_bgn": 3, "uop_end": 4, "iter_out": 1, "iter_in": 1})
    insns += [one] * 5
    expected = sum(insn["iter_out"] * insn["iter_in"] * (insn["uop_end"] - insn["uop_bgn"]) for insn in insns)
    taken = b.send(dut.insn, insns)
    got = b.receive(dut.step, expected)
    b.run()
    assert at_full_rate([cycle for cycle, _ in got]) and got[0][0] == taken[0] + 1


@pytest.mark.parametrize("loop", ["out", "in"])
def test_the_longest_loop(loop):
    """16383 trips, and the offset after them, wrapped and marked."""
    dut, trips, depth = Nest(CONFIG), (1 << LOOP_BITS) - 1, CONFIG.depth["ACC"]

    async def run(ctx):
        step = dut.step.payload
        ctx.set(dut.insn.payload, counted({"uop_bgn": 0, "uop_end": 1, "iter_out": 1, "iter_in": 1,
                                           f"iter_{loop}": trips, f"dst_factor_{loop}": 1}))
        ctx.set(dut.insn.valid, 1)
        ctx.set(dut.step.ready, 1)
        await ctx.tick()
        ctx.set(dut.insn.valid, 0)
        await ctx.tick().repeat(trips - 1)
        assert (ctx.get(dut.step.valid), ctx.get(step.last)) == (1, 1)
        assert ctx.get(step.offset.dst) == (trips - 1) % depth | depth
        await ctx.tick()
        assert not ctx.get(dut.step.valid)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
