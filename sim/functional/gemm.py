"""GEMM in numpy: the steps of an instruction as a few exact matrix products.

Additions modulo 2^32 commute, so all that matters is which (input, weight) pairs each accumulator tile sums. Tiles
with the same weights in the same order become the rows of one product, as in im2col.
"""

import numpy as np

from vta.sim.functional.loop_nest import compact, wrap
from vta.sim.functional.requantised import ToOut

EXACT_TERMS = 1024      # int8 products whose sum is at most 2^24, hence exact in float32


class Reset:
    """ACC[dst] <- 0, and OUT if `to_out`."""

    def __init__(self, dst, to_out=True):
        self.dst, self.to_out = compact(np.unique(dst)), to_out

    def apply(self, machine):
        machine.writes(self.dst, self.to_out)
        machine.acc[self.dst] = 0


class Products:
    """ACC[dst[g, m]] += sum over k of INP[src[g, m, k]] times the transpose of WGT[wgt[g, k]].

    No dst occurs twice. OUT is written as well if `to_out`.
    """

    def __init__(self, dst, src, wgt, to_out=True):
        self.dst, self.src, self.wgt, self.to_out = compact(dst.ravel()), src, wgt, to_out

    def apply(self, machine):
        machine.writes(self.dst, self.to_out)
        groups, rows, terms = self.src.shape
        batch, block = machine.config.batch, machine.config.block
        for k in range(0, terms, EXACT_TERMS // block):
            src, wgt = self.src[:, :, k:k + EXACT_TERMS // block], self.wgt[:, k:k + EXACT_TERMS // block]
            inputs = machine.inp.take(src, axis=0).astype(np.float32)
            if batch > 1:       # (g, m, k, batch, block) -> (g, m, batch, k, block)
                inputs = inputs.reshape(*src.shape, batch, block).swapaxes(2, 3)
            weights = machine.wgt.take(wgt, axis=0).reshape(*wgt.shape, block, block)
            weights = weights.swapaxes(2, 3).astype(np.float32).reshape(groups, -1, block)
            sums = inputs.reshape(groups, rows * batch, -1) @ weights
            machine.acc[self.dst] += sums.astype(np.int32).reshape(-1, batch * block)


def operations(nest, reset, requantise, micro_ops, config, chunk):
    """([operations], complaint) of one chunk of a GEMM; the complaint, if any, names an index out of range.

    With `requantise` the last step of each iteration requantises, and with `reset` as well the first one starts from 0.
    """
    def index(name, memory):
        return wrap(nest.indices(name, micro_ops, config, chunk), config.depth[memory], f"{memory} ({name})")

    dst, complaint = index("dst", "ACC")
    if reset and not requantise:
        return [Reset(dst)], complaint
    src, beyond_inp = index("src", "INP")
    wgt, beyond_wgt = index("wgt", "WGT")
    found = []
    for steps in _independent(dst.reshape(-1, nest.uops)) if requantise else [slice(None)]:
        tiles = dst[steps]
        if reset:
            found.append(Reset(tiles[::nest.uops], False))
        found += _products(tiles, src[steps], wgt[steps], not requantise)
        if requantise:
            found.append(ToOut(tiles[nest.uops - 1::nest.uops]))
    return found, complaint or beyond_inp or beyond_wgt


def _independent(dst):
    """Slices of steps whose iterations can be executed all at once: all of them, if no two iterations (rows of `dst`)
    share a tile, else one after another."""
    rows, uops = dst.shape
    ordered = np.sort(dst, axis=1)
    own = rows + (np.diff(ordered, axis=1) != 0).sum()         # tiles of each iteration, added up
    if len(np.unique(dst)) == own:
        return [slice(None)]
    return [slice(first, first + uops) for first in range(0, rows * uops, uops)]


def _products(dst, src, wgt, to_out):
    """Sort the steps by dst, group the dst with equal lists of weights, and stack groups of one size."""
    order = np.argsort(dst.astype(np.uint16), kind="stable")
    tiles, starts, terms = np.unique(dst[order], return_index=True, return_counts=True)
    stacks = {}
    for count in np.unique(terms):
        chosen = terms == count
        steps = order[starts[chosen][:, None] + np.arange(count)]
        for rows in _equal_rows(wgt[steps]):
            group = (tiles[chosen][rows], src[steps[rows]], wgt[steps[rows[0]]])
            stacks.setdefault(group[1].shape, []).append(group)
    return [Products(*map(np.stack, zip(*groups, strict=True)), to_out) for groups in stacks.values()]


def _equal_rows(table):
    """Groups of row numbers whose rows are equal."""
    if (table == table[0]).all():
        return [np.arange(len(table))]
    keys = np.ascontiguousarray(table).view(np.dtype((np.void, table.shape[1] * table.itemsize))).ravel()
    inverse = np.unique(keys, return_inverse=True)[1].ravel()
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1)
