"""The counters of a run as a printed table: where each unit's cycles went, and what the stream did."""

from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Unit

COLUMNS = 3


def table(result):
    """The lines of the table: states, on devices with cycles, and events; zeros are omitted."""
    return [*_states(result), *_events(result)]


def _states(result):
    lines = []
    for unit in Unit:
        there = [(c, result.counters.get(c.name, 0)) for c in STATES[unit]]
        if not result.cycles or not any(count for _, count in there):
            continue
        prefix = f"{unit.name.lower()}_"
        parts = [f"{c.name.removeprefix(prefix)} {count} ({count / result.cycles:.1%})"
                 for c, count in there if count]
        lines.append(f"{unit.name.lower():<8} " + ", ".join(parts))
    return lines


def _events(result):
    counts = {c.name: result.counters.get(c.name) for c in COUNTERS if c.kind == "event"} | result.stats
    shown = [f"{name:<16}{count:>12}" for name, count in counts.items() if count]
    return ["    ".join(shown[n:n + COLUMNS]) for n in range(0, len(shown), COLUMNS)]


def advice(result):
    """The largest loss of cycles in compute: (counter name, share of the run, what to do), or None."""
    losses = [c for c in STATES[Unit.COMPUTE] if c.advice and result.counters.get(c.name)]
    if not result.cycles or not losses:
        return None
    worst = max(losses, key=lambda c: result.counters[c.name])
    return worst.name, result.counters[worst.name] / result.cycles, worst.advice
