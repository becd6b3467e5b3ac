"""Max pooling on the ALU: one tensor-tensor MAX for each tap, over the outputs whose tap lies in the picture.

Padding never wins: it is left out, not loaded. The first tap that all outputs of a tile have is added to zero;
where there is none, the tile starts from -128.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from vta.compiler.ops.operator import Operator, cycles, need, pair, picture, sizes
from vta.compiler.ops.window import MAX_LOOP, Slots, cut, split_loops, unroll
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.hw.config import Config
from vta.hw.isa import AluOp, MemType
from vta.runtime.layout import pack_activations, unpack_activations


def max_pool2d(shape, kernel, *, stride=None, pad=0, config="default"):
    """The largest of each window of (N, C, H, W) int8 data; stride is the kernel by default."""
    config = Config.load(config)
    n, c, h, w = sizes(shape)
    kernel, pad = pair(kernel, "kernel"), pair(pad, "pad")
    stride = kernel if stride is None else pair(stride, "stride")
    out_size = picture((h, w), kernel, stride, pad, limit=max(pad))      # padding is left out, not loaded
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    lanes = (config.batch, config.block)

    def emit(tile):
        rows, cols, many = tile
        p = Pipeline(config)
        data = p.buffer("data", (batch, blocks, h, w, *lanes), "int8", "input", "NCHWnc")
        out = p.buffer("out", (batch, blocks, *out_size, *lanes), "int8", "output", "NCHWnc")
        in_size = many * _inputs(tile, kernel, stride)
        sources, results = Slots(2, in_size), Slots(2, many * rows * cols, base=2 * in_size)
        places = itertools.product(range(batch), cut(blocks, many), cut(out_size[0], rows), cut(out_size[1], cols))
        for number, (image, (block, count), *spans) in enumerate(places):
            axes = [_axis(*each) for each in zip(spans, (h, w), kernel, stride, pad, strict=True)]
            _pool(p, (data, out), image * blocks + block, count, axes, ((h, w), out_size),
                  sources.hold(number)[0], results.hold(number)[0])
        return p.code()

    codes = [(tile, emit(tile)) for tile in _tiles(out_size, kernel, stride, blocks, config)]
    tile, code = min(codes, key=lambda each: cycles(each[1]))

    def reference(data):
        wide = np.pad(data, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2), constant_values=-128)
        seen = np.lib.stride_tricks.sliding_window_view(wide, kernel, (2, 3))
        return seen[:, :, ::stride[0], ::stride[1]].max((-1, -2))

    return Operator("max_pool2d", Program.from_code(code, "max_pool2d"),
                    {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
                    lambda packed: unpack_activations(packed, config, c, n), reference,
                    {"tilings": [tile], "predicted": cycles(code)})


def _inputs(tile, kernel, stride):
    """Input tiles of one channel block that an output tile needs."""
    return ((tile[0] - 1) * stride[0] + kernel[0]) * ((tile[1] - 1) * stride[1] + kernel[1])


def _tiles(out_size, kernel, stride, blocks, config):
    """Candidates (rows, columns, channel blocks) of outputs, two of which fit with their inputs: as much as possible
    of the accumulator and of ever smaller parts of it, where loads overlap better."""
    found = set()
    for part in (2, 4, 8, 16):
        best = (0, None)
        for rows, parts in itertools.product(range(1, out_size[0] + 1), (1, 2, 4, 8)):
            cols = -(-out_size[1] // parts)
            area = _inputs((rows, cols), kernel, stride) + rows * cols
            many = min(blocks, config.depth["ACC"] // (part * area))
            best = max(best, (many * rows * cols, (rows, cols, many)), key=lambda each: each[0])
        found |= {best[1]} - {None}
    if not found and 2 * (kernel[0] * kernel[1] + 1) <= config.depth["ACC"]:
        found = {(1, 1, 1)}
    need(found, f"kernel {kernel}: one window does not fit the {config.depth['ACC']} accumulators twice")
    return sorted(found)


@dataclass(frozen=True)
class _Axis:
    """One axis of a tile: its first output and their number, the first input loaded and their number, and for each
    tap (first output that has it, how many, its input within the loaded ones), or None where no output has it."""

    first: int
    outputs: int
    start: int
    inputs: int
    stride: int
    taps: tuple


def _axis(span, size, kernel, stride, pad):
    first, count = span
    begin, end = first * stride - pad, (first + count - 1) * stride - pad + kernel
    low = max(begin, 0)
    taps = []
    for tap in range(kernel):
        have = [n for n in range(count) if 0 <= begin + n * stride + tap < size]
        taps.append((have[0], len(have), begin + have[0] * stride + tap - low) if have else None)
    return _Axis(first, count, low, min(end, size) - low, stride, tuple(taps))


def _pool(p, buffers, plane, count, axes, sizes, source, result):
    """One tile: `count` planes from `plane` on go to accumulators `source`, are reduced to `result`, and stored."""
    (data, out), (y, x), (in_size, out_size) = buffers, axes, sizes
    area, out_area, width = y.inputs * x.inputs, y.outputs * x.outputs, x.inputs
    for n in range(count):
        first = ((plane + n) * in_size[0] + y.start) * in_size[1] + x.start
        p.load(MemType.ACC_8BIT, source + n * area, data, first, width, y.inputs, in_size[1])
    taps = [(a, b) for a in y.taps for b in x.taps if a and b]
    whole = next((tap for tap in taps if (tap[0][1], tap[1][1]) == (y.outputs, x.outputs)), None)
    for start, tiles in cut(count * out_area, MAX_LOOP):
        p.reset(result + start, tiles)
        if whole is None:
            p.alu(AluOp.ADD, [(tiles, 1)], [(result + start,)], -128)
    taps.sort(key=lambda tap: tap is not whole)
    for tap in taps:
        (row, rows, top), (col, cols, left) = tap
        dims = [(count, out_area, area, 0), (rows, x.outputs, y.stride * width, 0), (cols, 1, x.stride, 0)]
        loops, rest = split_loops([dim for dim in dims if dim[0] > 1], p.config)
        steps = unroll(rest, result + row * x.outputs + col, source + top * width + left, 0)
        p.alu(AluOp.ADD if tap is whole else AluOp.MAX, [loop[:3] for loop in loops], [step[:2] for step in steps])
    for n in range(count):
        first = ((plane + n) * out_size[0] + y.first) * out_size[1] + x.first
        p.store(result + n * out_area, out, first, x.outputs, y.outputs, out_size[1])
