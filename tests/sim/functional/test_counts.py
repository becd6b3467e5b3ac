"""The event counters of the functional simulator."""

import numpy as np

from vta.hw.columns import Columns
from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS
from vta.sim.functional.counts import event_counts


def test_every_event_is_counted_unless_it_depends_on_the_memory_interface():
    """A new event is counted in sim/functional/counts.py too, so that both devices can be compared."""
    counted = event_counts(Columns(np.empty((0, 2), np.uint64), PRESETS["default"]), np.array([], int))
    events = {counter.name for counter in COUNTERS if counter.kind == "event"}
    assert events - counted.keys() == {"read_beats", "read_bursts", "write_beats", "write_bursts"}
