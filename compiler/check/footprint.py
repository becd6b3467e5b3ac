"""What instructions touch: on-chip entries and DRAM bytes, from a stream's fields and micro-ops.

`Footprints(insns, config)` decodes a whole stream into columns at once. Sets of on-chip entries are slices
where they are contiguous, else sorted index arrays; both index an array of the memory's depth. Indices beyond
a memory wrap around (docs/isa.md, D6); `beyond` says so.
"""

from dataclasses import dataclass

import numpy as np

from vta.hw.isa import TOKEN_FLAGS, MemType, Opcode, Unit, extract, layouts

MOST_ROWS = 1 << 23


@dataclass(frozen=True)
class Touch:
    """Entries of on-chip memories: `reads` and `writes` of ("INP" | "WGT" | "ACC" | "UOP", entries), and
    `beyond`: (memory, index) of the highest index where it exceeds its memory."""

    reads: tuple = ()
    writes: tuple = ()
    beyond: tuple = ()


def entries(indices, depth):
    """The set of `indices` modulo `depth`, as a slice if it is contiguous, else as a sorted array."""
    unique = np.unique(np.asarray(indices, np.int64) % depth)
    first, last = int(unique[0]), int(unique[-1])
    return slice(first, last + 1) if last - first + 1 == len(unique) else unique


def _nest(base, loops, depth):
    """Entries of base + sum(loop index * factor) over all loops, and the highest index before wrapping."""
    touched, top = np.zeros(depth, bool), int(base.max())
    touched[base % depth] = True
    for count, factor in loops:
        top += (count - 1) * factor
        done = 1                            # iterations that `touched` covers; each turn doubles them
        while factor and done < count:
            more = min(done, count - done)
            touched |= np.roll(touched, more * factor)
            done += more
    return entries(np.flatnonzero(touched), depth), top


class Footprints:
    """A stream in columns of int64 (`unit`, `opcode`, `mem_type`, `column[field]`) and what it touches."""

    def __init__(self, insns, config):
        self.config, self.layouts = config, layouts(config)
        self.insns = insns
        memory = self.layouts.memory
        self.column = {name: extract(insns, field) for name, field in memory}
        self.opcode, self.mem_type = self.column["opcode"], self.column["mem_type"]
        is_load, is_store = self.opcode == Opcode.LOAD, self.opcode == Opcode.STORE
        self.unit = np.full(len(insns), int(Unit.COMPUTE))
        self.unit[is_store] = Unit.STORE
        self.unit[is_load & np.isin(self.mem_type, (MemType.INP, MemType.WGT))] = Unit.LOAD
        self.is_load, self.is_store = is_load, is_store
        # x_size 0 moves nothing, not even padding; y_size 0 writes padding only (docs/isa.md, D8 and D9)
        kinds = np.isin(self.mem_type, [kind for kind in MemType if kind != MemType.OUT])
        self.moves = (self.column["x_size"] != 0) & np.where(is_store, self.mem_type == MemType.OUT,
                                                             is_load & kinds)
        self._tile = np.array([config.tile_bytes[kind.name] for kind in MemType] + [1, 1])
        self._depth = config.depth
        self._nests, self._fields = {}, {}
        for opcode in (Opcode.GEMM, Opcode.ALU):
            rows = np.flatnonzero(self.opcode == opcode)
            layout = self.layouts.of(opcode)
            names = [name for name in layout.ranges if name not in TOKEN_FLAGS]
            table = np.stack([extract(insns[rows], layout[name]) for name in names], axis=1).tolist()
            self._fields |= zip(rows.tolist(), (dict(zip(names, row, strict=True)) for row in table),
                                strict=True)

    def dram_rows(self):
        """(instruction, first byte, bytes) of every row of every transfer, as three int64 arrays.

        Rows that touch are one. ValueError for more than MOST_ROWS, which only nonsense has.
        """
        col = self.column
        rows = np.flatnonzero(self.moves & (col["y_size"] > 0))
        # rows that join or overlap are one
        solid = col["x_stride"][rows] <= col["x_size"][rows]
        length = col["x_size"][rows] + np.where(solid, (col["y_size"][rows] - 1) * col["x_stride"][rows], 0)
        count = np.where(solid, 1, col["y_size"][rows])
        if count.sum() > MOST_ROWS:
            raise ValueError(f"the stream moves {count.sum()} separate rows of DRAM: at most {MOST_ROWS} can "
                             f"be checked")
        insn = np.repeat(rows, count)
        number = np.arange(len(insn)) - np.repeat(np.cumsum(count) - count, count)
        tile = self._tile[self.mem_type[insn]]
        first = (col["dram_base"][insn] + number * col["x_stride"][insn]) * tile
        return insn, first, np.repeat(length, count) * tile

    def transfers(self):
        """For each instruction None or its Touch of the on-chip memory (LOAD and STORE)."""
        col = self.column
        pads = {axis: np.where(self.is_load, col[f"{axis}_pad_0"] + col[f"{axis}_pad_1"], 0) for axis in "xy"}
        tiles = (col["x_size"] + pads["x"]) * (col["y_size"] + pads["y"])
        name = {MemType.UOP: "UOP", MemType.WGT: "WGT", MemType.INP: "INP"}
        out = [None] * len(self.insns)
        for n in np.flatnonzero(self.moves & (tiles > 0)).tolist():
            memory = name.get(self.mem_type[n], "ACC")
            depth, first = self._depth[memory], int(col["sram_base"][n])
            last = first + int(tiles[n]) - 1
            what, beyond = slice(first, last + 1), ()
            if last >= depth:
                what = entries(np.arange(first, min(last + 1, first + depth)), depth)
                beyond = ((memory, last),)
            touch = ((memory, what),)
            out[n] = Touch(touch, (), beyond) if self.is_store[n] else Touch((), touch, beyond)
        return out

    def nest(self, n, uops):
        """The Touch of GEMM or ALU instruction `n`, whose micro-op memory holds `uops` (uint32).

        Which micro-ops it reads is part of it; an empty nest touches nothing.
        """
        get, depth = self._fields[n], len(uops)
        begin, end = get["uop_bgn"], get["uop_end"]
        if begin >= end or not get["iter_out"] or not get["iter_in"]:
            return Touch()
        words = uops[begin:end] if end <= depth else uops[np.arange(begin, end) % depth]
        key = (*get.values(), words.tobytes())
        if key not in self._nests:
            self._nests[key] = self._touch(get, words, begin, end, depth)
        return self._nests[key]

    def _touch(self, get, words, begin, end, depth):
        beyond = [("UOP", end - 1)] if end > depth else []

        def operand(index, memory, factor):
            loops = [(get[f"iter_{loop}"], get[f"{factor}_factor_{loop}"]) for loop in ("in", "out")]
            what, top = _nest(extract(words, self.layouts.uop[index]), loops, self._depth[memory])
            if top >= self._depth[memory]:
                beyond.append((memory, top))
            return memory, what

        reads = [("UOP", entries(np.arange(begin, end), depth))]
        dst = operand("dst", "ACC", "dst")
        if get["opcode"] == Opcode.GEMM:
            if not get["reset"]:
                reads += [operand("src", "INP", "src"), operand("wgt", "WGT", "wgt"), dst]
        elif get["use_imm"]:
            reads.append(operand("src", "ACC", "src") if self.config.alu_imm_reads_src else dst)
        else:
            reads += [operand("src", "ACC", "src"), dst]
        return Touch(tuple(reads), (dst,), tuple(beyond))

    def alu_opcodes(self):
        """The ALU operation of each instruction, 0 where it is no ALU."""
        return np.where(self.opcode == Opcode.ALU, extract(self.insns, self.layouts.alu["alu_opcode"]), 0)
