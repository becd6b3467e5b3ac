"""`vta bitstream --flow ecp5`: what it writes, what it names as missing, what its manifest says."""

import dataclasses
import json

import pytest
from top_ports import top_verilog

from vta.cli import main
from vta.hw.boards import LITEX_BOARDS, BoardError
from vta.hw.export import verilog
from vta.sim import open_flow
from vta.sim.cosim.toolchain import ToolchainError

[BOARD] = LITEX_BOARDS.values()
REPORT = {"fmax": {"sys": {"achieved": 50.1, "constraint": 50.0}, "init": {"achieved": 90.0, "constraint": 25.0}}}


@pytest.fixture(autouse=True)
def fake_rtl(monkeypatch):
    monkeypatch.setattr(verilog, "vta_verilog", top_verilog)


def command(tmp_path, *more):
    return main(["bitstream", "--flow", "ecp5", "--board", BOARD.name, "--out", str(tmp_path), *more])


def test_the_folder_has_the_boards_settings(tmp_path, capsys):
    assert command(tmp_path, "--scripts-only", "--clock-mhz", "40") == 0
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["clock_mhz"] == 40 and settings["target"] == BOARD.target
    assert (tmp_path / "vta.v").read_text() == top_verilog(BOARD.config)


def test_missing_packages_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(open_flow, "metadata_version", lambda name: "" if name in ("litedram", "liteeth") else "1")
    assert command(tmp_path) == 1
    assert "vta: missing: litedram, liteeth; pip install 'amaranth-vta[ecp5]'" in capsys.readouterr().err


def test_boards_of_the_other_flow_are_unknown(tmp_path, capsys):
    assert main(["bitstream", "--board", BOARD.name]) == 1
    assert f"no board '{BOARD.name}'" in capsys.readouterr().err
    assert main(["bitstream", "--flow", "ecp5", "--board", "pynq-z2"]) == 1
    assert f"no board 'pynq-z2'; there are {BOARD.name}" in capsys.readouterr().err
    assert main(["bitstream", "--flow", "ecp5", "--list"]) == 0
    assert capsys.readouterr().out.split()[0] == BOARD.name


@pytest.mark.parametrize("change", [dict(axi_ports=2), dict(axi_addr_width=64)])
def test_a_configuration_with_other_ports_is_refused(change, tmp_path):
    with pytest.raises(BoardError, match="ecpix-5 has one memory port with addresses of 32 bits"):
        open_flow.write_folder(BOARD, dataclasses.replace(BOARD.config, **change), "", tmp_path)


def test_a_failure_of_litex_is_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(open_flow, "metadata_version", lambda name: "1")
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(ToolchainError, match=r"LiteX fails: .*JSONDecodeError"):
        open_flow.run(BOARD, BOARD.config, "", tmp_path)


@pytest.mark.parametrize("mhz, met", [(50.1, True), (49.9, False)])
def test_the_manifest_says_whether_timing_is_met(mhz, met):
    report = {"fmax": REPORT["fmax"] | {"sys": {"achieved": mhz, "constraint": 50.0}}}
    found = open_flow.manifest(BOARD, BOARD.config, report)
    assert found["timing"]["met"] is met and open_flow.clocks(found).startswith(f"sys {mhz} of 50.0 MHz, init 90.0")
    assert found["hash"] == f"0x{BOARD.config.hash:08x}"


def test_missed_timing_is_an_error(tmp_path, monkeypatch, capsys):
    slow = {"fmax": {"sys": {"achieved": 30.0, "constraint": 50.0}}}
    monkeypatch.setattr(open_flow, "run", lambda board, config, *_: open_flow.manifest(board, config, slow))
    assert command(tmp_path) == 1
    assert "timing is not met: sys 30.0 of 50.0 MHz; try --clock-mhz lower" in capsys.readouterr().err
