"""hw/rtl/perf_counters.py and hw/rtl/unit_state.py: counters add what happens; each cycle has one name."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from stream_bench import Bench

from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Unit
from vta.hw.rtl.perf_counters import STEP_BITS, PerfCounters
from vta.hw.rtl.unit_state import count_states


def test_random_steps():
    dut = PerfCounters()
    b = Bench(dut)
    expected, done = [0] * len(COUNTERS), []

    async def drive(ctx):
        for _ in range(60):
            enable, clear = b.random.random() < 0.7, b.random.random() < 0.05
            ctx.set(dut.enable, enable)
            ctx.set(dut.clear, clear)
            for n, add in enumerate(dut.add):
                step = b.random.choice([0, 1, b.random.randrange(1 << STEP_BITS)])
                ctx.set(add, step)
                expected[n] = 0 if clear else expected[n] + step * enable
            await ctx.tick()
            assert [ctx.get(value) for value in dut.value] == expected
        done.append(True)
    b.process(drive)
    b.run(until=lambda: done, after=1)


@pytest.mark.parametrize("unit", Unit, ids=lambda unit: unit.name)
def test_the_first_true_condition_names_the_cycle(unit):
    """Every combination of conditions: one state is set, the first true one; none but `idle` outside a run."""
    names = [counter.name.removeprefix(f"{unit.name.lower()}_") for counter in STATES[unit]]
    order = [name for name in names if name != "idle"]
    conditions = {name: Signal(name=name) for name in order[:-1]} | {order[-1]: 1}
    running, states, m = Signal(), Signal(len(names)), Module()
    count_states(m, states, unit, running, conditions)

    async def check(ctx):
        for bits in range(1 << len(order) - 1):
            for n, name in enumerate(order[:-1]):
                ctx.set(conditions[name], bits >> n & 1)
            for run in (0, 1):
                ctx.set(running, run)
                first = next((name for n, name in enumerate(order[:-1]) if bits >> n & 1), order[-1])
                assert ctx.get(states) == 1 << names.index(first if run else "idle")
    simulator = Simulator(m)
    simulator.add_testbench(check)
    simulator.run()


def test_conditions_must_be_those_of_the_counters():
    with pytest.raises(AssertionError, match="LOAD: "):
        count_states(None, Signal(6), Unit.LOAD, Signal(), {"busy": 1, "asleep": 1})
