"""Prefetch of micro-ops: a finished stream whose LOAD UOPs come early, so that compute does not wait for them.

`compiler/stream/stream.py` emits the LOAD of a kernel's micro-ops right before the kernel, as TVM does, and behind the
tokens that the kernel waits for. But a LOAD UOP needs no token, only a part of the micro-op memory that no earlier
kernel still reads: the machine fetches it while earlier kernels run.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace

import numpy as np

from vta.compiler.stream.code import UOPS, Code
from vta.hw.columns import Columns
from vta.hw.isa import TOKEN_MASK, MemType, Opcode, Unit, encode, layouts, to_words

AHEAD = 64            # cycles of kernels that hide the latency of a LOAD
MERGED_BEATS = 16     # of the bus, at most, in one LOAD for several kernels: the first of them waits for all


@dataclass
class _Load:
    """A LOAD UOP of `size` micro-ops from `dram` to `sram`, behind `slot` other instructions of compute."""

    slot: int
    sram: int
    dram: int
    size: int


def prefetch(code: Code) -> Code:
    """`code` with its LOAD UOPs moved forward and merged; all other instructions keep their order and their tokens.

    A LOAD goes in front of the last instructions of compute that take `AHEAD` cycles and those of its own beats, or
    behind the last one that uses its part of the micro-op memory. It joins the LOAD before it if it may be that early,
    continues it in DRAM and on chip, and both have at most `MERGED_BEATS`. Its tokens are popped by its kernel.

    `code` must be as `Stream` makes it: every LOAD UOP is one row of the micro-op image, pushes no token, and is
    followed by its kernel, which pops none.
    """
    columns = Columns(code.insns, code.config)
    is_uop = columns.transfers & columns.is_load & (columns.mem_type == MemType.UOP)
    loads = _planned(columns, is_uop)
    layout = layouts(code.config).memory
    words = [to_words(encode(layout, {
        "opcode": Opcode.LOAD, "mem_type": MemType.UOP, "sram_base": load.sram, "dram_base": load.dram,
        "y_size": 1, "x_size": load.size, "x_stride": load.size})) for load in loads]

    # the tokens of each LOAD go to the instruction behind it
    old, rows = code.insns.copy(), np.flatnonzero(is_uop)
    old[rows + 1, 0] |= old[rows, 0] & np.uint64(TOKEN_MASK)
    old = old[~is_uop]

    # each new LOAD comes right behind the last instruction of its slot, the first ones at the start
    behind = np.concatenate([[0], np.flatnonzero(columns.unit[~is_uop] == Unit.COMPUTE) + 1])
    places = behind[[load.slot for load in loads]]
    insns = np.insert(old, places, np.array(words, np.uint64).reshape(-1, 2), axis=0)

    # relocations: those of the other instructions where these are now, and one for each LOAD
    moved = np.cumsum(~is_uop) - 1               # position without LOAD UOPs of each old instruction
    moved += np.searchsorted(places, moved, side="right")
    others = code.relocations[~is_uop[code.relocations[:, 0]]]
    new = np.stack([places + np.arange(len(loads)), np.full(len(loads), UOPS)], axis=1)
    relocations = np.concatenate([np.stack([moved[others[:, 0]], others[:, 1]], axis=1), new])
    return replace(code, insns=insns, relocations=relocations[np.argsort(relocations[:, 0])])


def _planned(columns, is_uop):
    """The _Loads that take the place of the instructions `is_uop`, by slot."""
    config, memory = columns.config, columns.memory
    most = MERGED_BEATS * config.bus_bytes // config.tile_bytes["UOP"]
    per_beat = config.bus_bytes / config.tile_bytes["UOP"]
    others = np.flatnonzero((columns.unit == Unit.COMPUTE) & ~is_uop)
    runs = columns.is_nest[others]
    first, end = (np.where(runs, columns.gemm[name][others], 0) for name in ("uop_bgn", "uop_end"))
    cycles = np.concatenate([[0], np.cumsum(columns.steps[others])]).tolist()      # before each instruction

    used = np.zeros(config.depth["UOP"], np.int64)       # instructions up to the last one that reads each micro-op
    loads, done = [], 0
    rows = np.flatnonzero(is_uop)
    for row, kernel in zip(rows.tolist(), np.searchsorted(others, rows).tolist(), strict=True):
        for number in range(done, kernel):
            used[first[number]:end[number]] = number + 1
        done = kernel
        sram, dram, size = (int(memory[name][row]) for name in ("sram_base", "dram_base", "x_size"))
        earliest = int(used[sram:sram + size].max())
        if loads:
            last = loads[-1]
            if (sram, dram) == (last.sram + last.size, last.dram + last.size) and last.size + size <= most \
                    and earliest <= last.slot:
                last.size += size
                continue
            earliest = max(earliest, last.slot)
        hidden = bisect_right(cycles, cycles[kernel] - AHEAD - size / per_beat, hi=kernel + 1) - 1
        loads.append(_Load(max(earliest, hidden), sram, dram, size))
    return loads
