"""Max pooling's axes, the tiles of its result, and where they lie on chip; `max_pool2d.py` makes the instructions."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

from vta.compiler.ops.operator import need


@dataclass(frozen=True)
class Axis:
    """One axis of the picture: inputs, outputs, and the window."""

    size: int
    outputs: int
    kernel: int
    stride: int
    pad: int

    @cached_property
    def seat(self):
        """The tap whose inputs may take the results, or None.

        All outputs have it, and no other output needs what was there: the only tap that meets results is the one a
        stride on, which is reduced first, in ascending order.
        """
        last = self.size - 1 + self.pad - (self.outputs - 1) * self.stride
        for tap in range(self.pad, min(self.kernel - 1, last) + 1):
            met = [other - tap for other in range(self.kernel) if other != tap and (other - tap) % self.stride == 0]
            if met in ([], [self.stride]):
                return tap
        return None

    def inputs(self, outputs):
        """Inputs that so many outputs see at most."""
        return min(self.size, (outputs - 1) * self.stride + self.kernel)

    def part(self, first, outputs):
        return Part(self, first, outputs)


@dataclass(frozen=True)
class Part:
    """The outputs of one tile on one axis. Inputs are counted from `start`, the first in the picture that they see."""

    axis: Axis
    first: int
    outputs: int

    @cached_property
    def begin(self):
        """Where the first output's window begins, perhaps before the picture."""
        return self.first * self.axis.stride - self.axis.pad

    @cached_property
    def start(self):
        return max(self.begin, 0)

    @cached_property
    def inputs(self):
        """How many inputs the outputs see."""
        axis = self.axis
        return min(self.begin + (self.outputs - 1) * axis.stride + axis.kernel, axis.size) - self.start

    def input(self, tap, output):
        """The input that `tap` of `output` sees, perhaps outside of the picture."""
        return self.begin - self.start + output * self.axis.stride + tap

    @cached_property
    def taps(self):
        """{tap: (first output that has it in the picture, how many)}, the one that must be reduced first, first."""
        seat, found = self.axis.seat, {}
        for tap in sorted(range(self.axis.kernel), key=lambda tap: seat is None or tap != seat + self.axis.stride):
            have = [n for n in range(self.outputs) if 0 <= self.input(tap, n) < self.inputs]
            if have:
                found[tap] = have[0], len(have)
        return found


def _power(n):
    """The power of two that is at least n."""
    return 1 << (n - 1).bit_length()


class Plan:
    """Where things lie in a slot for tiles of (rows, cols) outputs of `many` channel blocks, or less."""

    def __init__(self, axes, rows, cols, many, multiplied):
        self.y, self.x = axes
        self.limits, self.multiplied = (rows, cols, many), multiplied
        height, width = self.y.inputs(rows), self.x.inputs(cols)
        self.split = self.x.stride if multiplied and self.x.seat is not None else 1     # phases of columns
        self.phase = _power(-(-width // self.split))
        self.pitch = self.phase * _power(self.split)                                    # from row to row
        self.area = -(-height // 2) * 2 * self.pitch                                    # from plane to plane
        self.inputs = many * height * width
        self.in_place = (self.y.seat is not None, self.x.seat is not None and self.split == self.x.stride)
        self.reduced = 0 if self.in_place[0] else many * rows * self.pitch              # accumulators for rows
        results = 0 if self.in_place[1] else many * rows * cols
        self.sums = -(-(many * self.area + self.reduced + results) // (2 * self.pitch)) * 2 * self.pitch

    def column(self, column):
        """Where an input's column lies in its row."""
        return column % self.split * self.phase + column // self.split

    def columns(self, inputs):
        """[(first column, where it lies, how many lie there)] of so many columns."""
        return [(n, self.column(n), len(range(n, inputs, self.split))) for n in range(min(self.split, inputs))]


def plans(axes, blocks, config):
    """Candidates: tiles as large as fit twice into the memories, and into ever smaller parts of them, where loads
    overlap better."""
    found, smallest = {}, math.inf
    height, width = (axis.outputs for axis in axes)
    widths = sorted({-(-width // (1 << n)) for n in range(width.bit_length() + 1)})
    sizes = [*itertools.product(range(1, min(height, config.depth["ACC"]) + 1), widths)]
    for multiplied in (True, False):
        ones = [Plan(axes, rows, cols, 1, multiplied) for rows, cols in sizes]
        smallest = min(smallest, *(one.sums for one in ones))
        for part in (2, 4, 8):
            fit = []
            for one, (rows, cols) in zip(ones, sizes, strict=True):
                many = min(blocks, config.depth["ACC"] // (part * one.sums))
                if multiplied:
                    many = min(many, config.depth["INP"] // (part * one.inputs))
                fit.append((many * rows * cols, rows, cols, many))
            if max(fit)[0]:
                found[max(fit)[1:], multiplied] = Plan(axes, *max(fit)[1:], multiplied)
    need(found, f"kernel {tuple(axis.kernel for axis in axes)}: one window needs {smallest} of {config.depth['ACC']} "
                f"accumulators, twice")
    return list(found.values())
