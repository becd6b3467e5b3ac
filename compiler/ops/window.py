"""Sliding windows over tiles: the problem of all operators that multiply, its tilings, and what follows from them.

Data is (batch, groups * cin, height, width) tiles, weights (groups * cout, cin, kh, kw) tiles, the result
(batch, groups * cout, ...) tiles; group g of the outputs sees group g of the inputs only. A `Tiling` says how
much of it is on chip at a time; accumulators, inputs and weights each have a ring of equal buffers, two or more
where they fit. `emitter.py` makes the instructions.
"""

import math
from dataclasses import dataclass

from vta.compiler.ops.checks import check_int, need
from vta.compiler.ops.loops import buffer_count, chunks
from vta.hw.config import Config


@dataclass(frozen=True)
class Window:
    """The problem, in tiles. Output (y, x) sees inputs from (y * sh - top, x * sw - left); beyond the edge they are 0.

    `shared`: one weight tile serves all taps and channels. Output (y, x) is stored at origin + step * (y, x)
    of planes of `planes` (height, width).
    """

    batch: int
    groups: int
    cin: int
    cout: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    start: tuple[int, int] = (0, 0)     # (top, left) padding; negative skips inputs
    shared: bool = False
    weight_offset: int = 0
    planes: tuple[int, int] | None = None
    origin: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)

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
    """How much is on chip at a time: output rows and columns, output and input channel blocks, and groups (more than
    one only with all channels). `weights_stay`: the outer loop is over channels, else over the image.

    OperatorError for values that are not integers of at least 1.
    """

    rows: int
    cols: int
    outs: int
    ins: int
    groups: int = 1
    weights_stay: bool = True

    def __post_init__(self):
        for name in ("rows", "cols", "outs", "ins", "groups"):
            check_int(getattr(self, name), name)
        need(isinstance(self.weights_stay, bool), f"weights_stay = {self.weights_stay!r} must be True or False")


class TiledWindow:
    """A window under a tiling: its output tiles, and the buffers that they need.

    channels: [(first group, groups, first output block, blocks)] and patches: [(image, y, rows, x, cols)]; an output
    tile is one of each. in_chunks: [(first, count)] of input blocks, one GEMM each. in_size, wgt_size, acc_size:
    tiles of a buffer; in_buffers, wgt_buffers, acc_buffers: how many; fits: one of each, at least. bias_size:
    accumulators that hold biases, all of them if `bias_resident`.
    """

    def __init__(self, window: Window, tiling: Tiling, config: Config, bias: bool):
        self.window, self.tiling, self.config = window, tiling, config
        w, t, depth = window, tiling, config.depth
        # a window of one row needs only every stride-th row: `skip` rows in DRAM are one on chip
        self.skip, self.row_step = (w.stride[0], 1) if w.kernel[0] == 1 else (1, w.stride[0])
        self.in_chunks = chunks(w.cin, t.ins)
        if t.groups > 1:
            self.channels = [(g, n, 0, w.cout) for g, n in chunks(w.groups, t.groups)]
        else:
            self.channels = [(g, 1, o, n) for g in range(w.groups) for o, n in chunks(w.cout, t.outs)]
        self.patches = [(n, *y, *x) for n in range(w.batch)
                        for y in chunks(w.out[0], t.rows) for x in chunks(w.out[1], t.cols)]
        per_tile = len(self.in_chunks)
        self.in_size = t.groups * t.ins * math.prod(self.input_size(t.rows, t.cols))
        self.wgt_size = 1 if w.shared else t.groups * t.outs * t.ins * w.taps
        self.acc_size = t.groups * t.outs * t.rows * t.cols
        groups = len({channel[0] for channel in self.channels})     # their input channels differ
        self.in_buffers = buffer_count(depth["INP"], self.in_size, per_tile * len(self.patches) * groups, per_tile)
        self.wgt_buffers = 1 if w.shared else buffer_count(
            depth["WGT"], self.wgt_size, per_tile * len(self.channels), per_tile)
        self.bias_resident = w.groups * w.cout <= depth["ACC"] // 8
        self.bias_size = 0 if not bias else w.groups * w.cout if self.bias_resident else 2 * t.groups * t.outs
        self.acc_buffers = min(2, (depth["ACC"] - self.bias_size) // self.acc_size)
        self.fits = min(self.in_buffers, self.wgt_buffers, self.acc_buffers) >= 1

    def input_size(self, rows, cols):
        """(rows, columns) of input on chip for that many outputs."""
        w = self.window
        return (rows - 1) * self.row_step + w.kernel[0], (cols - 1) * w.stride[1] + w.kernel[1]

    def input_region(self, patch):
        """The input of a patch: its first (row, column), perhaps outside of the image; the (rows, columns) inside; the
        (left, top, right, bottom) tiles of padding."""
        w, (_, y, rows, x, cols) = self.window, patch
        height, width = self.input_size(rows, cols)
        top, left = y * w.stride[0] - w.start[0], x * w.stride[1] - w.start[1]
        below, right = top + (height - 1) * self.skip + 1 - w.size[0], left + width - w.size[1]
        x0, y0, x1, y1 = pads = max(0, -left), max(0, -top), max(0, right), max(0, below)
        return (top, left), (height - y0 - y1, width - x0 - x1), pads

    def loops(self, ng, no, ni, rows, cols):
        """The loops of a GEMM: (extent, dst, src, wgt), channels first, then the image, then the sum."""
        w, (height, width) = self.window, self.input_size(rows, cols)
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
