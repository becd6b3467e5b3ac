"""`vta registers`, `vta ip`, `vta bitstream`: what they write, and their messages when something is missing."""

import json

import pytest
from top_ports import top_verilog

from vta.cli import main
from vta.hw.boards import BOARDS
from vta.hw.export import regdoc, verilog


@pytest.fixture
def fake_rtl(monkeypatch):
    monkeypatch.setattr(verilog, "vta_verilog", top_verilog)


@pytest.mark.parametrize("kind, start", [("md", "# Registers"), ("counters", "# Performance counters"),
                                         ("c", "/* SPDX"), ("ipxact", "<?xml"), ("json", "{")])
def test_registers(kind, start, capsys, tmp_path):
    assert main(["registers", "--format", kind]) == 0
    text = capsys.readouterr().out
    assert text.startswith(start)
    assert main(["registers", "--format", kind, "--out", str(tmp_path / "file")]) == 0
    assert (tmp_path / "file").read_text() == text


def test_registers_default_is_the_page(capsys):
    main(["registers"])
    assert capsys.readouterr().out == regdoc.registers_markdown()


def test_ip_of_all_boards(fake_rtl, tmp_path, capsys):
    assert main(["ip", "--all", "--out", str(tmp_path)]) == 0
    for board in BOARDS.values():
        assert (tmp_path / board.name / "component.xml").exists()
        assert (tmp_path / board.name / "vta.v").read_text() == top_verilog(board.config)
    assert len(capsys.readouterr().out.splitlines()) == len(BOARDS)


def test_bitstream_without_vivado(fake_rtl, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["bitstream", "--board", "kv260", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vta: no vivado on PATH") and said.count("\n") == 1
    manifest = json.loads((tmp_path / "1x16_i8w8a32_15_15_18_17.json").read_text())
    assert manifest["board"] == "kv260" and manifest["timing"]["met"] is None
    assert main(["bitstream", "--board", "kv260", "--out", str(tmp_path), "--scripts-only"]) == 0


def test_missed_timing(fake_rtl, tmp_path, capsys, monkeypatch):
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\nprintf 'wns_ns -2.5\\nwhs_ns 0.1\\nvivado 2022.1\\n' > timing.txt\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert main(["bitstream", "--board", "pynq-z2", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("vta: timing is not met at 100 MHz: ") and "80 MHz: try --clock-mhz 78" in said
    manifest = json.loads((tmp_path / "1x16_i8w8a32_15_15_18_17.json").read_text())
    assert manifest["timing"] == {"met": False, "wns_ns": -2.5, "whs_ns": 0.1}


def test_clock_reaches_the_settings(fake_rtl, tmp_path):
    main(["bitstream", "--board", "pynq-z1", "--out", str(tmp_path), "--scripts-only", "--clock-mhz", "77"])
    assert "{CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ} {77}" in (tmp_path / "settings.tcl").read_text()


@pytest.mark.parametrize("arguments, message", [
    (["bitstream"], "which board? --board pynq-z1|"),
    (["bitstream", "--board", "nonesuch"], "no board 'nonesuch'"),
    (["bitstream", "--board", "kv260", "--clock-mhz", "1000"], "--clock-mhz 1000: must be 10 to 500"),
    (["ip", "--config", "nothing.json"], "no configuration 'nothing.json'"),
])
def test_mistakes_are_one_line(arguments, message, capsys):
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("vta: ") and message in said and said.count("\n") == 1
