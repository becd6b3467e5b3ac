"""Transposed 2-D convolution, without a multiplication by zero.

With stride s the outputs fall into s x s phases. The outputs of one phase see the same taps of the window, every s-th
one: each phase is an ordinary convolution with a subset of the taps, whose results are stored s apart.
"""

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.checks import Clip, Pair, Shape, as_pair, check_int, check_shape, need
from vta.compiler.ops.layer import window_operator
from vta.compiler.ops.operator import Operator
from vta.compiler.ops.post import Post
from vta.compiler.ops.window import Window
from vta.hw.config import Config


def conv2d_transpose(shape: Shape, outputs: int, kernel: Pair, *, stride: Pair = 1, pad: Pair = 0,
                     output_pad: Pair = 0, bias: bool = False, shift: int = 0, rounding: bool = False,
                     clip: Clip = (-128, 127), config: Config | str = "default") -> Operator:
    """int8 transposed convolution of (N, C, H, W) data with (C, outputs, kh, kw) weights; else as `conv2d`.

    The result has (H - 1) * stride - 2 * pad + kernel + output_pad rows. OperatorError for strides larger than the
    window and outputs that no input reaches.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    n, c, h, w = check_shape(shape)
    kernel, stride = as_pair(kernel, "kernel"), as_pair(stride, "stride")
    pad, extra = as_pair(pad, "pad"), as_pair(output_pad, "output_pad")
    out_size = tuple((size - 1) * s - 2 * p + k + e for size, s, p, k, e in
                     zip((h, w), stride, pad, kernel, extra, strict=True))
    need(min(stride) >= 1 and all(k >= s for k, s in zip(kernel, stride, strict=True)),
         f"kernel {kernel} must be at least as large as stride {stride}, and that at least 1")
    need(all(p < k and e < s for p, k, e, s in zip(pad, kernel, extra, stride, strict=True)),
         f"pad {pad} must be less than the kernel {kernel}, output_pad {extra} less than the stride {stride}")
    need(min(out_size) >= 1, f"the result would be {out_size[0]} x {out_size[1]}")
    batch, ins = -(-n // config.batch), -(-c // config.block)
    outs = -(-check_int(outputs, "outputs") // config.block)
    windows, phases, offset = [], [], 0
    for origin in np.ndindex(*stride):
        axes = [_axis(*each) for each in zip(origin, (h, w), out_size, kernel, stride, pad, strict=True)]
        if all(axes):
            taps, count, start = zip(*axes, strict=True)
            windows.append(Window(batch, 1, ins, outs, (h, w), count, tuple(map(len, taps)), start=start,
                                  weight_offset=offset, planes=out_size, origin=origin, step=stride))
            phases.append(np.ix_(*taps))
            offset += outs * ins * windows[-1].taps

    def pack_weight(array):
        swapped = np.swapaxes(array, 0, 1)
        packed = [pack_weights(swapped[(..., *phase)], config, pad=True) for phase in phases]
        return np.concatenate([each.reshape(-1, config.block, config.block) for each in packed])

    return window_operator("conv2d_transpose", config, windows, post,
                           {"data": (batch, ins, h, w), "weight": (offset,), "out": (batch, outs, *out_size)},
                           {"data": (shape, lambda array: pack_activations(array, config, pad=True)),
                            "weight": ((c, outputs, *kernel), pack_weight)},
                           lambda packed: unpack_activations(packed, config, outputs, n),
                           lambda data, weight: reference_transpose(data, weight, stride, pad, out_size),
                           outputs=outputs)


def _axis(phase, size, out, kernel, stride, pad):
    """(taps in the order of the inputs they see, outputs, padding before) of one phase of one axis, or None.

    Output stride * q + phase sees input q + reach - t through tap first + stride * t.
    """
    if phase >= out:
        return None
    first = (phase + pad) % stride
    taps = list(range(first, kernel, stride))
    reach = (phase + pad - first) // stride
    outputs = (out - phase - 1) // stride + 1
    start = len(taps) - 1 - reach
    last = outputs - 1 - start          # the first input that the last output sees
    need(last < size and start < len(taps), f"outputs {phase}, {phase + stride}, ... are not all reached by "
                                            f"an input: use less output_pad")
    return taps[::-1], outputs, start


def reference_transpose(data, weight, stride, pad, out_size):
    """int32 sums in numpy: every input adds the weights, times its value, to the result."""
    n, _, h, w = data.shape
    outs, kh, kw = weight.shape[1:]
    full = np.zeros((n, outs, h * stride[0] + kh, w * stride[1] + kw), np.int64)
    for dy, dx in np.ndindex(kh, kw):
        tap = np.einsum("nchw,co->nohw", data.astype(np.int64), weight[:, :, dy, dx].astype(np.int64))
        full[:, :, dy:dy + (h - 1) * stride[0] + 1:stride[0], dx:dx + (w - 1) * stride[1] + 1:stride[1]] += tap
    return full[:, :, pad[0]:pad[0] + out_size[0], pad[1]:pad[1] + out_size[1]].astype(np.int32)
