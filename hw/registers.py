"""The register map, once, as data: the RTL decoder, the driver, the docs and the C header are made from it.

Offsets 0x00-0x24 are the control registers of TVM's Chisel VTA, so its drivers still work (with 64-bit addresses
each pointer takes two words and the block ends at 0x3C, as in TVM's). Everything else starts at 0x40; the counters
of `vta.hw.counters` start at 0x100.
"""

import enum
from dataclasses import dataclass, field

from amaranth.hdl import unsigned
from amaranth.lib import data

from vta.hw import features
from vta.hw.counters import COUNTERS
from vta.hw.isa import Queue

IDENTIFICATION = 0x56544131      # "VTA1"
VERSION = 0x0001_0001            # major.minor in 16 bits each; a changed map needs a new one
COUNTER_BASE = 0x100
ADDRESS_BITS = 12                # the port decodes one 4 KiB window


class ErrorCause(enum.IntEnum):
    """Why a run is in error; the first cause stays in the ERROR register until it is cleared.

    `kind` groups the causes ("instruction", "bus", "token", "deadlock"), `message` is the text of exceptions, `doc`
    that of docs/registers.md.
    """

    def __new__(cls, number, kind, message, doc):
        cause = int.__new__(cls, number)
        cause._value_, cause.kind, cause.message, cause.doc = number, kind, message, doc
        return cause

    NONE = 0, "none", "error 0", "no error since the register was cleared"
    OPCODE = (1, "instruction", "unknown opcode or ALU operation: instruction ignored",
              "unknown opcode or ALU operation; only its tokens were handled")
    MEMORY_TYPE = (2, "instruction", "memory type that cannot be loaded or stored: instruction ignored",
                   "LOAD or STORE of a memory type that it cannot access; only its tokens were handled")
    INDEX = (3, "instruction", "on-chip index beyond its memory: wrapped around",
             "an on-chip index beyond its memory; it wrapped modulo the depth")
    AXI_READ = (4, "bus", "memory read answered with an error",
                "a read response other than OKAY: the program reads memory that does not exist")
    AXI_WRITE = (5, "bus", "memory write answered with an error",
                 "a write response other than OKAY: the program writes memory that does not exist")
    TOKEN = 6, "token", "dependency queue full", "a dependency queue was full; its producer waited, no token was lost"
    WATCHDOG = (7, "deadlock", "no unit made progress: the run was ended",
                "no unit made progress for `watchdog` cycles; the run was aborted")


@dataclass(frozen=True)
class Field:
    name: str
    low: int
    width: int
    doc: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register. `access`: "rw" read and write, "ro" read only, "w1c" write 1 to clear,
    "rwh" as rw but hardware writes it too, "wo" write only (reads 0)."""

    name: str
    offset: int
    access: str
    doc: str
    fields: tuple = field(default=())

    @property
    def shape(self):
        """The word as the RTL sees it: a layout of the fields, or plain bits."""
        fields = {f.name: data.Field(unsigned(f.width), f.low) for f in self.fields}
        return data.FlexibleLayout(32, fields) if fields else unsigned(32)


INTERRUPTS = (Field("done", 0, 1, "The run has ended."), Field("error", 1, 1, "An error occurred."))
FIXED = (      # the same offsets in every configuration
    Register("id", 0x40, "ro", f"Identification, reads 0x{IDENTIFICATION:08X} (VTA1)."),
    Register("version", 0x44, "ro", "Version of this register map.", (
        Field("minor", 0, 16, "Compatible changes."), Field("major", 16, 16, "Incompatible changes."))),
    Register("config_hash", 0x48, "ro", "Config.hash of this accelerator; a program records the one it needs."),
    Register("config_shape", 0x4C, "ro", "The configuration, as base-2 logarithms.", (
        Field("log_inp_width", 0, 4, "Bits of an input."), Field("log_wgt_width", 4, 4, "Bits of a weight."),
        Field("log_acc_width", 8, 4, "Bits of an accumulator."), Field("log_batch", 12, 4, "Rows of a tile."),
        Field("log_block", 16, 4, "Columns of a tile."),
        Field("log_axi_data_width", 20, 4, "Bits of an AXI port."),
        Field("axi_addr_64", 24, 1, "1: pointers have 64 bits."),
        Field("axi_ports", 25, 3, "Number of AXI masters (not a logarithm)."))),
    Register("config_buffers", 0x50, "ro", "Sizes of the on-chip memories in bytes, as base-2 logarithms.", (
        Field("log_uop_buff_size", 0, 8, "Micro-ops."), Field("log_inp_buff_size", 8, 8, "Inputs."),
        Field("log_wgt_buff_size", 16, 8, "Weights."), Field("log_acc_buff_size", 24, 8, "Accumulators."))),
    Register("status", 0x54, "ro", "What the accelerator is doing.", (
        Field("busy", 0, 1, "A run is in progress."),
        Field("done", 1, 1, "The last run has ended (the finish bit)."),
        Field("error", 2, 1, "The register `error` holds a cause."),
        Field("drained", 3, 1, "No transfer is outstanding and no unit is executing."),
        Field("cycles_wrapped", 4, 1, "The last run took 2^32 cycles or more."))),
    Register("error", 0x58, "ro", "The first error since it was last cleared.", (
        Field("cause", 0, 4, "The cause (ErrorCause)."), Field("unit", 4, 2, "The unit in error (Unit)."),
        Field("more", 6, 1, "More errors followed."))),
    Register("error_insn", 0x5C, "ro", "Number of the instruction in error, within its unit (0 is the first)."),
    Register("irq_enable", 0x60, "rw", "Which events raise the interrupt.", INTERRUPTS),
    Register("irq_status", 0x64, "w1c", "Events since they were last cleared; write 1 to clear. "
             "Clearing the bit `error` also clears the register `error`.", INTERRUPTS),
    Register("watchdog", 0x68, "rw", "Cycles without progress after which a run is aborted; 0: never."),
    Register("reset", 0x6C, "wo", "Soft reset.", (
        Field("reset", 0, 1, "Write 1 to return tokens, queues, errors and control to their power-up state; "
              "memories and pointers are kept. A run in progress is aborted; it is over when `drained` is 1."),)),
    Register("features", 0x80, "ro", "What it has beyond the stock instruction set (from version 1.1 on).",
             tuple(Field(feature.key, feature.bit, 1, feature.doc) for feature in features.Feature)),
)
SHAPES = {register.name: register.shape for register in FIXED}
POINTERS = ("insn", "uop", "inp", "wgt", "acc", "out")


def register_map(config):
    """All registers of a configuration, by ascending offset."""
    words = config.axi_addr_width // 32
    regs = [
        Register("control", 0x00, "rwh", "Launch and finish, as in TVM's VTA.", (
            Field("launch", 0, 1, "Write 1 to start a run; hardware clears it at the end of the run."),
            Field("finish", 1, 1, "1 when the run has ended; cleared at launch, so it is never stale."))),
        Register("cycles", 0x04, "ro", "Cycles of the last run, from launch to end (low 32 bits)."),
        Register("insn_count", 0x08, "rw", "Instructions in the stream, including FINISH."),
    ]
    offset = 0x0C
    for name in POINTERS:
        what = "Byte address of the stream" if name == "insn" else f"Base byte address of {name.upper()} transfers"
        regs.append(Register(f"{name}_ptr", offset, "rw", f"{what} (low word)."))
        if words == 2:
            regs.append(Register(f"{name}_ptr_hi", offset + 4, "rw", f"High word of {name}_ptr."))
        offset += 4 * words
    regs += [
        Register("acc_writes", offset, "ro", "Steps that wrote the accumulator in the last run."),
        *FIXED,
    ]
    regs += [Register(f"tokens_{queue.name.lower()}", 0x70 + 4 * queue, "rwh",
                      f"Tokens in the {queue.name} queue; a write sets their number, up to the depth of the queue "
                      "(only between runs).")
             for queue in Queue]
    regs += [Register(f"count_{counter.name}", COUNTER_BASE + counter.offset, "ro", counter.doc)
             for counter in COUNTERS]
    return sorted(regs, key=lambda register: register.offset)


def pack_fields(register, values):
    """The word of `register` whose fields are `values` (a dict by name); fields left out are 0."""
    word = 0
    for f in register.fields:
        value = values.get(f.name, 0)
        if not 0 <= value < 1 << f.width:
            raise ValueError(f"register {register.name}: {f.name} = {value} does not fit {f.width} bits")
        word |= value << f.low
    return word


def identity(config):
    """The values of the identification registers of this configuration: word by register name."""
    regs = {r.name: r for r in register_map(config)}
    shape = {f.name: getattr(config, f.name) for f in regs["config_shape"].fields if hasattr(config, f.name)}
    shape |= {"log_axi_data_width": config.axi_data_width.bit_length() - 1,
              "axi_addr_64": int(config.axi_addr_width == 64)}
    buffers = {f.name: getattr(config, f.name) for f in regs["config_buffers"].fields}
    return {"id": IDENTIFICATION, "version": VERSION, "config_hash": config.hash,
            "config_shape": pack_fields(regs["config_shape"], shape),
            "config_buffers": pack_fields(regs["config_buffers"], buffers), "features": features.mask(config.features)}
