"""How a unit drives its `unit_status`: the state of this cycle, its events, its errors."""

from vta.hw.counters import STATES


def _expect(given, names):
    given, names = set(given), set(names)
    assert given == names, f"hw/counters.py has no {sorted(given - names)}; not driven: {sorted(names - given)}"


def count_states(m, states, unit, running, conditions):
    """Drive the one-hot `states` of `unit`: the first true one of `conditions`, or `idle` when not `running`.

    `conditions` maps the names of `vta.hw.counters` (without the unit) to signals, most telling first; the
    last one must be constant 1, so that each cycle has a name. `running` is 0 once the unit has no
    further work in this run.
    """
    prefix = f"{unit.name.lower()}_"
    _expect((prefix + name for name in (*conditions, "idle")), (counter.name for counter in STATES[unit]))
    with m.If(~running):
        m.d.comb += states[f"{prefix}idle"].eq(1)
    for name, condition in conditions.items():
        with m.Elif(condition):
            m.d.comb += states[prefix + name].eq(1)


def count_events(m, events, happening):
    """Drive the struct `events`: `happening` maps each of its names, and no other, to a signal."""
    _expect(happening, events.shape().members)
    m.d.comb += [events[name].eq(signal) for name, signal in happening.items()]


def report_error(m, error, causes):
    """Drive `error` (ERROR) from (condition, cause, instruction number) triples; the last one that holds counts."""
    for condition, cause, number in causes:
        with m.If(condition):
            m.d.comb += [error.valid.eq(1), error.cause.eq(cause), error.number.eq(number)]
