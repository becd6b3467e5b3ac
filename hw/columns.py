"""A whole instruction stream as columns: one array per field, so that nothing is decoded one at a time."""

import numpy as np

from vta.hw.isa import TOKEN_FLAGS, UNIT_QUEUES, MemType, Opcode, Queue, Unit, extract, layouts, unit_of

_UNITS = np.array([[unit_of(opcode, mem) for mem in range(8)] for opcode in range(8)])


class Columns:
    """The fields of `insns`, (n, 2) uint64, as int64 arrays of n.

    `opcode`, `unit` (Unit numbers), `mem_type`, `moves` (a LOAD or STORE with x_size != 0), and any other
    field of the memory, GEMM or ALU format through `memory`, `gemm` and `alu`: a field of another format than
    the instruction's own holds bits without meaning. Unused bits are ignored.
    """

    def __init__(self, insns, config):
        self.insns = np.ascontiguousarray(insns, np.uint64).reshape(-1, 2)
        self.config = config
        self.memory, self.gemm, self.alu = (_Fields(self.insns, getattr(layouts(config), name))
                                            for name in ("memory", "gemm", "alu"))
        self.opcode, self.mem_type = self.memory["opcode"], self.memory["mem_type"]
        self.unit = _UNITS[self.opcode, self.mem_type]
        self.moves = (self.opcode <= Opcode.STORE) & (self.memory["x_size"] != 0)

    def __len__(self):
        return len(self.insns)

    def tokens(self):
        """Tokens each instruction pops and pushes: two boolean arrays (len(Queue), n)."""
        pops, pushes = np.zeros((2, len(Queue), len(self)), bool)
        for unit, queues in UNIT_QUEUES.items():
            here = self.unit == unit
            for flag, queue in zip(TOKEN_FLAGS, queues, strict=True):
                if queue is not None:
                    (pops if flag.startswith("pop") else pushes)[queue] |= here & (self.memory[flag] != 0)
        return pops, pushes

    def tiles(self):
        """Tiles (micro-ops for UOP) each LOAD or STORE moves, padding not counted; 0 for everything else."""
        return np.where(self.moves & self.known(), self.memory["x_size"] * self.memory["y_size"], 0)

    def known(self):
        """Which LOADs and STOREs name a memory that they can reach."""
        out = self.mem_type == MemType.OUT
        loaded = (self.opcode == Opcode.LOAD) & (self.mem_type <= max(MemType)) & ~out
        return loaded | (self.opcode == Opcode.STORE) & out

    def steps(self):
        """Micro-op steps of each GEMM and ALU; 0 for everything else."""
        nest = (self.opcode == Opcode.GEMM) | (self.opcode == Opcode.ALU)
        uops = np.maximum(self.gemm["uop_end"] - self.gemm["uop_bgn"], 0)
        return np.where(nest, uops * self.gemm["iter_out"] * self.gemm["iter_in"], 0)

    def in_unit(self, position):
        """The number of the instruction at `position` among those of its unit (0 is the first)."""
        return int(np.count_nonzero(self.unit[:position] == self.unit[position]))

    def unit_at(self, position):
        return Unit(int(self.unit[position]))


class _Fields:
    """Columns of one format, extracted when first asked for."""

    def __init__(self, insns, layout):
        self._insns, self._layout, self._columns = insns, layout, {}

    def __getitem__(self, name):
        if name not in self._columns:
            self._columns[name] = extract(self._insns, self._layout[name])
        return self._columns[name]
