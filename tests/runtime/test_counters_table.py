"""The table of counters."""

import pytest

from vta.hw.counters import STATES
from vta.hw.isa import Unit
from vta.runtime.counters_table import advice, table
from vta.runtime.device import RunResult


@pytest.fixture
def result():
    counters = {state.name: 0 for unit in Unit for state in STATES[unit]}
    counters |= {"compute_gemm": 750, "compute_wait_l2g": 200, "compute_wait_uop": 50, "gemm_steps": 750,
                 "load_busy": 1000, "fetch_idle": 1000}
    return RunResult(1000, counters, {}, 0.1, {"gemm_counter": 750, "alu_counter": 0})


def test_every_unit_that_has_states(result):
    lines = table(result)
    assert lines[:3] == ["fetch    idle 1000 (100.0%)", "load     busy 1000 (100.0%)",
                         "compute  gemm 750 (75.0%), wait_l2g 200 (20.0%), wait_uop 50 (5.0%)"]
    assert lines[3].split() == ["gemm_steps", "750", "gemm_counter", "750"]


def test_advice_is_about_the_largest_loss(result):
    name, share, words = advice(result)
    assert (name, share) == ("compute_wait_l2g", 0.2) and "memory bound" in words
    assert advice(RunResult(1000, {"compute_gemm": 1000}, {}, 0.1)) is None


def test_without_cycles_only_events(result):
    result.cycles = None
    assert len(table(result)) == 1 and advice(result) is None
