"""A whole instruction stream as columns: one array for each field, so that no tool decodes instructions one by one."""

import functools
from functools import cached_property

import numpy as np

from vta.hw.features import Feature
from vta.hw.isa import AluOp, MemType, Opcode, Queue, Unit, extract, layouts, unit_of

CODES = 8            # of opcodes, memory types and ALU operations: each has three bits


@functools.lru_cache(maxsize=32)
def _units(config):
    """Unit numbers by opcode and memory type."""
    return np.array([[unit_of(config, opcode, mem) for mem in range(CODES)] for opcode in range(CODES)])


def _known(codes, config):
    """Which numbers are codes that machines of `config` know: a boolean array."""
    return np.isin(np.arange(CODES), codes.of(config))


def by_type(table):
    """A table by memory type name, as an array by `mem_type` number; 1 for numbers that name no memory."""
    return np.array([table[mem.name] for mem in MemType] + [1] * (CODES - len(MemType)), np.int64)


class Columns:
    """The fields of `insns`, (n, 2) uint64, as arrays of n; decoded when first used, then kept.

    `memory`, `memory_pad`, `gemm` and `alu` map the field names of a format to int64 columns. Where an instruction has
    another format, and outside of every field, bits mean nothing. Boolean columns: `is_load`, `is_store`, `is_gemm`,
    `is_window`, `is_alu`; `is_reset` (GEMMs that only write zeros), `requantises` (GEMMs and WINDOWs); `moves`: LOADs
    and STOREs with x_size != 0; `transfers`: those of them that name a memory they can reach; `bad_opcode`, `bad_alu`:
    instructions whose opcode, or ALU operation, the configuration does not know.
    """

    def __init__(self, insns, config):
        self.insns = np.ascontiguousarray(insns, np.uint64).reshape(-1, 2)
        self.config = config
        self.memory, self.memory_pad, self.gemm, self.alu = (
            _Fields(self.insns, getattr(layouts(config), name)) for name in ("memory", "memory_pad", "gemm", "alu"))
        self.opcode, self.mem_type = self.memory["opcode"], self.memory["mem_type"]
        self.unit = _units(config)[self.opcode, self.mem_type]       # Unit numbers
        self.bad_opcode = ~_known(Opcode, config)[self.opcode]
        self.is_load, self.is_store, self.is_gemm, self.is_window, self.is_alu = (
            (self.opcode == opcode) & ~self.bad_opcode
            for opcode in (Opcode.LOAD, Opcode.STORE, Opcode.GEMM, Opcode.WINDOW, Opcode.ALU))

    def __len__(self):
        return len(self.insns)

    @property
    def is_nest(self):
        """GEMM, WINDOW and ALU: what has micro-ops."""
        return self.is_gemm | self.is_window | self.is_alu

    @cached_property
    def requantises(self):
        bit = self.gemm["requantise"] if self.config.has(Feature.REQUANTISE) else np.zeros(len(self), int)
        return (self.is_gemm | self.is_window) & (bit != 0)

    @cached_property
    def is_reset(self):
        return self.is_gemm & (self.gemm["reset"] != 0) & ~self.requantises

    @cached_property
    def bad_alu(self):
        return self.is_alu & ~_known(AluOp, self.config)[self.alu["alu_opcode"]]

    def is_op(self, operation):
        """Which instructions are the ALU operation `operation`, if the configuration knows it."""
        return self.is_alu & ~self.bad_alu & (self.alu["alu_opcode"] == operation)

    @cached_property
    def is_padded_byte(self):
        """LOADs of INP_PAD."""
        return self.is_load & (self.mem_type == MemType.INP_PAD) & (MemType.INP_PAD in MemType.of(self.config))

    @cached_property
    def sram_base(self):
        """The first on-chip tile of each transfer."""
        return np.where(self.is_padded_byte, self.memory_pad["sram_base"], self.memory["sram_base"])

    @cached_property
    def pad_byte(self):
        """The byte in the padding of each transfer, -128 to 127; 0 but for INP_PAD."""
        byte = self.memory_pad["pad_low"] | self.memory_pad["pad_high"] << 2
        return np.where(self.is_padded_byte, byte, 0).astype(np.uint8).view(np.int8)

    @cached_property
    def features(self):
        """The names of the features that the instructions use: a machine without them cannot run the stream."""
        used = {Opcode.WINDOW.feature: self.is_window, MemType.INP_PAD.feature: self.is_padded_byte,
                MemType.WGT_DIAG.feature: self.transfers & (self.mem_type == MemType.WGT_DIAG),
                AluOp.PAR.feature: self.requantises | self.is_op(AluOp.PAR) | self.is_op(AluOp.REQ)}
        return frozenset(name for name, where in used.items() if where.any())

    @cached_property
    def moves(self):
        return (self.is_load | self.is_store) & (self.memory["x_size"] != 0)

    @cached_property
    def transfers(self):
        out = self.mem_type == MemType.OUT
        return self.moves & np.where(self.is_store, out, ~out & _known(MemType, self.config)[self.mem_type])

    # tokens
    @cached_property
    def pop_flags(self):
        """Which tokens each instruction pops: (len(Queue), n) bool."""
        return self._flags("consumer", "pop_flag")

    @cached_property
    def push_flags(self):
        """Which tokens each instruction pushes: (len(Queue), n) bool."""
        return self._flags("producer", "push_flag")

    def _flags(self, end, flag):
        return np.stack([(self.unit == getattr(queue, end)) & (self.memory[getattr(queue, flag)] != 0)
                         for queue in Queue])

    @property
    def pops(self):
        """For each instruction, the tuple of Queue numbers that it pops."""
        return _tuples(self.pop_flags)

    @property
    def pushes(self):
        """For each instruction, the tuple of Queue numbers that it pushes."""
        return _tuples(self.push_flags)

    # amounts of work
    @cached_property
    def tiles(self):
        """Tiles (micro-ops for UOP) that each transfer moves, padding not counted; 0 for everything else."""
        return np.where(self.transfers, self.memory["x_size"] * self.memory["y_size"], 0)

    @cached_property
    def tile_bytes(self):
        """DRAM bytes of a tile of each instruction's memory type."""
        return by_type(self.config.tile_bytes)[self.mem_type]

    @cached_property
    def extent(self):
        """(width, height) in on-chip tiles of each transfer, a LOAD's padding included; 0 for everything else."""
        def padded(axis):
            pads = self.memory[f"{axis}_pad_0"] + self.memory[f"{axis}_pad_1"]
            return np.where(self.transfers, self.memory[f"{axis}_size"] + np.where(self.is_load, pads, 0), 0)
        return padded("x"), padded("y")

    @cached_property
    def steps(self):
        """Micro-op steps of each GEMM, WINDOW and ALU; 0 for everything else."""
        uops = np.maximum(self.gemm["uop_end"] - self.gemm["uop_bgn"], 0)
        steps = uops * self.gemm["iter_out"] * self.gemm["iter_in"]
        return np.where(self.is_nest, steps, 0)

    @cached_property
    def requantised(self):
        """Tiles that each instruction sends through the requantiser."""
        passes = self.gemm["iter_out"] * self.gemm["iter_in"] * (self.steps > 0)
        tiles = np.where(self.is_op(AluOp.REQ) | (self.requantises & self.is_window), self.steps, 0)
        return np.where(self.requantises & self.is_gemm, passes, tiles)

    # positions
    def in_unit(self, position):
        """The number of the instruction at `position` among those of its unit (0 is the first)."""
        return int(np.count_nonzero(self.unit[:position] == self.unit[position]))

    def unit_at(self, position):
        return Unit(int(self.unit[position]))


class _Fields:
    """Columns of one format, extracted when first used."""

    def __init__(self, insns, layout):
        self._insns, self._layout, self._columns = insns, layout, {}

    def __getitem__(self, name):
        if name not in self._columns:
            self._columns[name] = extract(self._insns, self._layout[name])
        return self._columns[name]


def _tuples(flags):
    """For each instruction, the numbers of the queues whose flag is set in `flags`, (queues, n)."""
    sets = [tuple(queue for queue in range(len(Queue)) if code >> queue & 1) for code in range(1 << len(Queue))]
    return [sets[code] for code in ((1 << np.arange(len(Queue))) @ flags).tolist()]
