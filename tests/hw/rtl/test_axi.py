"""hw/rtl/axi.py: bus constants; the AXI units on an independent AXI memory, in Verilator."""

import dataclasses
import subprocess
from xml.etree import ElementTree

import pytest
from axi_mover import Mover
from repository import SUPPORT

from vta.hw.config import PRESETS
from vta.hw.export.verilog import to_verilog
from vta.hw.rtl.axi import CONSTANTS, ID_BITS, bus_log, lite_signature, read_signature, write_signature
from vta.hw.rtl.interfaces import burst_layout
from vta.sim.cosim.build import build


@pytest.mark.parametrize("width, log", [(64, 3), (128, 4), (256, 5), (512, 6)])
def test_widths_follow_the_configuration(width, log):
    config = dataclasses.replace(PRESETS["default"], axi_data_width=width, axi_addr_width=64)
    read, write = read_signature(config).members, write_signature(config).members
    assert bus_log(config) == log
    assert read["rdata"].shape == write["wdata"].shape == width and write["wstrb"].shape == width // 8
    assert read["araddr"].shape == write["awaddr"].shape == 64 and burst_layout(config)["addr"].shape == 64
    assert read["arid"].shape == write["awid"].shape == ID_BITS
    assert lite_signature(12).members["awaddr"].shape == 12
    assert CONSTANTS["burst"] == 1                     # INCR


@pytest.mark.rtl
@pytest.mark.parametrize("width", [64])
def test_masters_on_an_independent_memory(width, tmp_path):
    """cocotb_axi_masters.py: under no, cyclic and random stalls of all five channels."""
    config = dataclasses.replace(PRESETS["default"], axi_data_width=width)
    program = build(config, to_verilog(Mover(config), "mover"), top="mover")
    results = tmp_path / "results.xml"
    environment = program.environment("cocotb_axi_masters") | {"COCOTB_RESULTS_FILE": str(results)}
    environment["PYTHONPATH"] += f":{SUPPORT}"
    run = subprocess.run([program.executable], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert results.exists(), run.stdout[-2000:] + run.stderr[-2000:]
    cases = ElementTree.parse(results).findall(".//testcase")
    failed = [case.get("name") for case in cases
              if case.find("failure") is not None or case.find("error") is not None]
    assert not failed, f"{failed}\n{run.stdout[-4000:]}"
    assert len(cases) == 4
