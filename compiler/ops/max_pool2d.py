"""Max pooling on the ALU: one tensor-tensor MAX for each tap, over the outputs whose tap lies in the picture.

Padding never wins: it is left out, not loaded. The first tap that all outputs of a tile have is added to
zero; where there is none, the tile starts from -128.
"""

import itertools

import numpy as np

from vta.compiler.ops.operator import Operator, four, need, pair, picture
from vta.compiler.ops.window import MAX_LOOP, Slots, cut, split_loops, unroll
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.compiler.timing import predict
from vta.hw.config import Config
from vta.hw.isa import AluOp, MemType
from vta.runtime.layout import pack_activations, unpack_activations


def max_pool2d(shape, kernel, *, stride=None, pad=0, config="default"):
    """The largest of each window of (N, C, H, W) int8 data; stride is the kernel by default."""
    config = Config.load(config)
    n, c, h, w = four(shape)
    kernels, pads = pair(kernel, "kernel"), pair(pad, "pad")
    strides = kernels if stride is None else pair(stride, "stride")
    out_size = picture((h, w), kernels, strides, pads, limit=max(pads))      # padding is left out, not loaded
    tiles, blocks = -(-n // config.batch), -(-c // config.block)
    p = Pipeline(config)
    data = p.buffer("data", (tiles, blocks, h, w, config.batch, config.block), "int8", "input", "NCHWnc")
    out = p.buffer("out", (tiles, blocks, *out_size, config.batch, config.block), "int8", "output", "NCHWnc")
    rows, cols, many = _tile(out_size, kernels, strides, blocks, config)
    in_size = many * np.prod(
        [(size - 1) * s + k for size, s, k in zip((rows, cols), strides, kernels, strict=True)]
    )
    sources = Slots(2, int(in_size))
    results = Slots(2, many * rows * cols, 2 * int(in_size))
    pieces = itertools.product(
        range(tiles), cut(blocks, many), cut(out_size[0], rows), cut(out_size[1], cols)
    )
    for number, (image, (block, count), ys, xs) in enumerate(pieces):
        axes = [_axis(*each) for each in zip((ys, xs), (h, w), kernels, strides, pads, strict=True)]
        _pool(
            p,
            data,
            out,
            image * blocks + block,
            count,
            axes,
            (h, w),
            out_size,
            sources.hold(number)[0],
            results.hold(number)[0],
        )

    code = p.code()

    def reference(data):
        wide = np.pad(data, ((0, 0), (0, 0), (pads[0],) * 2, (pads[1],) * 2), constant_values=-128)
        seen = np.lib.stride_tricks.sliding_window_view(wide, kernels, (2, 3))[
            :, :, :: strides[0], :: strides[1]
        ]
        return seen.max((-1, -2))

    return Operator(
        "max_pool2d",
        Program.from_code(code, "max_pool2d"),
        {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
        lambda packed: unpack_activations(packed, config, c, n),
        reference,
        {"tilings": (rows, cols, many), "predicted": predict(code.insns, config).cycles},
    )


def _tile(out_size, kernel, stride, blocks, config):
    """(rows, columns, channel blocks) of outputs, two of which fit with their inputs: as much as possible."""
    best = None
    for rows, cols in itertools.product(
        range(1, out_size[0] + 1), {out_size[1], -(-out_size[1] // 2), -(-out_size[1] // 4), 1}
    ):
        area = ((rows - 1) * stride[0] + kernel[0]) * ((cols - 1) * stride[1] + kernel[1]) + rows * cols
        many = min(blocks, config.depth["ACC"] // (2 * area))
        if many and (best is None or many * rows * cols > best[0]):
            best = (many * rows * cols, (rows, cols, many))
    need(best, f"kernel {kernel}: one window does not fit the {config.depth['ACC']} accumulators twice")
    return best[1]


def _axis(span, size, kernel, stride, pad):
    """(first output, outputs, first input loaded, inputs loaded, for each tap the outputs that have it).

    A tap's entry is (first output within the tile, count, its input within the loaded ones)."""
    first, count = span
    begin, end = first * stride - pad, (first + count - 1) * stride - pad + kernel
    low, high = max(begin, 0), min(end, size)
    taps = []
    for tap in range(kernel):
        have = [n for n in range(count) if 0 <= begin + n * stride + tap < size]
        taps.append((have[0], len(have), begin + have[0] * stride + tap - low, stride) if have else None)
    return first, count, low, high - low, taps


def _pool(p, data, out, plane, count, axes, size, out_size, source, result):
    """One tile: `count` planes from `plane` of the input, into accumulators `source`, to `result`, to
    DRAM."""
    (y, rows, top, height, row_taps), (x, cols, left, width, col_taps) = axes
    area, out_area = height * width, rows * cols
    for n in range(count):
        p.load(
            MemType.ACC_8BIT,
            source + n * area,
            data,
            (plane + n) * size[0] * size[1] + top * size[1] + left,
            width,
            height,
            size[1],
        )
    taps = [(a, b) for a in row_taps for b in col_taps if a and b]
    whole = next((tap for tap in taps if (tap[0][1], tap[1][1]) == (rows, cols)), None)
    for start, tiles in cut(count * out_area, MAX_LOOP):
        p.reset(result + start, tiles)
        if whole is None:
            p.alu(AluOp.ADD, [(tiles, 1)], [(result + start,)], -128)
    for tap in [whole] * (whole is not None) + [tap for tap in taps if tap is not whole]:
        (r, nr, sr, dr), (q, nq, sq, dq) = tap
        dims = [(count, out_area, area, 0), (nr, cols, dr * width, 0), (nq, 1, dq, 0)]
        loops, left_over = split_loops([dim for dim in dims if dim[0] > 1], p.config)
        steps = unroll(left_over, result + r * cols + q, source + sr * width + sq, 0)
        p.alu(
            AluOp.ADD if tap is whole else AluOp.MAX,
            [loop[:3] for loop in loops],
            [step[:2] for step in steps],
        )
    for n in range(count):
        p.store(
            result + n * out_area,
            out,
            (plane + n) * out_size[0] * out_size[1] + y * out_size[1] + x,
            cols,
            rows,
            out_size[1],
        )
