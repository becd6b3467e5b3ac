"""The instruction set, defined once, as data: enums and bit layouts read by hardware, compiler and simulators.

Hardware slices signals with these layouts (`data.View`), the compiler encodes with `encode`, simulators and checker
decode whole streams (`vta.hw.columns`). Bit positions depend on the configuration's index widths, so layouts live in
`Layouts(config)`.
"""

import enum
import functools
import re

import numpy as np
from amaranth.hdl import Const, Value, signed, unsigned
from amaranth.lib import data

from vta.hw.config import LOOP_BITS, PAD_BASE_BITS, Config
from vta.hw.features import Feature

INSN_BITS = 128
INSN_BYTES = 16
UOP_BITS = 32
UOP_BYTES = 4
IMM_BITS = 16


class EncodingError(ValueError):
    """A value that does not fit its instruction field; the message names field, value and limits."""


class _Code(enum.IntEnum):
    """Codes of a field. `feature`: the one that a machine needs to know the code; None for the stock ones."""

    def __new__(cls, number, feature=None):
        code = int.__new__(cls, number)
        code._value_, code.feature = number, feature
        return code

    @classmethod
    def of(cls, config):
        """The codes that machines of `config` know, in order."""
        return [code for code in cls if code.feature is None or code.feature in config.features]


class Opcode(_Code):
    LOAD = 0
    STORE = 1
    GEMM = 2
    FINISH = 3
    ALU = 4
    WINDOW = 5, Feature.WINDOW.key      # a step of a depthwise convolution's row, in GEMM's format


class MemType(_Code):
    UOP = 0
    WGT = 1
    INP = 2
    ACC = 3
    OUT = 4
    ACC_8BIT = 5                                # ACC, from bytes
    INP_PAD = 6, Feature.PAD_VALUE.key          # INP, padded with a byte of the instruction
    WGT_DIAG = 7, Feature.DIAGONAL.key          # WGT, from the bytes on its diagonal

    @property
    def memory(self):
        """The name of the on-chip memory."""
        return {"ACC_8BIT": "ACC", "INP_PAD": "INP", "WGT_DIAG": "WGT"}.get(self.name, self.name)


class AluOp(_Code):
    MIN = 0
    MAX = 1
    ADD = 2
    SHR = 3                                     # a negative amount shifts left
    MUL = 4
    PAR = 5, Feature.REQUANTISE.key             # three tiles and two bounds become the requantiser's parameters
    REQ = 6, Feature.REQUANTISE.key             # dst is requantised, into OUT as well


LANE_OPS = tuple(op for op in AluOp if op.feature is None)      # those that compute dst lane by lane from x and y


def check_complete(members, table, where):
    """Raise NotImplementedError, naming the missing ones, unless `table` has every one of `members` (an enum)."""
    missing = [member.name for member in members if member not in table]
    if missing:
        raise NotImplementedError(f"{where} does not implement {', '.join(missing)}")


class Unit(enum.IntEnum):
    """The units that execute instructions or fetch them, numbered as in registers and traces."""

    FETCH = 0
    LOAD = 1
    COMPUTE = 2
    STORE = 3


WORKERS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)      # the units that execute instructions


class Queue(enum.IntEnum):
    """The four dependency queues, numbered as in registers; names are producer-to-consumer.

    The producer sets `push_flag` of an instruction to push a token, the consumer `pop_flag` to wait for one.
    """

    L2G = 0, Unit.LOAD, Unit.COMPUTE       # inputs and weights are loaded
    G2L = 1, Unit.COMPUTE, Unit.LOAD       # inputs and weights may be overwritten
    G2S = 2, Unit.COMPUTE, Unit.STORE      # outputs are ready
    S2G = 3, Unit.STORE, Unit.COMPUTE      # outputs may be overwritten

    def __new__(cls, number, producer, consumer):
        queue = int.__new__(cls, number)
        queue._value_, queue.producer, queue.consumer = number, producer, consumer
        queue.push_flag, queue.pop_flag = (("push_next", "pop_prev") if producer < consumer
                                           else ("push_prev", "pop_next"))
        return queue

    @classmethod
    def between(cls, producer, consumer):
        """The queue from one unit to another, or None."""
        return next((queue for queue in cls if (queue.producer, queue.consumer) == (producer, consumer)), None)


TOKEN_FLAGS = ("pop_prev", "pop_next", "push_prev", "push_next")
# unit -> the queue, or None, that each of TOKEN_FLAGS means on its instructions
UNIT_QUEUES = {unit: tuple(next((queue for queue in Queue if (unit, flag) in (
    (queue.producer, queue.push_flag), (queue.consumer, queue.pop_flag))), None) for flag in TOKEN_FLAGS)
    for unit in WORKERS}
# Which unit loads each memory type
LOAD_UNIT = {mem: Unit.LOAD if mem.memory in ("INP", "WGT") else Unit.COMPUTE for mem in MemType if mem.name != "OUT"}


def opcode_of(word):
    """The opcode of an instruction, given all of it or word 0 (or an array of these)."""
    return word & 7


def unit_of(config, opcode, mem_type=0):
    """The unit that executes an instruction. Opcodes and memory types that `config` does not know go to compute, where
    they are reported (their tokens are still handled)."""
    if opcode == Opcode.STORE:
        return Unit.STORE
    if opcode == Opcode.LOAD and mem_type in MemType.of(config):
        return LOAD_UNIT.get(mem_type, Unit.COMPUTE)
    return Unit.COMPUTE


def _pack(*fields):
    """The members of a struct layout, each field right after the one before it; `(None, n)` skips to bit n."""
    members, position = {}, 0
    for name, shape in fields:
        if name is None:
            position = shape
            continue
        members[name] = data.Field(shape, position)
        position += Value.cast(Const(0, shape)).shape().width
    return members


def field_range(field):
    """(lowest, highest) value that fits the layout field."""
    shape = Value.cast(Const(0, field.shape)).shape()
    half = 1 << shape.width - shape.signed
    return (-half if shape.signed else 0), half - 1


class _Format(data.FlexibleLayout):
    """A word of fixed size with named fields; bits outside every field are ignored when read, zero when written."""

    def __init__(self, bits, members):
        super().__init__(bits, members)
        # name -> (offset, width, lowest, highest), since asking a Field for these is slow
        self.ranges = {name: (field.offset, field.width, *field_range(field)) for name, field in self}
        self.named = sum(((1 << field.width) - 1) << field.offset for _, field in self)      # as a bit mask


HEAD = (("opcode", unsigned(3)), *((flag, unsigned(1)) for flag in TOKEN_FLAGS))
_REGION = (("y_size", unsigned(16)), ("x_size", unsigned(16)), ("x_stride", unsigned(16)),
           ("y_pad_0", unsigned(4)), ("y_pad_1", unsigned(4)), ("x_pad_0", unsigned(4)), ("x_pad_1", unsigned(4)))
MEMORY = _Format(INSN_BITS, _pack(
    *HEAD, ("mem_type", unsigned(3)), ("sram_base", unsigned(16)), ("dram_base", unsigned(32)), (None, 64), *_REGION))
# LOAD of INP_PAD: bits that no address needs hold the byte of the padding, its lower two bits and the upper six
MEMORY_PAD = _Format(INSN_BITS, _pack(
    *HEAD, ("mem_type", unsigned(3)), ("sram_base", unsigned(PAD_BASE_BITS)), ("pad_low", unsigned(2)),
    ("dram_base", unsigned(32)), ("pad_high", unsigned(6)), *_REGION))
CONTROL = _Format(INSN_BITS, _pack(*HEAD))
TOKEN_MASK = sum(1 << CONTROL[flag].offset for flag in TOKEN_FLAGS)      # the token flags, as bits of word 0
# limits of one instruction: rows or tiles of a transfer and its stride, padding on one side, iterations of a loop
MAX_SIZE = field_range(MEMORY["x_size"])[1]
MAX_PAD = field_range(MEMORY["x_pad_0"])[1]
MAX_TRIPS = (1 << LOOP_BITS) - 1


def pad_fields(value):
    """The fields of MEMORY_PAD for padding with the byte `value`, -128 to 127."""
    if not -128 <= value <= 127:
        raise EncodingError(f"padding with {value}: must be a byte, -128 to 127")
    return {"pad_low": value & 3, "pad_high": value >> 2 & 63}


def pad_value(fields):
    """The byte that the fields of MEMORY_PAD hold: what `pad_fields` was given."""
    byte = fields["pad_low"] | fields["pad_high"] << 2
    return byte - 256 if byte > 127 else byte


class Layouts:
    """The formats of one configuration.

    `memory` (LOAD, STORE) and `memory_pad` (LOAD of INP_PAD), `gemm` (WINDOW as well), `alu`, `control` (the fields
    common to all: FINISH and unknown opcodes), and `uop`. Fields are named as in docs/isa.md; what belongs to a feature
    is there if the configuration has it.
    """

    def __init__(self, config: Config):
        u, i, w, a = config.uop_depth_log, config.inp_depth_log, config.wgt_depth_log, config.acc_depth_log
        loop = (*HEAD, ("reset", unsigned(1)), ("uop_bgn", unsigned(u)), ("uop_end", unsigned(u + 1)),
                ("iter_out", unsigned(LOOP_BITS)), ("iter_in", unsigned(LOOP_BITS)), (None, 64),
                ("dst_factor_out", unsigned(a)), ("dst_factor_in", unsigned(a)))
        plain = loop
        if config.has(Feature.REQUANTISE):
            loop = (*loop[:-3], (None, 63), ("requantise", unsigned(1)), *loop[-2:])
        self.config = config
        self.memory, self.memory_pad = MEMORY, MEMORY_PAD
        self.control = CONTROL
        self.gemm = _Format(INSN_BITS, _pack(
            *loop, ("src_factor_out", unsigned(i)), ("src_factor_in", unsigned(i)),
            ("wgt_factor_out", unsigned(w)), ("wgt_factor_in", unsigned(w))))
        self.alu = _Format(INSN_BITS, _pack(
            *plain, ("src_factor_out", unsigned(a)), ("src_factor_in", unsigned(a)),
            ("alu_opcode", unsigned(3)), ("use_imm", unsigned(1)), ("imm", signed(IMM_BITS))))
        self.uop = _Format(UOP_BITS, _pack(
            ("dst", unsigned(a)), ("src", unsigned(max(a, i))), ("wgt", unsigned(w))))

    def of(self, opcode, mem_type=None):
        """The format of instructions with this opcode and, for a LOAD, this memory type."""
        if opcode not in Opcode.of(self.config):
            return self.control
        load = self.memory_pad if mem_type == MemType.INP_PAD and mem_type in MemType.of(self.config) else self.memory
        return {Opcode.LOAD: load, Opcode.STORE: self.memory, Opcode.GEMM: self.gemm, Opcode.WINDOW: self.gemm,
                Opcode.ALU: self.alu}.get(opcode, self.control)

    def of_word(self, word):
        """The format of an instruction, given all of it or word 0."""
        return self.of(opcode_of(word), word >> MEMORY["mem_type"].offset & 7)


@functools.lru_cache(maxsize=32)
def layouts(config):
    """The (cached) formats of `config`."""
    return Layouts(config)


def encode(layout, values, what="instruction"):
    """The integer whose fields are `values` (a dict; fields left out are 0).

    Raises EncodingError where a name is unknown or a value does not fit: nothing is ever truncated.
    """
    word = 0
    for name, value in values.items():
        if name not in layout.ranges:
            raise EncodingError(f"{what}: no field {name!r}; it has {', '.join(layout.ranges)}")
        offset, width, low, high = layout.ranges[name]
        value = int(value)
        if not low <= value <= high:
            raise EncodingError(f"{what}: {name} = {value} does not fit {width} bits ({low} to {high})")
        word |= (value & ((1 << width) - 1)) << offset
    return word


def decode(layout, word):
    """The fields of one integer word, as a dict of ints; bits outside every field are ignored."""
    word, values = int(word), {}
    for name, (offset, width, low, _) in layout.ranges.items():
        value = word >> offset & ((1 << width) - 1)
        values[name] = value - (1 << width) if low < 0 and value >> width - 1 else value
    return values


def extract(words, field):
    """One field of many words: `words` (n, 2) uint64 instructions or (n,) uint32 micro-ops -> (n,) int64.

    No field straddles a 64-bit word, as the configuration's rules guarantee.
    """
    if words.ndim == 2:
        words = words[:, field.offset // 64]
    values = (words.astype(np.uint64) >> np.uint64(field.offset % 64)) & np.uint64((1 << field.width) - 1)
    values = values.astype(np.int64)
    if field_range(field)[0] < 0:
        values -= (values >> field.width - 1) << field.width
    return values


def to_words(word):
    """A 128-bit instruction as its two 64-bit words, word 0 first."""
    return word & (1 << 64) - 1, word >> 64


def from_words(words):
    """The 128-bit integer of two 64-bit words, word 0 first."""
    return int(words[0]) | int(words[1]) << 64


def parse_hex(text):
    """The instruction written as `word1_word0` in hexadecimal (the notation of docs/isa.md)."""
    if not re.fullmatch(r"[0-9a-fA-F]{1,16}_[0-9a-fA-F]{1,16}", text):
        raise EncodingError(f"{text!r} is not of the form word1_word0 in hexadecimal")
    high, low = text.split("_")
    return int(high, 16) << 64 | int(low, 16)
