"""Transposed 2-D convolution, without a multiplication by zero.

With stride s the outputs fall into s x s phases. The outputs of one phase see the same taps of the window: each phase
is an ordinary convolution with a subset of the taps, or none, whose results are stored s apart.
"""

import math
from dataclasses import replace

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.checks import Clip, Pads, Pair, Shape, as_pads, as_pair, check_int, check_shape, extents, need
from vta.compiler.ops.layer import Form, window_operator
from vta.compiler.ops.operator import Operator
from vta.compiler.ops.requantisation import Requantise
from vta.compiler.ops.rescale import Rescale
from vta.compiler.ops.window import Window
from vta.hw.config import Config
from vta.hw.features import Feature


def conv2d_transpose(shape: Shape, outputs: int, kernel: Pair, *, stride: Pair = 1, pad: Pads = 0,
                     output_pad: Pair = 0, dilation: Pair = 1, bias: bool = False, shift: int = 0,
                     rounding: bool = False, clip: Clip = (-128, 127), requantise: Requantise | None = None,
                     zero_point: int = 0, config: Config | str = "default") -> Operator:
    """int8 transposed convolution of (N, C, H, W) data with (C, outputs, kh, kw) weights; else as `conv2d`.

    The result has (H - 1) * stride - top - bottom + (kh - 1) * dilation + 1 + output_pad rows, columns alike. Outputs
    that no input reaches are the bias alone, shifted and clipped, or requantised.
    """
    config = Config.load(config)
    post = Rescale.of(requantise, bias, zero_point, shift=shift, rounding=rounding, clip=clip)
    n, c, h, w = check_shape(shape)
    kernel, stride, dilation = as_pair(kernel, "kernel"), as_pair(stride, "stride"), as_pair(dilation, "dilation")
    pads, extra = as_pads(pad), as_pair(output_pad, "output_pad")
    need(min(*kernel, *stride, *dilation) >= 1,
         f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1")
    out_size = tuple((size - 1) * s - sum(pad) + span + e for size, s, pad, span, e in
                     zip((h, w), stride, pads, extents(kernel, dilation), extra, strict=True))
    need(min(out_size) >= 1, f"the result would be {out_size[0]} x {out_size[1]}")
    batch, ins = -(-n // config.batch), -(-c // config.block)
    outs = -(-check_int(outputs, "outputs") // config.block)
    if zero_point:
        need(config.has(Feature.PAD_VALUE), f"zero_point = {zero_point}: configuration {config.name!r} has no feature "
                                            f"pad_value")
    windows, phases, offset = [], [], 0
    for origin in np.ndindex(*(min(s, out) for s, out in zip(stride, out_size, strict=True))):
        axes = [_axis(*each) for each in
                zip(origin, kernel, stride, dilation, (before for before, _ in pads), strict=True)]
        taps, start, spacing = zip(*axes, strict=True)
        count = tuple(-(-(out - o) // s) for out, o, s in zip(out_size, origin, stride, strict=True))
        place = dict(weight_offset=offset, planes=out_size, origin=origin, step=stride, pad_value=zero_point)
        if all(taps):
            windows.append(Window(batch, 1, ins, outs, (h, w), count, tuple(map(len, taps)), start=start,
                                  dilation=spacing, **place))
            phases.append(np.ix_(*taps))
            offset += outs * ins * windows[-1].taps
        else:
            windows.append(Window(batch, 1, 0, outs, (h, w), count, (1, 1), **place))

    unread = np.zeros((1, config.block, config.block), np.int8)          # where no output has a tap

    def pack_weight(array):
        swapped = np.swapaxes(array, 0, 1)
        packed = [pack_weights(swapped[(..., *phase)], config, pad=True) for phase in phases]
        return np.concatenate([each.reshape(-1, config.block, config.block) for each in packed] or [unread])

    def parts(array):
        """The weights of each window; none where no input has a tap."""
        swapped, each = np.swapaxes(array, 0, 1), iter(phases)
        return [swapped[(..., *next(each))] if window.cin else swapped[:, :0] for window in windows]

    if requantise is not None:          # the zero point counts as often as a window has taps
        post = replace(post, rules=post.rules * len(windows))
    form = Form(windows, {"data": (batch, ins, h, w), "weight": (max(offset, 1),), "out": (batch, outs, *out_size)},
                {"data": (shape, lambda array: pack_activations(array, config, pad=True)),
                 "weight": ((c, outputs, *kernel), pack_weight)}, parts=parts)
    return window_operator("conv2d_transpose", config, [form], post,
                           lambda packed: unpack_activations(packed, config, outputs, n),
                           lambda data, weight: reference_transpose(data, weight, stride, pads, out_size, dilation),
                           outputs=outputs)


def _axis(phase, kernel, stride, dilation, before):
    """(taps in the order of the inputs they see, padding before, distance of these inputs) of one phase of one axis.

    Tap t adds input i to output stride * i + dilation * t - before: output stride * q + phase sees input
    q + (phase + before - dilation * t) / stride, for the taps where that is an integer.
    """
    taps = [tap for tap in range(kernel) if (phase + before - dilation * tap) % stride == 0][::-1]
    start = (dilation * taps[0] - phase - before) // stride if taps else 0
    return taps, start, dilation // math.gcd(dilation, stride)


def reference_transpose(data, weight, stride, pads, out_size, dilation=(1, 1)):
    """int32 sums in numpy: every input adds the weights, times its value, to the result."""
    n, _, h, w = data.shape
    outs, kh, kw = weight.shape[1:]
    full = np.zeros((n, outs, *(size * s + k * d + out for size, s, k, d, out in
                                zip((h, w), stride, (kh, kw), dilation, out_size, strict=True))), np.int64)
    for dy, dx in np.ndindex(kh, kw):
        tap = np.einsum("nchw,co->nohw", data.astype(np.int64), weight[:, :, dy, dx].astype(np.int64))
        y, x = dy * dilation[0], dx * dilation[1]
        full[:, :, y:y + (h - 1) * stride[0] + 1:stride[0], x:x + (w - 1) * stride[1] + 1:stride[1]] += tap
    (top, _), (left, _) = pads
    return full[:, :, top:top + out_size[0], left:left + out_size[1]].astype(np.int32)
