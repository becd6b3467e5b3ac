"""DRAM ranges: what lies outside of given regions, and the order of STOREs and LOADs of the same bytes.

Rows are (instruction, first byte, bytes) arrays as `Footprints.dram_rows` gives them.
"""

import numpy as np

GRAIN = 4                        # every transfer starts and ends at a multiple of this (a micro-op)


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
    """Bytes that both LOADs and STOREs of `count` instructions touch, and who touched them last.

    `touched[n]` says whether instruction n reaches any of them: usually none does, and nothing is kept.
    """

    def __init__(self, count, rows, stores):
        insn, first, size = rows
        self.touched = np.zeros(count, bool)
        shared = self._shared(first, first + size, stores)
        self.grains = np.concatenate([np.arange(a // GRAIN, -(-b // GRAIN)) for a, b in shared] or
                                     [np.zeros(0, np.int64)])
        self.rows = {}
        if len(self.grains):
            low = np.searchsorted(self.grains, first // GRAIN)
            high = np.searchsorted(self.grains, (first + size - 1) // GRAIN, "right")
            for n, a, b in zip(insn[low < high].tolist(), low[low < high].tolist(),
                               high[low < high].tolist(), strict=True):
                self.rows.setdefault(n, []).append(slice(a, b))
            self.touched[list(self.rows)] = True
        # for each unit and grain: how many instructions the unit had executed after its last access
        self.last = np.zeros((3, len(self.grains)), np.int64)

    @staticmethod
    def _shared(first, last, stores):
        """Ranges [a, b) in both the union of the STOREs' rows and that of the LOADs'."""
        a0, a1 = merge(first[stores], last[stores])
        b0, b1 = merge(first[~stores], last[~stores])
        low = np.searchsorted(b1, a0, "right")
        high = np.searchsorted(b0, a1, "left")
        return [(max(a0[n], b0[m]), min(a1[n], b1[m]))
                for n in np.flatnonzero(low < high) for m in range(low[n], high[n])]

    def access(self, unit, n, clock, order):
        """Enter the access of instruction `n`; returns (other instruction, address) of at most one race."""
        store, races = 2, []
        for row in self.rows[n]:
            for other in (0, 1) if unit == store else (store,):
                late = self.last[other, row] > clock[other]
                if late.any() and not races:
                    at = int(late.argmax())
                    races.append((order[other][int(self.last[other, row][at]) - 1],
                                  int(self.grains[row][at]) * GRAIN))
            self.last[unit, row] = clock[unit]
        return races
