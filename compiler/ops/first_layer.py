"""First layers: a convolution of few channels as one of more channels and fewer taps, folded while data is packed.

An axis of the image is folded in one of three ways (window k, stride s, dilation d):

| fold | image along the axis | channels, for each before | taps | stride |
|---|---|---|---|---|
| none | as it is | 1 | k | s |
| depth (dilation 1) | every s-th row | s: rows s * n + 0 ... s - 1 | ceil(k / s) | 1 |
| im2col | a row for each output | k: rows s * n + 0, d, ... (k - 1) * d | 1 | 1 |

7x7 stride 2 on 3 channels so becomes 4x4 stride 1 on 12 (depth), or 1x1 on 147 (im2col). Padding is part of folded
data, the weights of taps that the window does not have are zero: the sums are the same.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from vta.compiler.ops.window import Window

FOLDS = ("auto", "none", "depth", "im2col")


@dataclass(frozen=True)
class AxisFold:
    """One axis, folded: `channels` for each one before, which see rows stride * n + spacing * channel, in an image of
    `size` rows; the window has `taps` rows there. `before`: padding."""

    kind: str
    channels: int
    taps: int
    size: int
    stride: int
    spacing: int
    before: int

    def rows(self):
        """(size, channels): the row of the padded image that each row and channel sees."""
        return np.arange(self.size)[:, None] * self.stride + np.arange(self.channels) * self.spacing


@dataclass(frozen=True)
class Fold:
    """How an image of `channels` is folded; axes: of rows and of columns."""

    channels: int
    axes: tuple[AxisFold, AxisFold]

    @property
    def name(self):
        """The ways of both axes, one if they are the same."""
        kinds = [axis.kind for axis in self.axes]
        return kinds[0] if kinds[0] == kinds[1] else " x ".join(kinds)

    @property
    def folded_channels(self):
        return self.channels * self.axes[0].channels * self.axes[1].channels

    @property
    def shape(self):
        """(channels, rows, columns) of the folded image."""
        return self.folded_channels, self.axes[0].size, self.axes[1].size

    def window(self, batch, cout, out, stride, dilation, block):
        """The Window of the folded convolution."""
        inner = [(1, 1) if axis.kind != "none" else each
                 for axis, each in zip(self.axes, zip(stride, dilation, strict=True), strict=True)]
        stride, dilation = zip(*inner, strict=True)
        return Window(batch, 1, -(-self.folded_channels // block), cout, self.shape[1:], out,
                      tuple(axis.taps for axis in self.axes), stride, dilation=dilation)

    def data(self, array, pad_value=0):
        """(N, C, H, W) -> (N, channels, rows, columns), folded; padding is `pad_value`."""
        indices = [axis.rows() for axis in self.axes]
        pads = [(axis.before, max(0, int(index.max()) + 1 - axis.before - size))
                for axis, index, size in zip(self.axes, indices, np.shape(array)[2:], strict=True)]
        padded = np.pad(array, ((0, 0), (0, 0), *pads), constant_values=pad_value)
        y, x = indices
        seen = padded[:, :, y[:, :, None, None], x]             # N, C, rows, channels, columns, channels
        return seen.transpose(0, 1, 3, 5, 2, 4).reshape(len(padded), *self.shape)

    def weight(self, array):
        """(O, C, kh, kw) -> (O, channels, rows, columns), folded; taps beyond the window are zero."""
        outs, ins, *kernel = np.shape(array)
        missing = [(0, axis.taps * axis.channels - k) for axis, k in zip(self.axes, kernel, strict=True)]
        padded = np.pad(array, ((0, 0), (0, 0), *missing))
        y, x = self.axes
        split = padded.reshape(outs, ins, y.taps, y.channels, x.taps, x.channels)
        return split.transpose(0, 1, 3, 5, 2, 4).reshape(outs, self.folded_channels, y.taps, x.taps)


def _axis_folds(out, kernel, stride, dilation, before):
    """The AxisFolds of one axis, by kind; those that change nothing are left out."""
    span = (out - 1) * stride + (kernel - 1) * dilation + 1
    found = {"none": AxisFold("none", 1, kernel, span, 1, 1, before)}
    if dilation == 1 and 1 < stride < kernel:
        taps = -(-kernel // stride)
        found["depth"] = AxisFold("depth", stride, taps, out + taps - 1, stride, 1, before)
    if (kernel, stride) != (1, 1):
        found["im2col"] = AxisFold("im2col", kernel, 1, out, stride, dilation, before)
    return found


def folds(channels, out, kernel, stride, dilation, pads, wanted="auto"):
    """The Folds of a convolution that `wanted`, one of FOLDS, allows, the most folded last; empty if that is "none" or
    changes nothing.

    depth: along both axes, where the stride is above 1 and the window larger. im2col: along both axes, or one of them.
    auto: any.
    """
    axes = [_axis_folds(*each, before) for *each, (before, _) in zip(out, kernel, stride, dilation, pads, strict=True)]
    depths = [axis.get("depth", axis["none"]) for axis in axes]
    pairs = {"none": [], "depth": [depths],
             "im2col": [pair for pair in itertools.product(*(axis.values() for axis in axes))
                        if "im2col" in (pair[0].kind, pair[1].kind)]}
    pairs["auto"] = list(itertools.product(*(axis.values() for axis in axes)))
    return [Fold(channels, tuple(pair)) for pair in pairs[wanted] if any(axis.kind != "none" for axis in pair)]
