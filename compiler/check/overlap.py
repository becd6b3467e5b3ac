"""DRAM ranges: what lies outside given regions, and the order of STOREs and LOADs of the same bytes.

Rows are (instruction, first byte, bytes) arrays as `Footprints.dram_rows` gives them.
"""

import numpy as np


def merge(first, last):
    """Disjoint, ascending ranges [first, last) that cover the same bytes; two arrays."""
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    if not len(first):
        return first, last
    starts = np.concatenate([[True], first[1:] > last[:-1]])
    return first[starts], last[np.concatenate([np.flatnonzero(starts)[1:] - 1, [len(last) - 1]])]


def outside(rows, regions):
    """(instruction, address), once for each instruction that leaves all of `regions` (address, bytes)."""
    insn, first, size = rows
    if not len(insn):
        return []
    begin, end = merge(regions[:, 0], regions.sum(axis=1))
    if not len(begin):
        return [(int(insn[0]), int(first[0]))]
    at = np.searchsorted(begin, first, "right") - 1
    inside = (at >= 0) & (first < end[at])
    reach = np.where(inside, end[at], first)          # first byte not covered
    found, seen = [], set()
    bad = reach < first + size
    for n, address in zip(insn[bad].tolist(), reach[bad].tolist(), strict=True):
        if n not in seen:
            seen.add(n)
            found.append((n, address))
    return found


class Overlaps:
    """DRAM bytes that both LOADs and STOREs of a stream access, and which instructions accessed them last.

    `shared[n]` is true where instruction n accesses any of them: usually none does, and nothing is kept. The shared
    bytes are divided into segments at every row's begin and end, so that a row is a slice of segments.
    """

    def __init__(self, footprints):
        insn, first, size = footprints.dram_rows()
        last, stores = first + size, footprints.columns.is_store[insn]
        shared = np.zeros(len(insn), bool)
        for own in (stores, ~stores):
            begin, end = merge(first[~own], last[~own])
            shared[own] = np.searchsorted(end, first[own], "right") < np.searchsorted(begin, last[own])
        insn, first, last = insn[shared], first[shared], last[shared]
        self.shared = np.zeros(len(footprints.columns), bool)
        self.shared[insn] = True
        self.cuts = np.unique(np.concatenate([first, last]))
        self.rows = {}
        for n, a, b in zip(insn.tolist(), np.searchsorted(self.cuts, first).tolist(),
                           np.searchsorted(self.cuts, last).tolist(), strict=True):
            self.rows.setdefault(n, []).append(slice(a, b))
        # for each unit and segment: how many instructions the unit had executed after its last access
        self.last = np.zeros((3, len(self.cuts)), np.int64)

    def access(self, unit, n, clock, order):
        """Record the accesses of instruction `n`; returns (other instruction, address) of at most one race."""
        store, races = 2, []
        for row in self.rows[n]:
            for other in (0, 1) if unit == store else (store,):
                late = self.last[other, row] > clock[other]
                if late.any() and not races:
                    at = int(late.argmax())
                    races.append((order[other][int(self.last[other, row][at]) - 1], int(self.cuts[row][at])))
            self.last[unit, row] = clock[unit]
        return races
