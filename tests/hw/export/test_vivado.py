"""The Vivado folder of every board is complete, and its Tcl runs in a stand-in that knows blocks and pins."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from repository import SUPPORT
from top_ports import top_verilog

from vta.hw.boards import BOARDS, VLNV, ZYNQ, BoardError, bitstream_name, check_board, find_board
from vta.hw.config import PRESETS
from vta.hw.export import ipxact, vivado

needs_tcl = pytest.mark.skipif(shutil.which("tclsh") is None, reason="no tclsh")


def blocks(board, component):
    """{vlnv: (pins, interfaces, segments)} of every IP in the design; VTA's from its component.xml."""
    zynq = board.family is ZYNQ
    ports = range(board.config.axi_ports)
    if zynq:
        ps = ({"FCLK_CLK0": "out", "FCLK_RESET0_N": "out", "IRQ_F2P": "in", "M_AXI_GP0_ACLK": "clock"}
              | {f"S_AXI_HP{n}_ACLK": "clock" for n in ports},
              {"M_AXI_GP0": "master"} | {f"S_AXI_HP{n}": "slave" for n in ports},
              {f"S_AXI_HP{n}": [f"HP{n}_DDR_LOWOCM"] for n in ports})
    else:
        ps = ({"pl_clk0": "out", "pl_resetn0": "out", "pl_ps_irq0": "in", "maxihpm0_fpd_aclk": "clock"}
              | {f"saxihp{n}_fpd_aclk": "clock" for n in ports},
              {"M_AXI_HPM0_FPD": "master"} | {f"S_AXI_HP{n}_FPD": "slave" for n in ports},
              {f"S_AXI_HP{n}_FPD": [f"HP{n}_DDR_LOW", f"HP{n}_LPS_OCM", f"HP{n}_QSPI"] for n in ports})
    bridge = ({"aclk": "clock", "aresetn": "reset"}, {"S_AXI": "slave", "M_AXI": "master"}, {})
    name = "processing_system7:5.5" if zynq else "zynq_ultra_ps_e:3.4"
    return {
        f"xilinx.com:ip:{name}": ps,
        "xilinx.com:ip:proc_sys_reset:5.0": (
            {"slowest_sync_clk": "clock", "ext_reset_in": "reset", "interconnect_aresetn": "out",
             "peripheral_aresetn": "out"}, {}, {}),
        "xilinx.com:ip:axi_intc:4.1": (
            {"s_axi_aclk": "clock", "s_axi_aresetn": "reset", "intr": "in", "irq": "out"},
            {"s_axi": "slave"}, {"s_axi": ["Reg"]}),
        "xilinx.com:ip:axi_register_slice:2.1": bridge,
        "xilinx.com:ip:axi_protocol_converter:2.1": bridge,
        "xilinx.com:ip:smartconnect:1.0": ({"aclk": "clock", "aresetn": "reset"}, {}, {}),
        VLNV: vta_block(component),
    }


def vta_block(component):
    root = ET.fromstring(component)
    spirit = {"s": ipxact.SPIRIT}
    pins, interfaces, segments = {}, {}, {}
    for bus in root.iterfind("s:busInterfaces/s:busInterface", spirit):
        name = bus.findtext("s:name", namespaces=spirit)
        kind = bus.find("s:busType", spirit).get(f"{{{ipxact.SPIRIT}}}name")
        master = bus.find("s:master", spirit) is not None
        if kind == "aximm":
            interfaces[name] = "master" if master else "slave"
            segments[name] = [] if master else ["registers"]
        else:
            pins[name] = {"interrupt": "out", "clock": "clock", "reset": "reset"}[kind]
    return pins, interfaces, segments


def tcl(value):
    if isinstance(value, dict):
        value = [word for pair in value.items() for word in pair]
    return value if isinstance(value, str) else " ".join(f"{{{tcl(item)}}}" for item in value)


def run_stage(folder, stage, board, known_board=True, progress="100%", check=""):
    """Run one stage in the stand-in; return the finished process."""
    component = (folder / "ip" / "component.xml").read_text()
    lines = [f"source {{{SUPPORT / 'fake_vivado.tcl'}}}", f"set ::progress {{{progress}}}",
             f"set ::run_directory {{{folder}}}",
             f"set ::max_burst {board.config.max_burst}",
             f"set ::board_parts {{{board.board_part.replace('*', 'x') if known_board else ''}}}"]
    lines += [f"set ::block({vlnv}) {{{tcl(block)}}}" for vlnv, block in blocks(board, component).items()]
    if board.family is ZYNQ:
        lines += [f"set ::protocol(ps/S_AXI_HP{n}) AXI3" for n in range(4)]
    lines += [f"source {{{folder / stage}.tcl}}", check]
    script = folder / "drive.tcl"
    script.write_text("\n".join(lines))
    return subprocess.run(["tclsh", script], capture_output=True, text=True, timeout=60)


def make(board, tmp_path, **changes):
    config = replace(board.config, **changes)
    vivado.write_folder(board, config, top_verilog(config), tmp_path)
    return config


@needs_tcl
@pytest.mark.parametrize("known", [True, False], ids=["board files", "no board files"])
@pytest.mark.parametrize("name", BOARDS)
def test_block_design(name, known, tmp_path):
    board = BOARDS[name]
    make(board, tmp_path)
    check = f"""
set end [format 0x%08X [expr {{[lindex $::mapped(ps/Data,vta/s_axi/registers) 0]}}]]
puts "registers $end"
foreach key [array names ::mapped vta/*] {{ puts "dram $key $::mapped($key)" }}
puts "clock $::driven(vta/aclk) reset $::driven(vta/aresetn)"
puts "ps $::settings(ps)"
must [expr {{$::joined(vta/s_axi) eq "control/M00_AXI"}}] wires
must [expr {{$::joined(vta/m_axi) eq "slice_m_axi/S_AXI"}}] wires
puts "bridge $::ip(memory_m_axi)"
must [expr {{$::cell(vta) eq "{VLNV}"}}] vlnv
"""
    done = run_stage(tmp_path, "block_design", board, known, check=check)
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert f"registers 0x{board.control_base:08X}" in out
    assert f"0x0 0x{board.dram_bytes:X}" in out and "reset reset/peripheral_aresetn" in out
    bridge = "axi_protocol_converter" if board.family is ZYNQ else "smartconnect"
    assert f"bridge xilinx.com:ip:{bridge}:" in out
    crystal = next(iter(board.ps))
    assert (crystal in out) is not known, "the table's settings are for Vivados without the board's files"
    assert f"{board.clock_mhz}" in out


@needs_tcl
@pytest.mark.parametrize("name", ["pynq-z2", "zcu104"])
def test_several_memory_ports(name, tmp_path, monkeypatch):
    board = BOARDS[name]
    config = make(board, tmp_path, axi_ports=4)
    monkeypatch.setattr(type(board), "config", config)
    done = run_stage(tmp_path, "block_design", board,
                     check="foreach key [array names ::mapped vta/*] { puts $key=$::mapped($key) }")
    assert done.returncode == 0, done.stderr
    assert sum("=0x0 " in line for line in done.stdout.splitlines()) == 4


@needs_tcl
@pytest.mark.parametrize("bridge", ["smartconnect", "axi_protocol_converter"])
def test_bursts_that_an_axi3_port_splits(bridge, tmp_path, monkeypatch):
    board = BOARDS["pynq-z2"]
    config = make(board, tmp_path, max_burst=32)
    monkeypatch.setattr(type(board), "config", config)
    settings = tmp_path / "settings.tcl"
    text = settings.read_text()
    assert "set vta(memory_bridge) {smartconnect}" in text
    settings.write_text(text.replace("{smartconnect}", f"{{{bridge}}}"))
    done = run_stage(tmp_path, "block_design", board)
    if bridge == "smartconnect":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode != 0 and "passes bursts of 32 beats on to AXI3" in done.stderr


@needs_tcl
@pytest.mark.parametrize("stage", ["package", "synthesis", "implementation", "bitstream"])
def test_other_stages(stage, tmp_path):
    board = BOARDS["pynq-z2"]
    config = make(board, tmp_path)
    handoff = tmp_path / "project" / f"{vivado.DESIGN}.gen/sources_1/bd/{vivado.DESIGN}/hw_handoff"
    handoff.mkdir(parents=True)
    (handoff / f"{vivado.DESIGN}.hwh").write_text("<hwh/>")
    (tmp_path / f"{vivado.DESIGN}_wrapper.bit").write_bytes(b"bits")
    done = run_stage(tmp_path, stage, board)
    assert done.returncode == 0, done.stderr
    made = {"synthesis": ["utilization_synthesis.txt"],
            "implementation": ["timing.txt", "timing_summary.txt"],
            "bitstream": [bitstream_name(config) + suffix for suffix in (".bit", ".hwh", ".xsa")]}
    assert all((tmp_path / name).exists() for name in made.get(stage, []))


@needs_tcl
def test_failed_run_says_so(tmp_path):
    board = BOARDS["pynq-z2"]
    make(board, tmp_path)
    done = run_stage(tmp_path, "implementation", board, progress="42%")
    assert done.returncode == 1 and "vta: impl_1 ended with 'route_design ERROR'" in done.stderr


@needs_tcl
@pytest.mark.parametrize("old, new, message", [
    ("vta/s_axi]", "vta/s_axl]", "has no interface called s_axl"),
    ("vta/interrupt]", "vta/irq]", "has no pin called irq"),
    ("create_bd_design", "create_block_design", "invalid command name"),
    ("lappend clocked slice_$master/aclk ", "lappend clocked ", "aclk is open"),
    ("CONFIG.MI_PROTOCOL AXI3", "CONFIG.MI_PROTOCOL AXI4", "memory_m_axi converts"),
    ("[get_bd_intf_pins slice_$master/M_AXI] [get_bd_intf_pins $bridge/$from]",
     "[get_bd_intf_pins slice_$master/M_AXI] [get_bd_intf_pins ps/$slave]", "is connected twice"),
    ("[latest_ip $vta(memory_bridge)]", "[latest_ip axi_register_slice]", "AXI3 slave ps/S_AXI_HP0 behind"),
])
def test_the_stand_in_notices_mistakes(old, new, message, tmp_path):
    board = BOARDS["pynq-z2"]
    make(board, tmp_path)
    script = tmp_path / "block_design.tcl"
    assert old in script.read_text()
    script.write_text(script.read_text().replace(old, new))
    done = run_stage(tmp_path, "block_design", board)
    assert done.returncode != 0 and message in done.stderr


def test_manifest(tmp_path):
    board = BOARDS["pynq-z1"]
    config = make(board, tmp_path)
    text = top_verilog(config)
    values = vivado.manifest(board, config, text, tmp_path)
    assert values["timing"] == {"met": None} and values["bitstream_sha256"] is None
    (tmp_path / "timing.txt").write_text("wns_ns -0.100\nwhs_ns 0.02\nvivado 2022.1\n")
    (tmp_path / "1x16_i8w8a32_15_15_18_17.bit").write_bytes(b"bits")
    values = vivado.manifest(board, config, text, tmp_path)
    assert values["timing"] == {"met": False, "wns_ns": -0.1, "whs_ns": 0.02}
    assert values["hash"] == f"0x{config.hash:08x}" and values["vivado"] == "2022.1"
    vivado.write_manifest(values, tmp_path / "manifest.json")
    assert json.loads((tmp_path / "manifest.json").read_text()) == values
    vivado.write_folder(board, config, text, tmp_path)
    assert vivado.manifest(board, config, text, tmp_path)["timing"] == {"met": None}, "a stale result"


@pytest.mark.parametrize("wns, whs, said, unsaid", [
    (-1.5, 0.02, r"1\.500 ns too long \(WNS -1\.5 ns\), so this run would do for 87 MHz: try --clock-mhz 85", "hold"),
    (0.1, -0.02, r"hold is violated \(WHS -0\.02 ns\), which no clock frequency mends", "clock-mhz"),
    (-0.5, -0.1, r"WNS -0\.5 ns.*WHS -0\.1 ns", "nonesuch")])
def test_timing_advice(wns, whs, said, unsaid):
    advice = vivado.timing_advice({"clock_mhz": 100, "timing": {"wns_ns": wns, "whs_ns": whs}})
    assert re.search(r"^timing is not met at 100 MHz: .*" + said, advice) and unsaid not in advice


def test_source_revision(tmp_path, monkeypatch):
    copy = tmp_path / "vivado.py"
    copy.write_text("")
    monkeypatch.setattr(vivado, "__file__", str(copy))
    assert vivado.source_revision() is None, "in no repository"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert vivado.source_revision() is None, "in another project's repository"
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
    subprocess.run(["git", "-C", tmp_path, *identity, "commit", "-q", "-m", "x"], check=True)
    assert len(vivado.source_revision()) == 12
    copy.write_text("changed")
    assert vivado.source_revision().endswith("-dirty")


def test_refusals():
    with pytest.raises(BoardError, match=r"no board 'nonesuch'; there are pynq-z1, .*kv260"):
        find_board("nonesuch")
    with pytest.raises(BoardError, match="axi_addr_width = 64"):
        check_board(BOARDS["kv260"], replace(PRESETS["zcu104"], axi_addr_width=64))


def test_without_vivado(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(vivado.VivadoError, match=r"no vivado on PATH: install .*/settings64\.sh"):
        vivado.run_stages(tmp_path)


def test_stages_run_in_order_and_stop_at_the_first_failure(tmp_path, monkeypatch):
    tool = tmp_path / "vivado"
    tool.write_text("#!/bin/sh\nfor last; do :; done\necho $last >> ran\n"
                    "[ $last != synthesis.tcl ] || { echo 'ERROR: [Synth 8-1] no licence'; exit 1; }\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    said = []
    with pytest.raises(vivado.VivadoError, match=r"stage synthesis failed: ERROR: \[Synth 8-1\] no licence"):
        vivado.run_stages(tmp_path, said.append)
    assert (tmp_path / "ran").read_text().split() == ["package.tcl", "block_design.tcl", "synthesis.tcl"]
    assert [line.split()[0] for line in said] == ["1/5", "2/5", "3/5"]
