"""Cycle accounting: each unit names, in every cycle, the one state it is in."""

from vta.hw.counters import STATES


def count_states(m, states, unit, running, conditions):
    """Drive the one-hot `states` of `unit`: the first true one of `conditions`, or `idle` when not `running`.

    `conditions` maps the names of `vta.hw.counters` (without the unit) to signals, most telling first; the
    last one must be constant 1, so that each cycle has a name. `running` is 0 once the unit has no
    further work in this run. Bits of `states` are in the order of `STATES[unit]`.
    """
    names = [counter.name.removeprefix(f"{unit.name.lower()}_") for counter in STATES[unit]]
    assert set(names) == {*conditions, "idle"}, f"{unit.name}: {sorted(names)} against {sorted(conditions)}"
    with m.If(~running):
        m.d.comb += states[names.index("idle")].eq(1)
    for name, condition in conditions.items():
        with m.Elif(condition):
            m.d.comb += states[names.index(name)].eq(1)
