"""What instructions access: on-chip entries and DRAM bytes, from a stream's columns and micro-ops.

Sets of on-chip entries are slices where they are contiguous, else sorted index arrays; both index an array of the
memory's depth. Indices beyond a memory wrap around (docs/isa.md, D6) and are listed in `beyond`.
"""

from dataclasses import dataclass

import numpy as np

from vta.hw.columns import Columns
from vta.hw.isa import TOKEN_MASK, AluOp, MemType, Opcode, decode, extract, from_words, layouts

MOST_ROWS = 1 << 23
PARAMETERS = ("PAR", slice(0, 1))
PARAMETER_TILES = 3          # that PAR reads


@dataclass(frozen=True)
class Access:
    """Entries of on-chip memories: `reads` and `writes` of ("INP" | "WGT" | "ACC" | "OUT" | "UOP" | "PAR", entries),
    and `beyond`: (memory, index) of the highest index where it exceeds its memory. PAR is the requantiser's parameters,
    one entry."""

    reads: tuple = ()
    writes: tuple = ()
    beyond: tuple = ()


def entries(indices, depth):
    """The set of `indices` modulo `depth`, as a slice if it is contiguous, else as a sorted array."""
    unique = np.unique(np.asarray(indices, np.int64) % depth)
    first, last = int(unique[0]), int(unique[-1])
    return slice(first, last + 1) if last - first + 1 == len(unique) else unique


def _loop_entries(base, loops, depth):
    """Entries of base + sum(loop index * factor) over all loops, and the highest index before wrapping."""
    reached, top = np.zeros(depth, bool), int(base.max())
    reached[base % depth] = True
    for count, factor in loops:
        top += (count - 1) * factor
        done = 1                            # iterations that `reached` covers; each pass doubles them
        while factor and done < count:
            more = min(done, count - done)
            reached |= np.roll(reached, more * factor)
            done += more
    return entries(np.flatnonzero(reached), depth), top


class Footprints:
    """What the instructions of a stream access; `columns` are its Columns."""

    def __init__(self, insns, config):
        self.config, self.layouts, self.columns = config, layouts(config), Columns(insns, config)
        self._fields, self._nests = {}, {}         # by instruction word; by word and micro-ops

    def dram_rows(self):
        """(instruction, first byte, bytes) of every row of every transfer, as three int64 arrays.

        Rows that touch or overlap are one. ValueError for more than MOST_ROWS, which no sensible stream has.
        """
        columns, get = self.columns, self.columns.memory
        rows = np.flatnonzero(columns.tiles > 0)
        size, stride, height = (get[name][rows] for name in ("x_size", "x_stride", "y_size"))
        solid = stride <= size
        length = size + np.where(solid, (height - 1) * stride, 0)
        count = np.where(solid, 1, height)
        if count.sum() > MOST_ROWS:
            raise ValueError(f"the stream moves {count.sum()} separate rows of DRAM: at most {MOST_ROWS} can "
                             f"be checked")
        insn = np.repeat(rows, count)
        number = np.arange(len(insn)) - np.repeat(np.cumsum(count) - count, count)
        tile = columns.tile_bytes[insn]
        first = (get["dram_base"][insn] + number * get["x_stride"][insn]) * tile
        return insn, first, np.repeat(length, count) * tile

    def transfers(self):
        """For each instruction None or its Access to the on-chip memory (LOAD and STORE)."""
        columns, (width, height) = self.columns, self.columns.extent
        out = [None] * len(columns)
        tiles = width * height              # y_size 0 writes padding only (docs/isa.md, D9)
        for n in np.flatnonzero(tiles).tolist():
            memory = MemType(int(columns.mem_type[n])).memory
            depth, first = self.config.depth[memory], int(columns.sram_base[n])
            last = first + int(tiles[n]) - 1
            what, beyond = slice(first, last + 1), ()
            if last >= depth:
                what = entries(np.arange(first, min(last + 1, first + depth)), depth)
                beyond = ((memory, last),)
            if columns.is_store[n]:
                out[n] = Access(((memory, what),), (), beyond)
            else:
                also = (("OUT", what),) if memory == "ACC" else ()
                out[n] = Access((), ((memory, what), *also), beyond)
        return out

    def nest(self, n, uops):
        """The Access of GEMM, WINDOW or ALU instruction `n`, whose micro-op memory holds `uops` (uint32).

        The micro-ops that it reads are part of it; an empty nest accesses nothing.
        """
        word = from_words(self.columns.insns[n]) & ~TOKEN_MASK
        if word not in self._fields:
            self._fields[word] = decode(self.layouts.of_word(word), word)
        get, depth = self._fields[word], len(uops)
        if "uop_bgn" not in get:            # an opcode that this configuration does not know
            return Access()
        begin, end = get["uop_bgn"], get["uop_end"]
        if begin >= end or not get["iter_out"] or not get["iter_in"]:
            return Access()
        words = uops[begin:end] if end <= depth else uops[np.arange(begin, end) % depth]
        key = word, words.tobytes()
        if key not in self._nests:
            self._nests[key] = self._access(get, words, begin, end, depth)
        return self._nests[key]

    def _access(self, get, words, begin, end, depth):
        beyond = [("UOP", end - 1)] if end > depth else []

        def operand(index, memory, words=words, more=0):
            loops = [(get[f"iter_{loop}"], get[f"{index}_factor_{loop}"]) for loop in ("in", "out")]
            starts = extract(words, self.layouts.uop[index])
            if more:
                starts = np.unique(starts[:, None] + np.arange(more + 1))
            what, top = _loop_entries(starts, loops, self.config.depth[memory])
            if top - more >= self.config.depth[memory]:
                beyond.append((memory, top - more))
            return memory, what

        reads, writes = (self._alu if get["opcode"] == Opcode.ALU else self._product)(get, words, operand)
        reads = [("UOP", entries(np.arange(begin, end), depth)), *reads]
        return Access(tuple(reads), tuple(writes), tuple(dict.fromkeys(beyond)))

    def _product(self, get, words, operand):
        """(reads, writes) of GEMM or WINDOW."""
        dst, requantise = operand("dst", "ACC"), get.get("requantise")
        if get["reset"] and get["opcode"] == Opcode.GEMM and not requantise:
            return [], [dst, ("OUT", dst[1])]
        reads = [operand("src", "INP"), operand("wgt", "WGT")]
        old = words             # micro-ops that add to what is there
        if get["reset"]:
            starts = extract(words, self.layouts.uop["dst"])
            old = words[starts != starts[0]] if get["opcode"] == Opcode.GEMM else words[:0]
        if len(old):
            reads.append(operand("dst", "ACC", old))
        if not requantise:
            return reads, [dst, ("OUT", dst[1])]
        out = operand("dst", "ACC", words if get["opcode"] == Opcode.WINDOW else words[-1:])
        return [*reads, PARAMETERS], [dst, ("OUT", out[1])]

    def _alu(self, get, words, operand):
        """(reads, writes) of ALU."""
        if get["alu_opcode"] == AluOp.PAR:
            return [operand("src", "ACC", more=PARAMETER_TILES - 1)], [PARAMETERS]
        if get["alu_opcode"] not in AluOp.of(self.config):
            return [], []
        requantises = get["alu_opcode"] == AluOp.REQ
        dst = operand("dst", "ACC")
        if requantises or get["use_imm"]:
            reads = [operand("src", "ACC") if self.config.alu_imm_reads_src else dst]
        else:
            reads = [operand("src", "ACC"), dst]
        return [*reads, PARAMETERS] if requantises else reads, [dst, ("OUT", dst[1])]
