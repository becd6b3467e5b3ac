"""Sliding windows over tiles: the problem of all operators that multiply, its tilings, and what follows from
them.

Data is (batch, groups * cin, height, width) tiles, weights (groups * cout, cin, kh, kw) tiles, the result
(batch, groups * cout, ...) tiles; group g of the outputs sees group g of the inputs only. A `Tiling` says how
much of it is on chip at a time; accumulators, inputs and weights live in slots of equal size, two or more
where they fit. `emitter.py` makes the instructions.
"""

import math
from dataclasses import dataclass, field

from vta.compiler.ops.operator import need, whole
from vta.hw.isa import MAX_TRIPS


@dataclass(frozen=True)
class Window:
    """The problem, in tiles. Outputs (y, x) see inputs from (y * sh - top, x * sw - left); beyond the edge
    is 0.

    `shared`: one weight tile serves all taps and channels. Output (y, x) is stored at origin + step * (y, x)
    of planes of `planes` (height, width).
    """

    batch: int
    groups: int
    cin: int
    cout: int
    size: tuple
    out: tuple
    kernel: tuple
    stride: tuple = (1, 1)
    start: tuple = (0, 0)  # (top, left) padding; negative skips inputs
    shared: bool = False
    weight_offset: int = 0
    planes: tuple | None = None
    origin: tuple = (0, 0)
    step: tuple = (1, 1)

    @property
    def taps(self):
        return self.kernel[0] * self.kernel[1]

    @property
    def steps(self):
        """GEMM steps."""
        return self.outputs * self.cin * self.taps

    @property
    def outputs(self):
        """Output tiles."""
        return self.batch * self.groups * self.cout * math.prod(self.out)


@dataclass(frozen=True)
class Tiling:
    """How much is on chip at a time: output rows and columns, output and input channel blocks, and groups
    (more than one only with all channels). `weights_stay`: the outer loop is over channels, else over the
    picture."""

    rows: int
    cols: int
    outs: int
    ins: int
    groups: int = 1
    weights_stay: bool = True

    def __post_init__(self):
        for name in ("rows", "cols", "outs", "ins", "groups"):
            whole(getattr(self, name), name)
        need(isinstance(self.weights_stay, bool), f"weights_stay = {self.weights_stay!r} must be True or False")


def cut(total, size):
    """[(first, count)] that cover `total` in pieces of at most `size`."""
    return [(first, min(size, total - first)) for first in range(0, total, size)]


@dataclass
class Slots:
    """Equal shares of one memory, filled in turn; what is in none replaces the oldest."""

    count: int
    size: int
    base: int = 0
    loads: int = 0
    held: dict = field(default_factory=dict)  # slot -> what is in it

    def hold(self, what):
        """(first tile of the slot of `what`, whether it must be loaded there)."""
        for slot, there in self.held.items():
            if there == what:
                return self.base + slot * self.size, False
        slot = self.loads % self.count
        self.loads += 1
        self.held[slot] = what
        return self.base + slot * self.size, True


def slot_count(capacity, size, kinds, chunks):
    """How many slots: for everything if it fits, else for all chunks of one tile, twice if that fits, else
    two or one. More would only make more kernels: each combination of slots has its own micro-ops."""
    fits = capacity // size
    if fits >= kinds:
        return kinds
    return min(fits // chunks, 2) * chunks if fits >= 2 * chunks or fits >= chunks > 1 else min(fits, 2)


class Plan:
    """The sizes that follow from a window and a tiling; `fits` says whether they are possible."""

    def __init__(self, window, tiling, config, bias):
        self.window, self.tiling, self.config = window, tiling, config
        w, t = window, tiling
        # a kernel of one row needs only every stride-th row: `skip` rows in DRAM are one on chip
        self.skip, self.row_step = (w.stride[0], 1) if w.kernel[0] == 1 else (1, w.stride[0])
        rows, cols = self.region(t.rows, t.cols)
        self.plane = rows * cols
        self.chunks = cut(w.cin, t.ins)
        if t.groups > 1:
            self.channels = [(g, n, 0, w.cout) for g, n in cut(w.groups, t.groups)]
        else:
            self.channels = [(g, 1, o, n) for g in range(w.groups) for o, n in cut(w.cout, t.outs)]
        self.places = [
            (n, *y, *x) for n in range(w.batch) for y in cut(w.out[0], t.rows) for x in cut(w.out[1], t.cols)
        ]
        depth, chunks = config.depth, len(self.chunks)
        self.in_size = t.groups * t.ins * self.plane
        self.wgt_size = 1 if w.shared else t.groups * t.outs * t.ins * w.taps
        self.acc_size = t.groups * t.outs * t.rows * t.cols
        parts = len({tile[0] for tile in self.channels})  # input channels differ from group to group
        self.in_slots = slot_count(depth["INP"], self.in_size, chunks * len(self.places) * parts, chunks)
        self.wgt_slots = (
            1 if w.shared else slot_count(depth["WGT"], self.wgt_size, chunks * len(self.channels), chunks)
        )
        self.bias_all = w.groups * w.cout <= depth["ACC"] // 8
        self.bias_size = 0 if not bias else w.groups * w.cout if self.bias_all else 2 * t.groups * t.outs
        self.acc_slots = min(2, (depth["ACC"] - self.bias_size) // self.acc_size)

    def region(self, rows, cols):
        """(rows, columns) of input on chip for that many outputs."""
        w = self.window
        return (rows - 1) * self.row_step + w.kernel[0], (cols - 1) * w.stride[1] + w.kernel[1]

    def edges(self, place):
        """(first input row, first column, (left, top, right, bottom) tiles of padding) of a place; the first row and
        column may lie outside of the picture."""
        w, (_, y, rows, x, cols) = self.window, place
        height, width = self.region(rows, cols)
        top, left = y * w.stride[0] - w.start[0], x * w.stride[1] - w.start[1]
        below, right = top + (height - 1) * self.skip + 1 - w.size[0], left + width - w.size[1]
        return top, left, (max(0, -left), max(0, -top), max(0, right), max(0, below))

    @property
    def fits(self):
        return min(self.in_slots, self.wgt_slots, self.acc_slots) >= 1

    def dims(self, ng, no, ni, rows, cols):
        """The loops of a GEMM: (extent, dst, src, wgt), channels first, then the picture, then the sum."""
        w, (height, width) = self.window, self.region(rows, cols)
        area, plane, taps = rows * cols, height * width, w.taps
        found = [
            (ng, no * area, ni * plane, no * ni * taps),
            (no, area, 0, ni * taps),
            (rows, cols, self.row_step * width, 0),
            (cols, 1, w.stride[1], 0),
            (ni, 0, plane, taps),
            (w.kernel[0], 0, width, w.kernel[1]),
            (w.kernel[1], 0, 1, 1),
        ]
        return [(extent, dst, src, 0 if w.shared else wgt) for extent, dst, src, wgt in found if extent > 1]


def split_loops(dims, config):
    """(hardware loops, loops left for micro-ops): neighbours that continue each other are joined, the two
    longest whose factors fit become hardware loops."""
    joined = []
    for dim in dims:
        if (
            joined
            and joined[-1][1:] == tuple(n * dim[0] for n in dim[1:])
            and joined[-1][0] * dim[0] <= MAX_TRIPS
        ):
            joined[-1] = (joined[-1][0] * dim[0], *dim[1:])
        else:
            joined.append(dim)
    limits = (MAX_TRIPS, *(config.depth[name] - 1 for name in ("ACC", "INP", "WGT")))
    able = [n for n, dim in enumerate(joined) if all(a <= b for a, b in zip(dim, limits, strict=True))]
    best = sorted(sorted(able, key=lambda n: -joined[n][0])[:2])
    return [joined[n] for n in best], [dim for n, dim in enumerate(joined) if n not in best]


def unroll(dims, dst, src, wgt):
    """The micro-ops of loops: the sum outermost, so that neighbours write different accumulators."""
    steps = [(dst, src, wgt)]
    for extent, *factors in sorted(dims, key=lambda dim: dim[1] > 0):
        steps = [
            tuple(a + n * b for a, b in zip(step, factors, strict=True))
            for step in steps
            for n in range(extent)
        ]
    return steps


def ramp(total):
    """Pieces of growing size: 1, 1, 2, 4, ..."""
    pieces, first, size = [], 0, 1
    while first < total:
        pieces.append((first, min(size, total - first)))
        first += size
        size = first
    return pieces
