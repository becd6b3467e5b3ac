"""vta area: cells are counted as documented, the default configuration is within its limits, the table is replaced."""

import dataclasses
import re

import pytest
from repository import DOCS

from vta.cli import main
from vta.commands import area as command
from vta.hw.export.verilog import to_verilog
from vta.hw.rtl.tokens import TokenQueue
from vta.sim.area import LIMITS, Area, area_of, area_of_synthesis
from vta.sim.synthesis import XC7, synthesise_text


def test_cells_are_counted():
    cells = {"LUT2": 10, "LUT6": 20, "INV": 3, "RAM64M": 2, "SRL16E": 5, "FDRE": 7, "FDSE": 1, "CARRY4": 9,
             "DSP48E1": 4, "RAMB36E1": 6, "RAMB18E1": 3, "BUFG": 1}
    found = area_of(cells)
    assert found == Area(lut=33 + 13, lutram=13, ff=8, dsp=4, ramb36=6, ramb18=3)
    assert found.ramb36_equivalents == 8


@pytest.mark.parametrize("name", LIMITS)
def test_each_limit_is_kept(name):
    least = dict.fromkeys((field.name for field in dataclasses.fields(Area)), 0)
    key = "ramb36" if name == "ramb36_equivalents" else name
    assert Area(**least | {key: LIMITS[name]}).excess() == []
    assert Area(**least | {key: LIMITS[name] + 1}).excess() == [
        f"{name} = {LIMITS[name] + 1}, the limit is {LIMITS[name]}"]


def test_a_small_design():
    """Through Yosys: a queue of 7 tokens has two counters of 3 bits and three flags."""
    found = area_of_synthesis(synthesise_text(to_verilog(TokenQueue(7), "vta"), XC7, "tokens"))
    assert found.ff == 9 and 6 <= found.lut <= 40 and found.dsp == found.ramb36 == 0


def test_the_documented_default_fits():
    rows = [[cell.strip() for cell in line.strip("| \n").split("|")]
            for line in (DOCS / "area.md").read_text().splitlines() if line.startswith("| ")]
    assert tuple(rows[0]) == command.COLUMNS and len(rows) > 6
    row = dict(zip(command.COLUMNS, next(row for row in rows if row[0] == "default"), strict=True))
    count = {name: int(re.sub(",", "", row[name])) for name in ("LUT", "DSP48E1", "RAMB36", "RAMB18")}
    assert count["LUT"] <= LIMITS["lut"] and count["DSP48E1"] <= LIMITS["dsp"]
    assert count["RAMB36"] + (count["RAMB18"] + 1) // 2 <= LIMITS["ramb36_equivalents"]


@pytest.mark.parametrize("name", ["area", "bench"])
def test_a_file_without_marks_is_refused_before_the_work(name, tmp_path, monkeypatch, capsys):
    def work(*_, **__):
        raise AssertionError("the work has begun")
    monkeypatch.setattr("vta.clock.synthesise", work)
    monkeypatch.setattr("vta.runtime.device.open_device", work)
    (tmp_path / "page.md").write_text("no place")
    assert main([name, "--write", str(tmp_path / "page.md")]) == 1
    assert "page.md" in capsys.readouterr().err
