"""The system around the accelerator on a board with an ECP5, by LiteX: DRAM, Ethernet to the host, and VTA.

    python -m vta.hw.export.litex_soc SETTINGS.json

runs in the folder of a build, in a process of its own, because LiteX configures logging and keeps global state. It has
no processor: the host reads and writes the bus by Etherbone. VTA's registers are on that bus, its AXI master has a port
of its own at the DRAM controller, so addresses that the accelerator uses start at 0 at the beginning of DRAM. Nothing
is wired to its interrupt: the host polls.
"""

import importlib
import json
import re
import sys
from pathlib import Path

from vta.hw.export.ipxact import verilog_ports

CHANNEL = re.compile(r"(aw|ar|w|r|b)(\w+)")


def axi_pins(ports, buses):
    """{`i_` or `o_` and name of a port: signal} for all AXI ports among `ports`; `buses`: {prefix: LiteX interface}.

    LiteX's signals may be wider (addresses): the lower bits are taken. KeyError for a signal that LiteX does not have.
    """
    pins = {}
    for port in ports:
        for prefix, bus in buses.items():
            if not port.name.startswith(f"{prefix}_"):
                continue
            channel, name = CHANNEL.fullmatch(port.name[len(prefix) + 1:]).groups()
            signal = getattr(getattr(bus, channel), name, None)
            if signal is None or len(signal) < port.width:
                raise KeyError(f"{port.name}: LiteX has no signal of {port.width} bits for it")
            pins[f"{port.direction[0]}_{port.name}"] = signal[:port.width] if len(signal) > port.width else signal
    return pins


def build(settings):
    """Write Verilog, constraints and register map of the system to the current folder; see `settings.json`."""
    from litedram.frontend.axi import LiteDRAMAXI2Native
    from litex.soc.integration.builder import Builder
    from litex.soc.integration.soc import SoCRegion
    from litex.soc.interconnect import axi
    from migen import ClockSignal, Instance, ResetSignal, Signal

    target = importlib.import_module(f"litex_boards.targets.{settings['target']}")
    soc = target.BaseSoC(device=settings["device"], sys_clk_freq=settings["clock_mhz"] * 1_000_000, cpu_type=None,
                         uart_name="crossover", with_etherbone=True, with_led_chaser=False, l2_size=0,
                         integrated_rom_size=0, integrated_sram_size=0, ident_version=False)
    control = axi.AXILiteInterface(data_width=32, address_width=32)
    soc.bus.add_slave("vta", control, SoCRegion(origin=settings["control_base"], size=0x1000, cached=False))
    memory = axi.AXIInterface(data_width=settings["data_width"], address_width=32, id_width=4)
    port = soc.sdram.crossbar.get_port(data_width=settings["data_width"])
    soc.submodules += LiteDRAMAXI2Native(memory, port)
    pins = axi_pins(verilog_ports(Path("vta.v").read_text()), {"s_axi": control, "m_axi": memory})
    interrupt = Signal(name="vta_interrupt")
    soc.specials += Instance("vta", i_aclk=ClockSignal(), i_aresetn=~ResetSignal(), o_interrupt=interrupt, **pins)
    Builder(soc, output_dir="system", compile_software=False, csr_json="registers.json").build(
        run=False, build_name=settings["name"])


if __name__ == "__main__":
    build(json.loads(Path(sys.argv[1]).read_text()))
