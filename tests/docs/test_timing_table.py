"""The tables of docs/timing.md are those that `vta timing` writes, and agree with themselves."""

import re

import pytest
from repository import DOCS

from vta import clock
from vta.sim.timing import routed

PAGE = (DOCS / "timing.md").read_text()


def rows(mark):
    text = PAGE.split(f"<!-- vta:{mark} -->")[1]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith("| ")]


def test_estimates():
    head, *found = rows("timing")
    assert tuple(head) == clock.COLUMNS and {"default", "pynq", "tiny"} <= {row[0] for row in found}
    for row in found:
        ns, mhz = float(row[1]), float(row[2])
        assert ns * mhz == pytest.approx(1e3, rel=0.01)
        for cycles, ms in ((row[5], row[6]), (row[7], row[8])):
            assert bool(cycles) == bool(ms)
            if cycles:
                assert float(ms) == pytest.approx(int(cycles.replace(",", "")) * ns / 1e6, rel=0.01)


def test_routed():
    head, *found = rows("routed")
    assert tuple(head) == routed.COLUMNS and found
    for row in found:
        mhz, ns, cells, wires = map(float, row[2:6])
        assert mhz * ns == pytest.approx(1e3, rel=0.01) and cells + wires == pytest.approx(ns, rel=0.02)
    assert re.search(r"^Seed \d+: .* ns by the wire model", PAGE, re.MULTILINE)
