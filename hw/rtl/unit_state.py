"""How a unit drives its `unit_status`: the state of this cycle, its events, its errors."""

from amaranth.hdl import Signal

from vta.hw.counters import STATES
from vta.hw.rtl.interfaces import NUMBER_BITS


def _expect(given, names):
    given, names = set(given), set(names)
    assert given == names, f"hw/counters.py has no {sorted(given - names)}; not driven: {sorted(names - given)}"


def count_states(m, states, unit, running, conditions):
    """Drive the one-hot `states` of `unit`: the first true one of `conditions`, or `idle` when not `running`.

    All are of the cycle before: nobody needs them sooner, and the way from the signals of a whole unit is long.
    `conditions` maps the names of `vta.hw.counters` (without the unit) to signals, most telling first; the
    last one must be constant 1, so that each cycle has a name. `running` is 0 once the unit has no
    further work in this run.
    """
    prefix = f"{unit.name.lower()}_"
    _expect((prefix + name for name in (*conditions, "idle")), (counter.name for counter in STATES[unit]))
    seen = {name: Signal(name=f"seen_{name}", reset_less=True) for name in conditions}
    ran = Signal()
    m.d.sync += [ran.eq(running), *(seen[name].eq(condition) for name, condition in conditions.items())]
    with m.If(~ran):
        m.d.comb += states[f"{prefix}idle"].eq(1)
    for name, condition in seen.items():
        with m.Elif(condition):
            m.d.comb += states[prefix + name].eq(1)


def count_events(m, events, happening):
    """Drive the struct `events`, a cycle late: `happening` maps each of its names, and no other, to a signal."""
    _expect(happening, events.shape().members)
    m.d.sync += [events[name].eq(signal) for name, signal in happening.items()]


def report_error(m, error, causes):
    """Drive `error` (ERROR), two cycles late, from (condition, cause, instruction number) triples; the last one that
    holds counts."""
    numbers = {}
    for _, _, number in causes:
        if id(number) not in numbers:
            numbers[id(number)] = Signal(NUMBER_BITS, name=f"number_{len(numbers)}", reset_less=True)
            m.d.sync += numbers[id(number)].eq(number)
    m.d.sync += error.valid.eq(0)
    for n, (condition, cause, number) in enumerate(causes):
        holds = Signal(name=f"error_{n}")
        m.d.sync += holds.eq(condition)
        with m.If(holds):
            m.d.sync += [error.valid.eq(1), error.cause.eq(cause), error.number.eq(numbers[id(number)])]
