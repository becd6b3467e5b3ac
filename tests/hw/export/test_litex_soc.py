"""The accelerator's AXI ports meet LiteX's signals by name and width; the system is made where LiteX is installed."""

import json
import re
from types import SimpleNamespace

import pytest
from top_ports import top_verilog

from vta.hw.boards import LITEX_BOARDS
from vta.hw.export.ipxact import Port
from vta.hw.export.litex_soc import axi_pins, build


def bus(**signals):
    channels = {}
    for name, width in signals.items():
        channel, _, signal = name.partition("_")
        channels.setdefault(channel, SimpleNamespace())
        setattr(channels[channel], signal, list(range(width)))
    return SimpleNamespace(**channels)


def test_ports_meet_signals():
    ports = [Port("aclk", "in", 1), Port("s_axi_awaddr", "in", 12), Port("m_axi_wdata", "out", 64),
             Port("m_axi_rid", "in", 4)]
    pins = axi_pins(ports, {"s_axi": bus(aw_addr=32), "m_axi": bus(w_data=64, r_id=4)})
    assert {name: len(signal) for name, signal in pins.items()} == {
        "i_s_axi_awaddr": 12, "o_m_axi_wdata": 64, "i_m_axi_rid": 4}


@pytest.mark.parametrize("signals", [dict(w_data=32), dict(w_last=1)])
def test_a_signal_that_is_absent_or_too_narrow(signals):
    with pytest.raises(KeyError, match="m_axi_wdata: LiteX has no signal of 64 bits"):
        axi_pins([Port("m_axi_wdata", "out", 64)], {"m_axi": bus(**signals)})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")                    # of LiteX
def test_the_system_has_every_port_of_the_accelerator(tmp_path, monkeypatch):
    """Ten seconds of LiteX."""
    pytest.importorskip("litex_boards")
    [board] = LITEX_BOARDS.values()
    monkeypatch.chdir(tmp_path)
    text = top_verilog(board.config)
    (tmp_path / "vta.v").write_text(text)
    build({"name": "vta_system", "target": board.target, "device": board.device, "clock_mhz": board.clock_mhz,
           "control_base": board.control_base, "data_width": 64})
    system = (tmp_path / "system" / "gateware" / "vta_system.v").read_text()
    instance = re.search(r"^vta vta\((.*?)^\);", system, re.S | re.M)[1]
    connected = dict(re.findall(r"\.(\w+)\s*\((.*?)\)", instance))
    assert connected.keys() == set(re.findall(r"(?:input|output)\s+(?:wire\s+)?(?:\[\d+:0\]\s*)?(\w+)\s*;",
                                              text.partition("module vta")[2].partition("endmodule")[0]))
    assert all(connected.values())
    registers = json.loads((tmp_path / "registers.json").read_text())
    assert registers["memories"]["vta"]["base"] == board.control_base
    assert re.search(r'LOCATE COMP "ddram_dq\[0\]"', (tmp_path / "system" / "gateware" / "vta_system.lpf").read_text())
