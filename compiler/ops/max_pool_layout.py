"""Max pooling's axes, the tiles of its result, and their layout on chip; `max_pool2d.py` makes the instructions."""

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.loops import chunks


@dataclass(frozen=True)
class Axis:
    """One axis of the image: its inputs and outputs, and the window along it; `pad` inputs before, fewer than none in
    a part of a window."""

    size: int
    outputs: int
    kernel: int
    stride: int
    pad: int

    @cached_property
    def in_place_tap(self):
        """The tap whose inputs can be overwritten by the results, or None.

        All outputs have it inside of the image, and no other tap reads these inputs, except the one a stride further:
        that one is reduced first, in ascending order, so that it reads an input before a result replaces it.
        """
        last = self.size - 1 + self.pad - (self.outputs - 1) * self.stride
        for tap in range(max(self.pad, 0), min(self.kernel - 1, last) + 1):
            if self.outputs == 1 or (tap < self.stride and tap + 2 * self.stride >= self.kernel):
                return tap
        return None

    def parts(self, taps):
        """Axes with at most `taps` of the window's taps each, which together have all of them."""
        return [replace(self, kernel=count, pad=self.pad - first) for first, count in chunks(self.kernel, taps)]


class Extent:
    """A tile along one axis: `outputs` from output `first` on.

    Inputs are counted from `start`, the first in the image that these see; there are `inputs` of them. taps: {tap:
    (first output for which it is in the image, how many)}, the one that must be reduced first, first.
    """

    def __init__(self, axis, first, outputs):
        self.axis, self.first, self.outputs = axis, first, outputs
        begin = first * axis.stride - axis.pad         # of the first output's window, perhaps before the image
        self.start = max(begin, 0)
        self.offset = begin - self.start
        self.inputs = max(0, min(begin + (outputs - 1) * axis.stride + axis.kernel, axis.size) - self.start)
        self.taps, keep = {}, axis.in_place_tap
        for tap in sorted(range(axis.kernel), key=lambda tap: keep is None or tap != keep + axis.stride):
            inside = [n for n in range(outputs) if 0 <= self.input(tap, n) < self.inputs]
            if inside:
                self.taps[tap] = inside[0], len(inside)

    def input(self, tap, output):
        """The input that `tap` of `output` sees, perhaps outside of the image."""
        return self.offset + output * self.axis.stride + tap


class Layout:
    """Where tiles of (rows, cols) outputs of `blocks` channel blocks, or less, lie in a buffer of accumulators.

    First the inputs: a row's columns in `phases`, each of them `phase_pitch` long; `row_pitch` from row to row,
    `plane_pitch` from channel block to channel block. Then the results of rows and of columns that are not reduced in
    place. Powers of two lie between rows and between phases: tiles whose indices differ in one bit are in different
    banks of the accumulator, so that few steps wait for a bank.
    """

    def __init__(self, axes, rows, cols, blocks, by_gemm):
        self.axes, self.by_gemm = axes, by_gemm
        y, x = axes
        height, width = (min(axis.size, (outputs - 1) * axis.stride + axis.kernel)      # of the inputs
                         for axis, outputs in zip(axes, (rows, cols), strict=True))
        self.phases = x.stride if by_gemm and x.in_place_tap is not None and x.outputs > 1 else 1
        self.phase_pitch = _power_of_2(-(-width // self.phases))
        self.row_pitch = self.phase_pitch * _power_of_2(self.phases)
        self.plane_pitch = -(-height // 2) * 2 * self.row_pitch
        self.in_size = blocks * height * width
        self.in_place = (y.in_place_tap is not None,
                         x.in_place_tap is not None and (self.phases == x.stride or x.outputs == 1))
        self.row_results = blocks * self.plane_pitch
        self.column_results = self.row_results + (0 if self.in_place[0] else blocks * rows * self.row_pitch)
        size = self.column_results + (0 if self.in_place[1] else blocks * rows * cols)
        self.acc_size = -(-size // (2 * self.row_pitch)) * 2 * self.row_pitch

    def column(self, column):
        """Where an input's column lies in its row."""
        return column % self.phases * self.phase_pitch + column // self.phases

    def columns(self, inputs):
        """[(first column, where it lies, columns there)] of a row of inputs, by phase."""
        return [(n, self.column(n), len(range(n, inputs, self.phases))) for n in range(min(self.phases, inputs))]


def _power_of_2(n):
    """The smallest power of 2 that is at least n."""
    return 1 << (n - 1).bit_length()


class Tiles:
    """Tiles of (rows, cols) outputs of `blocks` channel blocks, whose windows are reduced `taps` (rows, columns) at a
    time: the `parts`, a Layout each, one after another in a buffer of `acc_size`; the maxima of several are collected
    in `total_size` accumulators."""

    def __init__(self, axes, rows, cols, blocks, taps, by_gemm):
        self.tiling, self.by_gemm = (rows, cols, blocks, taps, by_gemm), by_gemm
        parts = itertools.product(*(axis.parts(count) for axis, count in zip(axes, taps, strict=True)))
        self.parts = [Layout(part, rows, cols, blocks, by_gemm) for part in parts]
        self.acc_size = max(part.acc_size for part in self.parts)
        self.in_size = max(part.in_size for part in self.parts)
        self.total_size = blocks * rows * cols if len(self.parts) > 1 else 0


def tilings(axes, blocks, config):
    """Candidates, Tiles: as large as fit into a half, a quarter and an eighth of the memories; smaller loads overlap
    better. Windows are reduced at once if they fit, else in parts as large as do. OperatorError if none fits."""
    kernel = tuple(axis.kernel for axis in axes)
    sizes = [-(-kernel[0] // 2 ** n) for n in range((kernel[0] - 1).bit_length() + 1)]
    parts = [(rows, kernel[1]) for rows in sizes]
    parts += [(1, -(-kernel[1] // 2 ** n)) for n in range(1, (kernel[1] - 1).bit_length() + 1)]
    for taps in parts:
        if found := _tilings(axes, blocks, config, taps):
            return found
    raise OperatorError(f"kernel {kernel}: {config.depth['ACC']} accumulators hold not even one tap of it, twice")


def _tilings(axes, blocks, config, taps):
    """Those with that many taps at a time."""
    found = {}
    height, width = (axis.outputs for axis in axes)
    widths = sorted({-(-width // (1 << n)) for n in range(width.bit_length() + 1)})
    sizes = [*itertools.product(range(1, min(height, config.depth["ACC"]) + 1), widths)]
    for by_gemm in (True, False):
        single = [Tiles(axes, rows, cols, 1, taps, by_gemm) for rows, cols in sizes]
        for share in (2, 4, 8):
            counts = [min(blocks, config.depth["ACC"] // (share * tiles.acc_size + 2 * tiles.total_size),
                          config.depth["INP"] // (share * tiles.in_size) if by_gemm else blocks) for tiles in single]
            *_, rows, cols, count = max((count * rows * cols, rows, cols, count)
                                        for count, (rows, cols) in zip(counts, sizes, strict=True))
            if count:
                found[rows, cols, count, by_gemm] = Tiles(axes, rows, cols, count, taps, by_gemm)
    return list(found.values())
