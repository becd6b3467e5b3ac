"""LOAD and STORE in numpy: 2-D transfers as two index vectors, those of adjacent instructions joined.

A stream of thousands of one-tile stores then costs as much as a few large ones.
"""

import numpy as np

from vta.hw.columns import by_type
from vta.hw.isa import MemType, Opcode
from vta.hw.registers import ErrorCause
from vta.sim.functional.loop_nest import compact

MAX_TILES = 1 << 20      # tiles whose index vectors are held at once


class LoadTiles:
    """Tiles `dram` of DRAM go to tiles `sram` of a scratchpad, in this order; those in `blank` become 0, or `byte` if
    they are `padding`."""

    def __init__(self, memory, sram, dram, blank, padding=None, byte=0):
        self.memory, self.sram, self.blank, self.byte = memory, compact(sram), blank, byte
        self.padding = padding if byte else None
        self.dram = compact(dram) if blank is None else dram

    def apply(self, machine):
        tiles = machine.dram[self.memory][self.dram]
        if self.blank is not None:
            tiles[self.blank] = 0
            if self.padding is not None:
                tiles[self.padding] = self.byte
        if self.memory is MemType.WGT_DIAG:
            diagonal, tiles = tiles, np.zeros((len(tiles), machine.config.block ** 2), np.int8)
            tiles[:, ::machine.config.block + 1] = diagonal
        if self.memory.memory == "ACC":
            machine.writes(self.sram)
        machine.scratch[self.memory][self.sram] = tiles      # ACC_8BIT: int8 to int32 here


class StoreTiles:
    """Output tiles `sram` go to tiles `dram` of DRAM, in this order."""

    def __init__(self, sram, dram):
        self.sram, self.dram = compact(sram), compact(dram)

    def apply(self, machine):
        machine.dram[MemType.OUT][self.dram] = machine.out_tiles(self.sram)


class TileRanges:
    """The tiles of the instructions at `positions` of a stream, in ranges of at most MAX_TILES tiles each.

    Arrays with one entry for each range: `position`, and `first` to `last` of the tiles written (padding included;
    GEMM and ALU have none). A LOAD longer than its memory wraps around and overwrites itself: only the tiles that
    remain are kept. `over`: the instruction reaches beyond its memory.
    """

    def __init__(self, columns, positions):
        self.columns, self.position, self.load = columns, positions, columns.is_load[positions]
        self.width, height = (size[positions] for size in columns.extent)
        self.last = self.width * height
        depth = by_type(columns.config.depth)[columns.mem_type[positions]]
        self.first = np.where(self.load, np.maximum(self.last - depth, 0), 0)
        self.over = (self.last > 0) & (columns.sram_base[positions] + self.last > depth)
        if (self.last - self.first > MAX_TILES).any():
            self._split()

    def _split(self):
        bounds = zip(self.first.tolist(), self.last.tolist(), strict=True)
        cuts = [(n, k) for n, (first, last) in enumerate(bounds)
                for k in range(first, max(last, first + 1), MAX_TILES)]
        owner, first = np.array(cuts).T
        self.last = np.minimum(first + MAX_TILES, self.last[owner])
        self.first = first
        self.position, self.load, self.width, self.over = (
            column[owner] for column in (self.position, self.load, self.width, self.over))

    def expand(self, ranges, base, size):
        """Index vectors of the ranges in the slice `ranges`, end to end.

        `base`, `size`: the DRAM window in bytes. Returns (owner, sram, dram, zero, bad): the stream position
        each tile belongs to, tile numbers in scratchpad and window, whether the tile is padding, and whether
        it lies outside the window (`dram` is 0 for both).
        """
        columns, config, memory = self.columns, self.columns.config, self.columns.memory
        count = (self.last - self.first)[ranges]
        of = np.repeat(np.arange(len(count)), count)       # which range each tile belongs to
        k = np.arange(len(of)) - (np.cumsum(count) - count - self.first[ranges])[of]
        at, load = self.position[ranges][of], self.load[ranges][of]
        row, column = np.divmod(k, np.maximum(self.width[ranges], 1)[of])
        row = row - np.where(load, memory["y_pad_0"][at], 0)
        column = column - np.where(load, memory["x_pad_0"][at], 0)
        zero = (row < 0) | (row >= memory["y_size"][at]) | (column < 0) | (column >= memory["x_size"][at])
        mem = columns.mem_type[at]
        sram = (columns.sram_base[at] + k) % by_type(config.depth)[mem]
        tile = columns.tile_bytes[at]
        address = (memory["dram_base"][at] + row * memory["x_stride"][at] + column) * tile
        wrap = 1 << min(config.axi_addr_width, 62)      # every address is far below 2^62, and int64 ends at 2^63
        dram = (address % wrap - base) // tile
        bad = ~zero & ((dram < 0) | (dram >= size // tile))
        dram[zero | bad] = 0
        return at, sram, dram, zero, bad


def beyond_memory(columns, position):
    """(cause, message) for a LOAD or STORE whose tiles reach beyond its memory."""
    mem = MemType(int(columns.mem_type[position])).name
    return ErrorCause.INDEX, (f"{Opcode(int(columns.opcode[position])).name} {mem} from sram_base "
                              f"{int(columns.sram_base[position])} on reaches beyond tile "
                              f"{columns.config.depth[mem] - 1}")


def outside_dram(columns, position, base, size):
    """(cause, message) for a LOAD or STORE that reaches outside the DRAM window."""
    mem = MemType(int(columns.mem_type[position])).name
    opcode = Opcode(int(columns.opcode[position]))
    address = int(columns.memory["dram_base"][position]) * columns.config.tile_bytes[mem]
    cause = ErrorCause.AXI_READ if opcode == Opcode.LOAD else ErrorCause.AXI_WRITE
    return cause, (f"{opcode.name} {mem} from address 0x{address:x} on reaches outside of DRAM "
                   f"(0x{base:x} to 0x{base + size:x})")
