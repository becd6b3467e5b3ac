"""From Verilog to bitstream: the folder that Vivado works in, its stages, and the manifest of the result.

The stages are the scripts in `hw/export/tcl/`, copied unchanged; what depends on board or configuration is in
`settings.tcl`, written from the board table. Nothing in the folder needs an edit.
"""

import hashlib
import json
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path

from vta.hw.boards import VLNV, bitstream_name, check_board
from vta.hw.export import ipxact
from vta.hw.registers import ADDRESS_BITS

STAGES = ("package", "block_design", "synthesis", "implementation", "bitstream")
DESIGN = "vta_system"
OLDEST = "2020.2"                # the first whose SmartConnect and .hwh file are as the scripts expect


class VivadoError(RuntimeError):
    """Vivado is missing, or a stage of it failed."""


def settings(board, config, verilog):
    """{name: value} of settings.tcl; values are strings or flat lists of words."""
    family = board.family
    axi = ipxact.axi_interfaces(ipxact.verilog_ports(verilog))
    ports = sorted(name for name in axi if name.startswith("m_"))
    memory, switches = [], {}
    for n, port in enumerate(ports):
        names = {"n": n, "gp": n + 2}            # S_AXI_HP0_FPD of a Zynq UltraScale+ is its slave port GP2
        memory += [port, family.memory.format(**names), family.memory_clock.format(**names)]
        switches |= {key.format(**names): value for key, value in family.port_settings.items()}
    switches |= {key: value.format(mhz=board.clock_mhz) for key, value in family.settings.items()}
    return {
        "name": DESIGN, "board": board.name, "part": board.part, "board_part": board.board_part,
        "vlnv": VLNV, "bitstream": bitstream_name(config),
        "ps_cell": family.cell, "ps_clock": family.clock, "ps_reset": family.reset,
        "ps_interrupt": family.interrupt, "ps_control": family.control,
        "ps_control_clock": family.control_clock, "ps_automation": family.automation,
        "ps_settings": _properties(switches), "ps_fallback": _properties(board.ps), "memory_ports": memory,
        "memory_bridge": memory_bridge(board, config),
        "control_base": f"0x{board.control_base:08X}", "control_range": f"0x{1 << ADDRESS_BITS:X}",
        "interrupt_base": f"0x{board.interrupt_base:08X}", "dram_range": f"0x{board.dram_bytes:X}",
    }


def memory_bridge(board, config):
    """What connects a memory port: the small AXI3 converter where no burst needs splitting, else a SmartConnect."""
    fits = config.max_burst <= board.dram.burst
    return "axi_protocol_converter" if board.family.memory_protocol == "AXI3" and fits else "smartconnect"


def write_folder(board, config, verilog, folder):
    """Write IP package, settings and stage scripts to `folder`; return the package's folder.

    Results of an earlier build are removed. Raises BoardError where the board does not support the configuration.
    """
    check_board(board, config)
    for suffix in (".bit", ".hwh", ".xsa"):
        (folder / (bitstream_name(config) + suffix)).unlink(missing_ok=True)
    (folder / "timing.txt").unlink(missing_ok=True)
    package = write_package(config, verilog, folder / "ip")
    lines = [f"# VTA on {board.title}: made from the board table, hw/boards.py"]
    lines += [f"set vta({name}) {_word(value)}" for name, value in settings(board, config, verilog).items()]
    (folder / "settings.tcl").write_text("\n".join(lines) + "\n")
    for script in ("common", *STAGES):
        (folder / f"{script}.tcl").write_text(script_text(script))
    return package


def write_package(config, verilog, folder):
    """Write the IP package (component.xml and Verilog) of `config` to `folder`; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vta.v").write_text(verilog)
    (folder / "component.xml").write_text(ipxact.component_xml(config, verilog))
    return folder


def script_text(name):
    return resources.files("vta.hw.export").joinpath("tcl", f"{name}.tcl").read_text()


def find_vivado():
    """The path of `vivado`; VivadoError where it is missing."""
    path = shutil.which("vivado")
    if path is None:
        raise VivadoError(f"no vivado on PATH: install AMD Vivado {OLDEST} or newer (its free edition has "
                          "the devices of all boards here), then `source <Vivado>/settings64.sh`")
    return path


def run_stages(folder, report=print):
    """Run all stages in `folder`, one Vivado process each; `report` gets a line for every stage."""
    vivado = find_vivado()
    for n, stage in enumerate(STAGES, 1):
        log = f"{n}_{stage}.log"
        report(f"{n}/{len(STAGES)} {stage}: log in {folder / log}")
        done = subprocess.run([vivado, "-mode", "batch", "-notrace", "-nojournal", "-log", log,
                               "-source", f"{stage}.tcl"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            errors = re.findall(r"^(?:vta: |ERROR: ?).*", done.stdout + done.stderr, re.M)
            raise VivadoError(f"stage {stage} failed: {errors[0] if errors else f'see {folder / log}'}")


def manifest(board, config, verilog, folder):
    """The manifest of a bitstream: configuration, hash, source, tools, timing.

    `timing.met` is None before implementation.
    """
    results = folder / "timing.txt"
    found = dict(line.split() for line in results.read_text().splitlines()) if results.exists() else {}
    slack = {name: float(found[name]) for name in ("wns_ns", "whs_ns") if name in found}
    bit = folder / f"{bitstream_name(config)}.bit"
    return {
        "board": board.name, "part": board.part, "clock_mhz": board.clock_mhz,
        "bitstream": bitstream_name(config),
        "bitstream_sha256": _sha256(bit.read_bytes()) if bit.exists() else None,
        "configuration": config.to_dict() | {"name": config.name}, "hash": f"0x{config.hash:08x}", "vlnv": VLNV,
        "verilog_sha256": _sha256(verilog.encode()), "source_revision": source_revision(),
        "vivado": found.get("vivado"),
        "timing": {"met": min(slack.values()) >= 0 if len(slack) == 2 else None, **slack},
    }


def timing_advice(values):
    """What to do about the timing in a manifest that is not met, as one line."""
    timing, mhz = values["timing"], values["clock_mhz"]
    setup, hold = timing["wns_ns"], timing["whs_ns"]
    lines = []
    if setup < 0:
        reached = 1000 / (1000 / mhz - setup)
        lines.append(f"the longest path is {-setup:.3f} ns too long (WNS {setup} ns), so this run would do for "
                     f"{reached:.0f} MHz: try --clock-mhz {max(int(0.98 * reached), 10)}, or another implementation "
                     "strategy in implementation.tcl; timing_summary.txt has the paths")
    if hold < 0:
        lines.append(f"hold is violated (WHS {hold} ns), which no clock frequency mends: see timing_summary.txt")
    return f"timing is not met at {mhz} MHz: " + "; ".join(lines)


def write_manifest(values, path):
    path.write_text(json.dumps(values, indent=2) + "\n")


def source_revision():
    """`git describe` of the sources, "-dirty" if changed; None outside of a repository."""
    file = Path(__file__)

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=file.parent, capture_output=True, text=True)

    try:
        if git("ls-files", "--error-unmatch", file.name).returncode:
            return None                          # an installed copy: the repository around it is another one
        return git("describe", "--always", "--dirty", "--abbrev=12").stdout.strip()
    except OSError:                              # no git
        return None


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


def _properties(values):
    """Settings in Vivado's form: CONFIG.name value ..."""
    return [word for name, value in values.items() for word in (f"CONFIG.{name}", value)]


def _word(value):
    """One Tcl word: a string in braces, or a list of such."""
    if isinstance(value, str):
        if re.search(r"[{}\\]", value):
            raise ValueError(f"{value!r} cannot be a Tcl setting")
        return f"{{{value}}}"
    return "{" + " ".join(_word(item) for item in value) + "}"
