"""A whole instruction stream as columns: one array for each field, so that no tool decodes instructions one by one."""

from functools import cached_property

import numpy as np

from vta.hw.isa import MemType, Opcode, Queue, Unit, extract, layouts, unit_of

_UNITS = np.array([[unit_of(opcode, mem) for mem in range(8)] for opcode in range(8)])


def by_type(table):
    """A table by memory type name, as an array by `mem_type` number; 1 for numbers that name no memory."""
    return np.array([table[mem.name] for mem in MemType] + [1] * (8 - len(MemType)), np.int64)


class Columns:
    """The fields of `insns`, (n, 2) uint64, as arrays of n; decoded when first used, then kept.

    `memory`, `gemm` and `alu` map the field names of a format to int64 columns. Where an instruction has another
    format, and outside of every field, bits mean nothing. Boolean columns: `is_load`, `is_store`, `is_gemm`,
    `is_reset` (GEMMs with reset), `is_alu`; `moves`: LOADs and STOREs with x_size != 0; `transfers`: those of them
    that name a memory they can reach.
    """

    def __init__(self, insns, config):
        self.insns = np.ascontiguousarray(insns, np.uint64).reshape(-1, 2)
        self.config = config
        self.memory, self.gemm, self.alu = (_Fields(self.insns, getattr(layouts(config), name))
                                            for name in ("memory", "gemm", "alu"))
        self.opcode, self.mem_type = self.memory["opcode"], self.memory["mem_type"]
        self.unit = _UNITS[self.opcode, self.mem_type]       # Unit numbers
        self.is_load, self.is_store, self.is_gemm, self.is_alu = (
            self.opcode == opcode for opcode in (Opcode.LOAD, Opcode.STORE, Opcode.GEMM, Opcode.ALU))

    def __len__(self):
        return len(self.insns)

    @cached_property
    def is_reset(self):
        return self.is_gemm & (self.gemm["reset"] != 0)

    @cached_property
    def moves(self):
        return (self.is_load | self.is_store) & (self.memory["x_size"] != 0)

    @cached_property
    def transfers(self):
        out = self.mem_type == MemType.OUT
        return self.moves & np.where(self.is_store, out, ~out & (self.mem_type < len(MemType)))

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
        """Micro-op steps of each GEMM and ALU; 0 for everything else."""
        uops = np.maximum(self.gemm["uop_end"] - self.gemm["uop_bgn"], 0)
        return np.where(self.is_gemm | self.is_alu, uops * self.gemm["iter_out"] * self.gemm["iter_in"], 0)

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
