"""The table of roundings in docs/requantisation.md, against the slow reference and the simulator."""

import re

from repository import DOCS
from slow_reference import requantise as literal

from vta.hw.requantisation import PARAMETER_S, Rounding
from vta.sim.functional.requantise import Parameters, requantise

PAGE = (DOCS / "requantisation.md").read_text()


def test_table_of_roundings():
    """Quarters, by a multiplier of 1/2 and a shift of 1."""
    rows = re.findall(r"^\| (-?\d+) \| (-?[\d.]+) \|(.+)\|$", PAGE, re.MULTILINE)
    assert len(rows) >= 5 and f"| {' | '.join(mode.name for mode in Rounding)} |" in PAGE
    for total, quarter, results in rows:
        assert int(total) / 4 == float(quarter)
        for mode, result in zip(Rounding, results.split("|"), strict=True):
            word = PARAMETER_S.const({"shift": 1, "rounding": mode}).as_value().value
            assert literal(int(total), False, 1 << 30, 0, word, (-128, 127)) == int(result)
            assert requantise([int(total)], Parameters.from_words(1 << 30, 0, word)) == int(result)


def test_every_rounding_has_a_row():
    assert all(f"\n| {mode.name} |" in PAGE for mode in Rounding)
