"""The table of the clock: cycles become milliseconds of the estimated period."""

from types import SimpleNamespace

from vta import clock
from vta.hw.config import PRESETS
from vta.sim.area import Area
from vta.sim.timing.netlist import Signal


def test_table():
    worst = SimpleNamespace(start=Signal("core.a", "x[1]"), end=Signal("core.b", "y"), pin="CE", depth=7)
    report = SimpleNamespace(ns=12.5, mhz=80.0, worst=worst)
    area = Area(lut=12345, lutram=1, ff=2, dsp=3, ramb36=4, ramb18=5)
    head, _, with_cycles, without = clock.table([
        clock.Row(PRESETS["default"], area, report, 400_000, 2_000_000),
        clock.Row(PRESETS["tiny"], area, report)]).splitlines()
    assert head.count("|") == with_cycles.count("|") == without.count("|") == len(clock.COLUMNS) + 1
    assert with_cycles == ("| default | 12.5 | 80.0 | 7 | `core.a.x[1]` to `core.b.y.CE` | 400,000 | 5.00 | "
                           "2,000,000 | 25.00 | 12,345 | 2 | 3 | 4 | 5 |")
    assert without.startswith("| tiny | 12.5 |") and "|  |  |  |  | 12,345" in without


def test_configurations_are_those_of_the_area_table():
    names = [config.name for config in clock.area_configurations()]
    assert "wide" not in names and names[-1] == "2x16" and {"default", "pynq", "tiny"} <= set(names)


def test_cycles_are_left_out_where_tiles_differ(monkeypatch):
    monkeypatch.setattr(clock, "synthesise", lambda config: None)
    monkeypatch.setattr(clock, "area_of_synthesis", lambda synthesis: None)
    monkeypatch.setattr(clock, "estimate", lambda synthesis: None)
    monkeypatch.setattr(clock, "layer_cycles", lambda config, convolutions: (1, 2))
    assert clock.row(PRESETS["tiny"]).by_hand is None
    assert clock.row(PRESETS["pynq"]).convolutions == 2 and clock.row(PRESETS["pynq"], cycles=False).by_hand is None
