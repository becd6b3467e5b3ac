"""The AXI memory model: cocotb_axi_memory.py and _rules.py in the simulator, at the narrowest and the widest bus."""

import dataclasses
import subprocess
from xml.etree import ElementTree

import pytest
from repository import SUPPORT

from vta.hw.config import PRESETS
from vta.sim.cosim.build import build

pytestmark = pytest.mark.rtl
MODULES = ("cocotb_axi_memory", "cocotb_axi_rules")


@pytest.mark.parametrize("width", [64, 512])
def test_bench(width, tmp_path):
    config = dataclasses.replace(PRESETS["default"], axi_data_width=width)
    program = build(config, "", top="axi_memory_port")
    results = tmp_path / "results.xml"
    environment = program.environment(",".join(MODULES)) | {"COCOTB_RESULTS_FILE": str(results)}
    environment["PYTHONPATH"] += f":{SUPPORT}"
    run = subprocess.run([program.executable], env=environment, cwd=tmp_path, capture_output=True,
                         text=True)
    assert results.exists(), run.stdout[-2000:] + run.stderr[-2000:]
    cases = ElementTree.parse(results).findall(".//testcase")
    failed = [case.get("name") for case in cases
              if case.find("failure") is not None or case.find("error") is not None]
    assert not failed, f"{failed}\n{run.stdout[-4000:]}"
    assert {case.get("classname") for case in cases} == set(MODULES)
    assert len(cases) > 20
