"""The plan of a stream, as far as its words alone determine it: the order, the counters, and a list of operations.

Adjacent LOADs of one memory become one operation, as do adjacent STOREs.
"""

import itertools

import numpy as np

from vta.hw.columns import Columns
from vta.hw.isa import MemType, Opcode
from vta.hw.registers import ErrorCause
from vta.sim.functional.counts import event_counts
from vta.sim.functional.order import order
from vta.sim.functional.transfer import MAX_TILES, LoadTiles, StoreTiles, TileRanges, beyond_memory, outside_dram


class Steps:
    """A GEMM, WINDOW or ALU instruction at a position of the stream."""

    def __init__(self, position, instruction):
        self.position, self.instruction = position, instruction

    def apply(self, machine):
        self.instruction.apply(machine, self.position)


class ExecutionPlan:
    """The plan of `insns` for a machine with these tokens and this DRAM window; `prepared` is its PreparedCache.

    `faults` maps (position, cause) to a message: every error that can be found without the micro-ops.
    """

    def __init__(self, insns, config, tokens, base, size, prepared):
        self.columns = columns = Columns(insns, config)
        self.order = order(columns, tokens)
        self.counters = event_counts(columns, self.order.executed)
        self.faults = {}
        self._base, self._size, self._prepared = base, size, prepared
        self._ranges = TileRanges(columns, self._effective())
        tiles = self._ranges.last - self._ranges.first
        self._batch = (np.cumsum(tiles) - tiles) // MAX_TILES
        self._kept = list(self._build()) if tiles.sum() <= MAX_TILES else None

    def operations(self):
        """All operations, in order; those of a stream that moves very many tiles are built again each time."""
        return self._build() if self._kept is None else self._kept

    def _effective(self):
        """The positions, in order of execution, that do more than handle tokens; records faults of the others."""
        columns, executed = self.columns, self.order.executed
        opcode, operation = columns.opcode, columns.alu["alu_opcode"]
        bad_alu = columns.bad_alu
        bad_opcode = columns.bad_opcode | bad_alu
        for position in executed[bad_opcode[executed]][:1]:
            self.faults[int(position), ErrorCause.OPCODE] = (
                f"ALU operation {operation[position]}" if bad_alu[position] else f"opcode {opcode[position]}")
        bad_memory = columns.moves & ~columns.transfers
        for position in executed[bad_memory[executed]][:1]:
            self.faults[int(position), ErrorCause.MEMORY_TYPE] = (
                f"{Opcode(int(opcode[position])).name} of memory type {columns.mem_type[position]}")
        works = columns.transfers | ((columns.steps > 0) & ~bad_opcode)
        return executed[works[executed]]

    def _build(self):
        bounds = np.flatnonzero(np.diff(self._batch, prepend=-1, append=-1))
        for start, end in itertools.pairwise(bounds):
            yield from self._build_batch(slice(start, end))

    def _build_batch(self, batch):
        """The operations of the tile ranges in the slice `batch`, whose index vectors are made all at once."""
        columns, ranges = self.columns, self._ranges
        position = ranges.position[batch]
        owner, sram, dram, zero, bad = ranges.expand(batch, self._base, self._size)
        for at in position[ranges.over[batch]][:1]:
            cause, words = beyond_memory(columns, at)
            self.faults[int(at), cause] = words
        for at in owner[bad][:1]:
            cause, words = outside_dram(columns, at, self._base, self._size)
            self.faults[int(at), cause] = words
        moves = columns.moves[position]
        kind = np.where(moves, columns.opcode[position] * 8 + columns.mem_type[position], -1)
        byte = columns.pad_byte[position]
        starts = np.flatnonzero(np.concatenate(
            ([True], (kind[1:] != kind[:-1]) | (byte[1:] != byte[:-1]) | ~moves[1:])))
        tiles = (ranges.last - ranges.first)[batch]
        ends = np.cumsum(tiles)
        firsts = (ends - tiles)[starts].tolist()
        lasts = ends[np.append(starts[1:], len(kind)) - 1].tolist()
        blank = zero | bad
        anything_blank = bool(blank.any())
        words = columns.insns[position[starts]].tolist()
        groups = zip(position[starts].tolist(), kind[starts].tolist(), words, firsts, lasts, strict=True)
        for at, what, insn, first, last in groups:
            if what < 0:
                yield Steps(at, self._prepared.instruction(insn))
            elif first == last:
                continue
            elif what < 8 * Opcode.STORE:
                hole = blank[first:last] if anything_blank else None
                yield LoadTiles(MemType(what), sram[first:last], dram[first:last],
                                hole if hole is not None and hole.any() else None, zero[first:last],
                                columns.pad_byte[at])
            elif not anything_blank:
                yield StoreTiles(sram[first:last], dram[first:last])
            elif not bad[first:last].all():
                good = ~bad[first:last]
                yield StoreTiles(sram[first:last][good], dram[first:last][good])
