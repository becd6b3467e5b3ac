"""Sliding windows by definition: one output and one tap at a time, with explicit indices. pads: ((top, bottom),
(left, right)); strides and dilations: (vertical, horizontal)."""

import itertools

import numpy as np


def taps(size, out, kernel, stride, pads, dilation):
    """(output row, output column, tap row, tap column, image row, image column), those inside of the image."""
    for y, x, i, j in itertools.product(*map(range, (*out, *kernel))):
        row = y * stride[0] + i * dilation[0] - pads[0][0]
        col = x * stride[1] + j * dilation[1] - pads[1][0]
        if 0 <= row < size[0] and 0 <= col < size[1]:
            yield y, x, i, j, row, col


def outputs(size, kernel, stride, pads, dilation=(1, 1)):
    """(rows, columns): how many windows fit."""
    counts = []
    for axis in range(2):
        last = size[axis] + pads[axis][0] + pads[axis][1] - 1 - (kernel[axis] - 1) * dilation[axis]
        counts.append(len(range(0, last + 1, stride[axis])))
    return tuple(counts)


def conv2d(data, weight, stride, pads, groups=1, dilation=(1, 1)):
    """int64 sums."""
    outs, ins, *kernel = weight.shape
    out = outputs(data.shape[2:], kernel, stride, pads, dilation)
    sums = np.zeros((len(data), outs, *out), np.int64)
    each = outs // groups
    for y, x, i, j, row, col in taps(data.shape[2:], out, kernel, stride, pads, dilation):
        for group in range(groups):
            seen = data[:, group * ins:(group + 1) * ins, row, col].astype(np.int64)
            of = slice(group * each, (group + 1) * each)
            sums[:, of, y, x] += seen @ weight[of, :, i, j].astype(np.int64).T
    return sums


def conv2d_transpose(data, weight, stride, pads, extra, dilation=(1, 1)):
    """int64 sums, output by output: which taps and inputs meet there."""
    outs, *kernel = weight.shape[1:]
    rows, cols = ((size - 1) * s - sum(pad) + (k - 1) * d + 1 + e for size, s, pad, k, d, e in
                  zip(data.shape[2:], stride, pads, kernel, dilation, extra, strict=True))
    sums = np.zeros((len(data), outs, rows, cols), np.int64)
    for y, x, i, j in itertools.product(range(rows), range(cols), *map(range, kernel)):
        row, row_rest = divmod(y + pads[0][0] - i * dilation[0], stride[0])
        col, col_rest = divmod(x + pads[1][0] - j * dilation[1], stride[1])
        if not row_rest and not col_rest and 0 <= row < data.shape[2] and 0 <= col < data.shape[3]:
            sums[:, :, y, x] += data[:, :, row, col].astype(np.int64) @ weight[:, :, i, j].astype(np.int64)
    return sums


def pool_sums(data, kernel, stride, pads):
    """int64 sums; padding counts as zeros."""
    out = outputs(data.shape[2:], kernel, stride, pads)
    sums = np.zeros((*data.shape[:2], *out), np.int64)
    for y, x, _, _, row, col in taps(data.shape[2:], out, kernel, stride, pads, (1, 1)):
        sums[:, :, y, x] += data[:, :, row, col]
    return sums


def max_pool2d(data, kernel, stride, pads):
    """Maxima; -128 where there is only padding."""
    out = outputs(data.shape[2:], kernel, stride, pads)
    most = np.full((*data.shape[:2], *out), -128, np.int8)
    for y, x, _, _, row, col in taps(data.shape[2:], out, kernel, stride, pads, (1, 1)):
        most[:, :, y, x] = np.maximum(most[:, :, y, x], data[:, :, row, col])
    return most


def requantised(sums, bias, shift, clip):
    """int8 of the sums plus a bias for each channel, shifted and clipped."""
    return np.clip(sums + np.reshape(bias, (-1, 1, 1)) >> shift, *clip).astype(np.int8)
