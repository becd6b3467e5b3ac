"""An ALU opcode added to `AluOp` alone: every place that must implement it refuses to work, and names it."""

import os
import subprocess
import sys

import pytest
from repository import SUPPORT

EXTENDED = """
import vta.hw.isa as isa
isa.AluOp = isa._Code("AluOp", {op.name: (op.value, op.feature) for op in isa.AluOp} | {"CLP": (NUMBER, None)})
isa.LANE_OPS = tuple(op for op in isa.AluOp if op.feature is None)
"""


def run(code, number=8):
    """A Python process in which AluOp has one more member, CLP, before anything imports it; 8 is never taken."""
    return subprocess.run([sys.executable, "-c", EXTENDED.replace("NUMBER", str(number)) + code], capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": str(SUPPORT)})


LANE = "from amaranth.hdl import Fragment; from vta.hw.rtl.alu import AluLane; Fragment.get(AluLane(), None)"


@pytest.mark.parametrize("code, where", [
    (LANE, "AluLane"),
    ("import vta.sim.functional.alu", "vta.sim.functional.alu"),
    ("import vta.compiler.passes.alu", "vta.compiler.passes.alu"),
    ("import slow_reference", "slow_reference"),
], ids=lambda value: value.split(".")[-1])
def test_what_lacks_it_fails_at_once(code, where):
    done = run(code)
    assert done.returncode and f"NotImplementedError: {where} does not implement CLP" in done.stderr


def test_fuzzing_no_longer_takes_it_for_unknown():
    done = run("from vta.fuzz.hostile import _unused; assert 7 not in _unused(isa.AluOp.of(isa.Config()))", 7)
    assert done.returncode == 0, done.stderr
