"""hw/rtl/perf_counters.py and hw/rtl/unit_state.py: counters add what happens; each cycle has one name."""

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from stream_bench import Bench

from vta.hw.counters import COUNTERS, EVENTS, STATES
from vta.hw.isa import Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.interfaces import ERROR, unit_status
from vta.hw.rtl.perf_counters import STEP_BITS, VALUES, PerfCounters
from vta.hw.rtl.unit_state import count_events, count_states, report_error


def simulate(m, check):
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(check)
    simulator.run()


def test_random_steps():
    dut = PerfCounters()
    b = Bench(dut)
    expected, done, enabled = [0] * len(COUNTERS), [], False

    async def drive(ctx):
        nonlocal enabled
        for _ in range(60):
            enable, clear = b.random.random() < 0.7, b.random.random() < 0.05
            ctx.set(dut.enable, enable)
            ctx.set(dut.clear, clear)
            for n, name in enumerate(VALUES.members):
                step = b.random.choice([0, 1, b.random.randrange(1 << STEP_BITS)])
                ctx.set(getattr(dut.add, name), step)
                expected[n] = 0 if clear else expected[n] + step * enabled
            enabled = enable        # what is added is a cycle late
            await ctx.tick()
            assert [ctx.get(getattr(dut.value, name)) for name in VALUES.members] == expected
        done.append(True)
    b.process(drive)
    b.run(until=lambda: done, after=1)


@pytest.mark.parametrize("unit", Unit, ids=lambda unit: unit.name)
def test_the_first_true_condition_names_the_cycle(unit):
    """Every combination of conditions: one state is set, the first true one; none but `idle` outside a run."""
    names = [counter.name.removeprefix(f"{unit.name.lower()}_") for counter in STATES[unit]]
    order = [name for name in names if name != "idle"]
    conditions = {name: Signal(name=name) for name in order[:-1]} | {order[-1]: 1}
    running, states, m = Signal(), Signal(unit_status(unit).members["states"].shape), Module()
    count_states(m, states, unit, running, conditions)

    async def check(ctx):
        for bits in range(1 << len(order) - 1):
            for n, name in enumerate(order[:-1]):
                ctx.set(conditions[name], bits >> n & 1)
            for run in (0, 1):
                ctx.set(running, run)
                await ctx.tick()
                first = next((name for n, name in enumerate(order[:-1]) if bits >> n & 1), order[-1])
                assert ctx.get(states.as_value()) == 1 << names.index(first if run else "idle")
    simulate(m, check)


def test_conditions_must_be_those_of_the_counters():
    with pytest.raises(AssertionError, match=r"has no .*load_asleep.*; not driven: .*load_wait_bus"):
        count_states(None, None, Unit.LOAD, Signal(), {"busy": 1, "asleep": 1})


@pytest.mark.parametrize("change, message", [({"wgt_tiles": None}, r"not driven: .*wgt_tiles"),
                                             ({"bias_tiles": 1}, r"has no .*bias_tiles")], ids=["undriven", "unknown"])
def test_events_must_be_those_of_the_counters(change, message):
    events = Signal(unit_status(Unit.LOAD).members["events"].shape)
    given = {name: value for name, value in (dict.fromkeys(events.shape().members, 1) | change).items() if value}
    with pytest.raises(AssertionError, match=message):
        count_events(None, events, given)


def test_events_are_driven_by_name():
    """Whatever the order in which they are given."""
    events = Signal(unit_status(Unit.COMPUTE).members["events"].shape)
    names, m = [counter.name for counter in EVENTS[Unit.COMPUTE]], Module()
    inputs = {name: Signal(name=name) for name in reversed(names)}
    count_events(m, events, inputs)

    async def check(ctx):
        for n, name in enumerate(names):
            ctx.set(inputs[name], 1)
            await ctx.tick()
            assert ctx.get(events.as_value()) == 1 << n and ctx.get(events[name])
            ctx.set(inputs[name], 0)
    simulate(m, check)


def test_of_several_errors_the_last_one_is_reported():
    conditions, error, m = [Signal(name=f"condition_{n}") for n in range(3)], Signal(ERROR), Module()
    report_error(m, error, [(condition, ErrorCause.INDEX + n, 7 + n) for n, condition in enumerate(conditions)])

    async def check(ctx):
        for bits in range(8):
            for n, condition in enumerate(conditions):
                ctx.set(condition, bits >> n & 1)
            last = bits.bit_length() - 1
            await ctx.tick().repeat(2)
            assert ctx.get(error.valid) == (bits != 0)
            assert not bits or (ctx.get(error.cause), ctx.get(error.number)) == (ErrorCause.INDEX + last, 7 + last)
    simulate(m, check)
