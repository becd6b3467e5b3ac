"""The boards, defined once, as data that packaging, Vivado scripts and documentation read.

`ps` holds settings of the processing system that are used only if Vivado has no files for the board: clock crystal,
DRAM part, console and SD card. Under PYNQ the boot loader has already set those up.
"""

import dataclasses
from dataclasses import dataclass, field

from vta.hw.config import PRESETS, Config


class BoardError(ValueError):
    """A board that is not in the table, or a configuration that it cannot host."""


@dataclass(frozen=True)
class Family:
    """What boards with the same kind of processing system share: names and settings of its block in Vivado."""

    machine: str             # the processor, as `platform.machine()` names it
    interrupt_line: int      # number of the first interrupt from the FPGA, as Linux counts in /proc/interrupts
    cell: str                # name of the processing system's IP
    clock: str
    reset: str
    interrupt: str
    control: str             # AXI master that reaches the registers
    control_clock: str
    memory: str              # AXI slaves that reach DRAM; {n} is the port number, {gp} is n + 2
    memory_clock: str
    memory_protocol: str     # of these slaves
    memory_ports: int
    automation: tuple        # options of Vivado's rule for the cell
    port_settings: dict      # switches on one memory port
    settings: dict           # always set; {mhz} is the clock


ZYNQ = Family(
    machine="armv7l", interrupt_line=61,                 # UG585: IRQ_F2P[0]
    cell="processing_system7", clock="FCLK_CLK0", reset="FCLK_RESET0_N", interrupt="IRQ_F2P",
    control="M_AXI_GP0", control_clock="M_AXI_GP0_ACLK",
    memory="S_AXI_HP{n}", memory_clock="S_AXI_HP{n}_ACLK", memory_protocol="AXI3",
    memory_ports=4, automation=("make_external", "FIXED_IO, DDR"),
    port_settings={"PCW_USE_S_AXI_HP{n}": "1", "PCW_S_AXI_HP{n}_DATA_WIDTH": "64"},
    settings={"PCW_USE_M_AXI_GP0": "1", "PCW_EN_CLK0_PORT": "1", "PCW_EN_RST0_PORT": "1",
              "PCW_FPGA0_PERIPHERAL_FREQMHZ": "{mhz}", "PCW_USE_FABRIC_INTERRUPT": "1",
              "PCW_IRQ_F2P_INTR": "1"})
ZYNQMP = Family(
    machine="aarch64", interrupt_line=121,               # UG1085: PL_PS_Group0[0]
    cell="zynq_ultra_ps_e", clock="pl_clk0", reset="pl_resetn0", interrupt="pl_ps_irq0",
    control="M_AXI_HPM0_FPD", control_clock="maxihpm0_fpd_aclk",
    memory="S_AXI_HP{n}_FPD", memory_clock="saxihp{n}_fpd_aclk", memory_protocol="AXI4",
    memory_ports=4, automation=(),
    port_settings={"PSU__USE__S_AXI_GP{gp}": "1", "PSU__SAXIGP{gp}__DATA_WIDTH": "128"},
    settings={"PSU__USE__M_AXI_GP0": "1", "PSU__USE__M_AXI_GP1": "0", "PSU__USE__M_AXI_GP2": "0",
              "PSU__MAXIGP0__DATA_WIDTH": "32", "PSU__FPGA_PL0_ENABLE": "1",
              "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "{mhz}", "PSU__USE__IRQ0": "1"})
FAMILIES = (ZYNQ, ZYNQMP)


@dataclass(frozen=True)
class Dram:
    """DRAM as one memory port of the processing system sees it while the processor uses it too."""

    latency_ns: int          # from a read's address to its first beat
    commands: int            # bursts that the port accepts at a time, in each direction
    share: float             # of the port's cycles in which a data channel moves a beat
    burst: int = 16          # beats of the longest burst that the port does not split


# Latency: 374 ns for 128 bytes on a PYNQ-Z2 at 100 MHz whose processor hammers DRAM, one read at a time
# (github.com/ammrat13/pynqz2-ram-tester), so some 210 to the first beat; 110 more are assumed for what lies between VTA
# and the port. None was found for the UltraScale+ boards: the same is assumed. Commands: 8 (UG585, UG1085: "command
# acceptance capability"). Share: what the DRAM controllers achieve of their theoretical throughput, which is more than
# one port needs: 75 % on Zynq-7000 (UG585, 22.3.2) and on a ZCU102, here taken for ZCU104 and KV260, 92 % on an Ultra96
# (both Manev et al., doi.org/10.1109/ICFPT47387.2019.00029).
# Burst: AXI3 has 16 beats; UltraScale+ has AXI4 ports that turn into AXI3 inside (UG1085, 35).
BUSY_DRAM = Dram(latency_ns=320, commands=8, share=0.75)


@dataclass(frozen=True)
class Board:
    name: str                # begins with PYNQ's name of the board ($BOARD), in lower case and with dashes anywhere
    title: str
    part: str
    family: Family
    preset: str              # configuration to start from
    clock_mhz: int
    control_base: int        # address of the VTA registers
    interrupt_base: int      # address of the interrupt controller's registers
    dram_bytes: int          # DRAM that accelerator addresses reach, from address 0
    board_part: str          # pattern of Vivado's name for the board
    ps: dict = field(default_factory=dict)
    target: str = ""         # TARGET of TVM's vta_config.json; empty: the preset's
    dram: Dram = BUSY_DRAM

    @property
    def latency(self):
        """Cycles of VTA's clock from a read's address to its first beat."""
        return round(self.dram.latency_ns * self.clock_mhz / 1000)

    @property
    def config(self):
        """The configuration of this board, named after it."""
        preset = PRESETS[self.preset]
        return dataclasses.replace(preset, target=self.target or preset.target, name=self.name)


_PYNQ_PS = {"PCW_CRYSTAL_PERIPHERAL_FREQMHZ": "50", "PCW_UIPARAM_DDR_PARTNO": "MT41J256M16 RE-125",
            "PCW_UIPARAM_DDR_BUS_WIDTH": "16 Bit", "PCW_UART0_PERIPHERAL_ENABLE": "1",
            "PCW_UART0_UART0_IO": "MIO 14 .. 15", "PCW_SD0_PERIPHERAL_ENABLE": "1",
            "PCW_SD0_SD0_IO": "MIO 40 .. 45"}
# Clocks are requests that rest on estimates: docs/boards.md, "Clocks".
_ZYNQ = {"family": ZYNQ, "preset": "pynq", "clock_mhz": 100, "control_base": 0x43C0_0000,
         "interrupt_base": 0x4180_0000, "dram_bytes": 512 << 20, "ps": _PYNQ_PS}
_ZYNQMP = {"family": ZYNQMP, "clock_mhz": 150, "control_base": 0xA000_0000,
           "interrupt_base": 0xA001_0000, "dram_bytes": 2 << 30,
           "ps": {"PSU__PSS_REF_CLK__FREQMHZ": "33.333"}}
BOARDS = {board.name: board for board in (
    Board("pynq-z1", "Digilent PYNQ-Z1", "xc7z020clg400-1", board_part="*:pynq-z1:*", **_ZYNQ),
    Board("pynq-z2", "TUL PYNQ-Z2", "xc7z020clg400-1", board_part="*:pynq-z2:*", **_ZYNQ),
    Board("ultra96-v2", "Avnet Ultra96-V2", "xczu3eg-sbva484-1-i", board_part="*:ultra96v2:*",
          preset="ultra96", dram=Dram(latency_ns=320, commands=8, share=0.92), **_ZYNQMP),
    Board("zcu104", "AMD ZCU104", "xczu7ev-ffvc1156-2-e", board_part="*:zcu104:*", preset="zcu104",
          **_ZYNQMP),
    Board("kv260", "AMD Kria KV260", "xck26-sfvc784-2LV-c", board_part="*:kv260_som:*", preset="zcu104",
          target="kv260", **_ZYNQMP),
)}


# the largest of the presets' shape whose multipliers and block RAM an LFE5UM5G-85F has
ECP5_CONFIG = Config.from_dict({"LOG_BLOCK": 3, "LOG_UOP_BUFF_SIZE": 14, "LOG_INP_BUFF_SIZE": 14,
                                "LOG_WGT_BUFF_SIZE": 16, "LOG_ACC_BUFF_SIZE": 15}, name="1x8x8")


@dataclass(frozen=True)
class LitexBoard:
    """A board with an ECP5 and DRAM, for the open flow: LiteX has its pins, clocks, DRAM and network interface."""

    name: str
    title: str
    part: str
    target: str              # module of litex_boards.targets
    device: str              # as that module calls the part
    options: tuple           # nextpnr's name for part, package and speed grade
    clock_mhz: int           # of accelerator, bus and, times four, DRAM's data pins
    control_base: int        # address of the VTA registers on the bus
    config: Config = ECP5_CONFIG


LITEX_BOARDS = {board.name: board for board in (
    LitexBoard("ecpix-5", "LambdaConcept ECPIX-5 85F", "LFE5UM5G-85F-8BG554I", "lambdaconcept_ecpix5", "85F",
               ("--um5g-85k", "--package", "CABGA554", "--speed", "8"), clock_mhz=50, control_base=0x9000_0000),
)}

VENDOR, LIBRARY, NAME, VERSION = "amaranth-vta.org", "accelerator", "vta", "1.0"
VLNV = f"{VENDOR}:{LIBRARY}:{NAME}:{VERSION}"        # identifies the packaged accelerator


def find_board(name, boards=BOARDS):
    """The board `name` of `boards`; BoardError lists those there are."""
    if name not in boards:
        raise BoardError(f"no board {name!r}; there are {', '.join(boards)}")
    return boards[name]


def check_board(board, config):
    """Raise BoardError if `board` cannot host `config`."""
    if config.axi_ports > board.family.memory_ports:
        raise BoardError(f"{board.name} has {board.family.memory_ports} memory ports, the configuration "
                         f"{config.name!r} wants axi_ports = {config.axi_ports}")
    if config.axi_addr_width != 32:
        raise BoardError(f"axi_addr_width = {config.axi_addr_width}: {board.name} is built for DRAM below "
                         "4 GiB")


def bitstream_name(config):
    """TVM's name of a bitstream, without suffix: `1x16_i8w8a32_15_15_18_17`."""
    return (f"{config.batch}x{config.block}_i{1 << config.log_inp_width}w{1 << config.log_wgt_width}"
            f"a{1 << config.log_acc_width}_{config.log_uop_buff_size}_{config.log_inp_buff_size}"
            f"_{config.log_wgt_buff_size}_{config.log_acc_buff_size}")
