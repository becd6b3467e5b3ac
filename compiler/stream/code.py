"""Relocatable code: a finished stream, its micro-op image, and the DRAM buffers that its addresses are relative to."""

import math
import re
from dataclasses import dataclass

import numpy as np

from vta.hw.columns import by_type
from vta.hw.config import MAX_TILE_BYTES, Config
from vta.hw.isa import MEMORY, extract

UOPS = 0                         # index of the micro-op image among a program's buffers
KINDS = ("input", "output", "const")
RESERVED = ("self", "device", "watchdog", "progress")       # arguments of `Program.run` that are not arrays
DRAM = MEMORY["dram_base"]
MAX_BYTES = MAX_TILE_BYTES << DRAM.width         # what a dram_base can reach in any configuration


class StreamError(ValueError):
    """A call that this stream cannot take; the message names the values and the limit."""


@dataclass(frozen=True)
class DramBuffer:
    """A DRAM buffer of a program, not yet placed. `kind` is one of KINDS, `dtype` an integer type, `layout` a text
    that names the axes."""

    name: str
    shape: tuple
    dtype: str
    kind: str
    layout: str = ""

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z_][\w.]*", self.name):      # it becomes a file name and an argument
            raise StreamError(f"buffer name {self.name!r}: must be letters, digits, '_' and '.'")
        if self.name in RESERVED:
            raise StreamError(f"buffer name {self.name!r}: {', '.join(RESERVED)} have a meaning where programs are run")
        if self.kind not in KINDS:
            raise StreamError(f"buffer {self.name!r}: kind {self.kind!r} must be one of {', '.join(KINDS)}")
        if np.dtype(self.dtype).kind not in "iu" or any(extent < 0 for extent in self.shape):
            raise StreamError(f"buffer {self.name!r}: {self.dtype} {self.shape} is no array of integers")
        if self.nbytes > MAX_BYTES:
            raise StreamError(f"buffer {self.name!r}: {self.dtype} {self.shape} has {self.nbytes} bytes, dram_base "
                              f"reaches {MAX_BYTES}")

    @property
    def nbytes(self):
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Code:
    """A finished, relocatable stream.

    `insns` (n, 2) uint64 with every `dram_base` relative to its buffer; `uops` (m,) uint32, the micro-op
    image; `relocations` (k, 2) int64 of (instruction, buffer index); `buffers`, number `UOPS` that image.
    """

    config: Config
    insns: np.ndarray
    uops: np.ndarray
    relocations: np.ndarray
    buffers: tuple

    def place(self, addresses):
        """The instructions with each buffer at a byte address (a sequence in the order of `buffers`).

        Raises StreamError where an address is not a multiple of the tile, or lies beyond 32 bits of tiles.
        """
        if len(addresses) != len(self.buffers):
            raise StreamError(f"{len(addresses)} addresses for {len(self.buffers)} buffers")
        insns = self.insns.copy()
        if not len(self.relocations):
            return insns
        rows, owners = self.relocations.T
        sizes = by_type(self.config.tile_bytes)[extract(insns[rows], MEMORY["mem_type"])]
        bases = np.array([int(address) for address in addresses], dtype=np.int64)[owners]
        for bad in np.flatnonzero(bases % sizes)[:1]:
            raise StreamError(f"buffer {self.buffers[owners[bad]].name!r} at {bases[bad]:#x} is not aligned "
                              f"to its tiles of {sizes[bad]} bytes")
        new = extract(insns[rows], DRAM) + bases // sizes
        for bad in np.flatnonzero((new < 0) | (new >= 1 << DRAM.width))[:1]:
            raise StreamError(f"buffer {self.buffers[owners[bad]].name!r} at {bases[bad]:#x}: tile "
                              f"{new[bad]} is beyond the 32 bits of dram_base")
        insns[rows, 0] += (bases // sizes << DRAM.offset).astype(np.uint64)
        return insns
