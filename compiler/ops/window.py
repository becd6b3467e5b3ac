"""Sliding windows over tiles: the problem of all operators that multiply, its tilings, and what follows from them.

Data is (batch, groups * cin, height, width) tiles, weights (groups * cout, cin, kh, kw) tiles, the result
(batch, groups * cout, ...) tiles; group g of the outputs sees group g of the inputs only. A `Tiling` says how
much of it is on chip at a time; accumulators, inputs and weights each have a ring of equal buffers, two or more
where they fit. `emitter.py` makes the instructions.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from vta.compiler.ops.checks import check_int, need
from vta.compiler.ops.loops import buffer_count, chunks, split_loops
from vta.hw.config import Config

RESIDUALS = 2           # buffers of an array that is added to the sums


@dataclass(frozen=True)
class Window:
    """The problem, in tiles. Tap (i, j) of output (y, x) sees input (y * sh - top + i * dh, x * sw - left + j * dw);
    beyond the edge inputs are 0, and how far it lies is not limited. Without inputs (`cin` of 0), the sum is 0.

    `shared`: one weight tile serves all taps and channels. Output (y, x) is stored at origin + step * (y, x)
    of planes of `planes` (height, width). `row_taps`: each channel by itself, so many taps of a row a step (WINDOW);
    its weights are (groups, 1, kh, kw / row_taps) tiles. `diagonal`: each channel by itself, by GEMM, whose weight
    tiles are loaded from their diagonals. `pad_value`: what inputs beyond the edge are.
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
    dilation: tuple[int, int] = (1, 1)
    shared: bool = False
    weight_offset: int = 0
    planes: tuple[int, int] | None = None
    origin: tuple[int, int] = (0, 0)
    step: tuple[int, int] = (1, 1)
    row_taps: int = 0
    diagonal: bool = False
    pad_value: int = 0

    @property
    def taps(self):
        """Weight tiles of an input and an output block."""
        return self.kernel[0] * (-(-self.kernel[1] // self.row_taps) if self.row_taps else self.kernel[1])

    def on_chip(self, taps):
        """(rows in DRAM for one on chip, stride, dilation there) with `taps` (rows, columns) of the window at a time:
        rows that no tap sees are not loaded."""
        if taps[0] == 1:
            return self.stride[0], (1, self.stride[1]), (1, self.dilation[1])
        skip = math.gcd(self.stride[0], self.dilation[0])
        return skip, (self.stride[0] // skip, self.stride[1]), (self.dilation[0] // skip, self.dilation[1])

    @property
    def steps(self):
        """GEMM steps."""
        if self.row_taps:
            rows = self.batch * self.groups * self.out[0] * self.kernel[0]
            return rows * sum(row_steps(self, self.out[1], piece)[1] for piece in row_pieces(self))
        return self.outputs * self.cin * self.taps

    @property
    def outputs(self):
        """Output tiles."""
        return self.batch * self.groups * self.cout * math.prod(self.out)


def row_pieces(window):
    """[(first tap, taps)] of a row of the window, for WINDOW."""
    return chunks(window.kernel[1], window.row_taps)


def row_steps(window, cols, piece):
    """(first input column, steps) of a piece of a row of `cols` outputs; the first taps - 1 steps complete none."""
    first, taps = piece
    return first, (cols - 1) * window.stride[1] + taps


@dataclass(frozen=True)
class Tiling:
    """How much is on chip at a time: output rows and columns, output and input channel blocks, groups (more than one
    only with all channels), and rows and columns of the window's taps (None: all). `weights_stay`: the outer loop is
    over channels, else over the image.

    OperatorError for values that are not integers of at least 1.
    """

    rows: int
    cols: int
    outs: int
    ins: int
    groups: int = 1
    weights_stay: bool = True
    tap_rows: int | None = None
    tap_cols: int | None = None

    def __post_init__(self):
        for name in ("rows", "cols", "outs", "ins", "groups"):
            check_int(getattr(self, name), name)
        for name in ("tap_rows", "tap_cols"):
            if getattr(self, name) is not None:
                check_int(getattr(self, name), name)
        need(isinstance(self.weights_stay, bool), f"weights_stay = {self.weights_stay!r} must be True or False")

    def taps(self, kernel):
        """(rows, columns) of the taps of a `kernel` at a time."""
        return tuple(min(own or k, k) for own, k in zip((self.tap_rows, self.tap_cols), kernel, strict=True))


class Piece(NamedTuple):
    """A part of the sum of every output: `ins` input blocks from block `first` on, `height` x `width` taps from tap
    (row, col) on."""

    first: int
    ins: int
    row: int
    height: int
    col: int
    width: int

    @property
    def taps(self):
        return self.height * self.width


class TiledWindow:
    """A window under a tiling: its output tiles, and the buffers that they need.

    channels: [(first group, groups, first output block, blocks)] and patches: [(image, y, rows, x, cols)]; an output
    tile is one of each. pieces: the `Piece`s of its sum, one GEMM each. in_size, wgt_size, acc_size: tiles of a
    buffer; in_buffers, wgt_buffers, acc_buffers: how many; fits: one of each, at least; room: what each memory has for
    them, without biases, residuals and scrap. bias_size: accumulators that hold biases or parameters, `parameter_tiles`
    of each output block, all of them if `bias_resident`. scrap_size: accumulators between the two buffers that WINDOW
    writes and nobody reads.
    """

    def __init__(self, window: Window, tiling: Tiling, config: Config, post):
        self.window, self.tiling, self.config = window, tiling, config
        w, t, depth = window, tiling, config.depth
        taps = t.taps(w.kernel)
        self.skip, self.stride, self.dilation = w.on_chip(taps)
        self.pieces = [Piece(*i, *y, *x) for i in chunks(w.cin, t.ins)
                       for y in chunks(w.kernel[0], taps[0]) for x in chunks(w.kernel[1], taps[1])]
        if t.groups > 1:
            self.channels = [(g, n, 0, w.cout) for g, n in chunks(w.groups, t.groups)]
        else:
            self.channels = [(g, 1, o, n) for g in range(w.groups) for o, n in chunks(w.cout, t.outs)]
        self.patches = [(n, *y, *x) for n in range(w.batch)
                        for y in chunks(w.out[0], t.rows) for x in chunks(w.out[1], t.cols)]
        per_tile = max(1, len(self.pieces))
        self.in_size = t.groups * t.ins * math.prod(self.input_size(t.rows, t.cols, taps))
        self.wgt_size = 1 if w.shared else t.groups * t.outs * t.ins * (w.taps if w.row_taps else math.prod(taps))
        self.acc_size = t.groups * t.outs * t.rows * t.cols
        # what is added to the sums: two buffers behind the inputs, and the last weight tile
        residual = post.residual > 0
        inputs, weights = depth["INP"] - residual * RESIDUALS * self.acc_size, depth["WGT"] - residual
        self.room = {"input": inputs, "weight": weights}          # tiles of each memory for the tile itself
        groups = len({channel[0] for channel in self.channels})     # their input channels differ
        self.in_buffers = buffer_count(inputs, self.in_size, per_tile * len(self.patches) * groups, per_tile)
        self.wgt_buffers = 1 if w.shared else buffer_count(
            weights, self.wgt_size, per_tile * len(self.channels), per_tile)
        self.bias_blocks = 1 if post.shared else w.groups * w.cout
        self.bias_resident = self.bias_blocks * post.parameter_tiles <= depth["ACC"] // 8
        self.bias_size = post.parameter_tiles * (self.bias_blocks if self.bias_resident else 2 * t.groups * t.outs)
        self.scrap_size = (t.rows - 1) * t.cols + 1 if w.row_taps else 0
        self.room["accumulator"] = depth["ACC"] - self.bias_size - self.scrap_size
        self.acc_buffers = min(2, self.room["accumulator"] // self.acc_size)
        self.fits = min(self.in_buffers, self.wgt_buffers, self.acc_buffers) >= 1

    def input_size(self, rows, cols, taps):
        """(rows, columns) of input on chip for that many outputs and taps, a pair."""
        return tuple((n - 1) * s + (k - 1) * d + 1 for n, s, k, d in
                     zip((rows, cols), self.stride, taps, self.dilation, strict=True))

    def input_region(self, patch, piece):
        """What a piece of the sum of a patch sees: its first (row, column) in the image, the (rows, columns) of it on
        chip, and the (left, top, right, bottom) tiles of padding there; (0, 0) and no place where all is padding."""
        w, (_, y, rows, x, cols) = self.window, patch
        size = self.input_size(rows, cols, (piece.height, piece.width))
        firsts, inside, pads = [], [], []
        for output, stride, start, tap, dilation, length, limit, skip in zip(
                (y, x), w.stride, w.start, (piece.row, piece.col), w.dilation, size, w.size, (self.skip, 1),
                strict=True):
            first = output * stride - start + tap * dilation
            before = min(max(0, -(first // skip)), length)          # rows on chip are `skip` apart
            real = max(0, min(length, -((first - limit) // skip)) - before)
            firsts.append(first + before * skip)
            inside.append(real)
            pads.append((before, length - before - real))
        (top, bottom), (left, right) = pads
        if not all(inside):
            return (0, 0), (0, 0), (size[1], size[0], 0, 0)
        return tuple(firsts), tuple(inside), (left, top, right, bottom)

    def loops(self, ng, no, piece, rows, cols):
        """The loops of a GEMM: (extent, dst, src, wgt), channels first, then the image, then the sum."""
        w, (height, width) = self.window, self.input_size(rows, cols, (piece.height, piece.width))
        area, plane, taps = rows * cols, height * width, piece.taps
        found = [
            (ng, no * area, piece.ins * plane, no * piece.ins * taps),
            (no, area, 0, piece.ins * taps),
            (rows, cols, self.stride[0] * width, 0),
            (cols, 1, self.stride[1], 0),
            (piece.ins, 0, plane, taps),
            (piece.height, 0, self.dilation[0] * width, piece.width),
            (piece.width, 0, self.dilation[1], 1),
        ]
        return [(extent, dst, src, 0 if w.shared else wgt) for extent, dst, src, wgt in found if extent > 1]

    def micro_ops(self, ng, no, requantised):
        """Micro-ops of the kernel of a piece, at least."""
        if not self.pieces:
            return 1
        t, config = self.tiling, self.config
        if self.window.row_taps:
            return max(row_steps(self.window, t.cols, piece)[1] for piece in row_pieces(self.window))
        loops = self.loops(ng, no, self.pieces[0], t.rows, t.cols)
        left = reductions(loops) if requantised else split_loops(loops, config)[1]
        return math.prod(loop[0] for loop in left)


def reductions(loops):
    """The loops over the sum, of those of a GEMM."""
    return [loop for loop in loops if not loop[1]]


def window_start(pads):
    """`Window.start` of pads as from `as_pads`."""
    return pads[0][0], pads[1][0]
