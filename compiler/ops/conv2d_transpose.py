"""Transposed 2-D convolution, without a multiplication by zero.

With stride s the outputs fall into s x s phases. The outputs of one phase see the same taps of the kernel,
every s-th one: each phase is an ordinary convolution with a part of the kernel, whose results are stored s
apart.
"""

import numpy as np

from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import Operator, Post, need, pair
from vta.compiler.ops.search import ranked
from vta.compiler.ops.window import Window
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.hw.config import Config
from vta.runtime.layout import pack_activations, pack_bias, pack_weights, unpack_activations


def conv2d_transpose(
    shape,
    outputs,
    kernel,
    *,
    stride=1,
    pad=0,
    output_pad=0,
    bias=False,
    shift=0,
    rounding=False,
    clip=(-128, 127),
    config="default",
):
    """int8 transposed convolution of (N, C, H, W) data with (C, outputs, kh, kw) weights.

    The result has (H - 1) * stride - 2 * pad + kernel + output_pad rows. Refuses strides larger than the
    kernel and outputs that no input reaches.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    need(len(shape) == 4 and min(shape) >= 1 and outputs >= 1, f"shape {shape} must be (N, C, H, W)")
    (n, c, h, w), kernels, strides = shape, pair(kernel, "kernel"), pair(stride, "stride")
    pads, extra = pair(pad, "pad"), pair(output_pad, "output_pad")
    out_size = tuple(
        (size - 1) * s - 2 * p + k + e
        for size, s, p, k, e in zip((h, w), strides, pads, kernels, extra, strict=True)
    )
    need(
        min(strides) >= 1 and all(k >= s for k, s in zip(kernels, strides, strict=True)),
        f"kernel {kernels} must be at least as large as stride {strides}",
    )
    need(
        all(p < k and e < s for p, k, e, s in zip(pads, kernels, extra, strides, strict=True)),
        f"pad {pads} must be less than the kernel {kernels}, output_pad {extra} less than the stride "
        f"{strides}",
    )
    need(min(out_size) >= 1, f"the result would be {out_size[0]} x {out_size[1]}")
    block, batch = config.block, config.batch
    tiles, ins, outs = -(-n // batch), -(-c // block), -(-outputs // block)

    p = Pipeline(config)
    taps = kernels[0] * kernels[1]
    data = p.buffer("data", (tiles, ins, h, w, batch, block), "int8", "input", "NCHWnc")
    weights = p.buffer("weight", (outs * ins * taps, block, block), "int8", "input", "phases of OIHWoi")
    biases = (
        p.buffer("bias", (1, outs, 1, 1, batch, block), "int32", "input" if bias else "const", "NCHWnc")
        if post.adds
        else None
    )
    out = p.buffer("out", (tiles, outs, *out_size, batch, block), "int8", "output", "NCHWnc")
    phases, offset, tilings = [], 0, []
    for y, x in np.ndindex(*strides):
        rows, cols = (
            _axis(*each) for each in zip((y, x), (h, w), out_size, kernels, strides, pads, strict=True)
        )
        if rows and cols:
            window = Window(
                tiles,
                1,
                ins,
                outs,
                (h, w),
                (rows[1], cols[1]),
                (len(rows[0]), len(cols[0])),
                start=(rows[2], cols[2]),
                weight_offset=offset,
                planes=out_size,
                origin=(y, x),
                step=strides,
            )
            best = ranked(window, post, config)[0][1]
            Emitter(p, window, best, post, (data, weights, biases, out)).run()
            phases.append(np.ix_(rows[0], cols[0]))
            tilings.append(best)
            offset += outs * ins * window.taps

    def pack_weight(array):
        parts = [pack_weights(np.swapaxes(array, 0, 1)[(..., *phase)], config, pad=True) for phase in phases]
        packed = np.concatenate([part.reshape(-1, block, block) for part in parts])
        return np.concatenate([packed, np.zeros((outs * ins * taps - len(packed), block, block), np.int8)])

    def pack_biases(array):
        return pack_bias(np.asarray(array) + post.half, config, pad=True)

    inputs = {
        "data": (shape, lambda array: pack_activations(array, config, pad=True)),
        "weight": ((c, outputs, *kernels), pack_weight),
    }
    constants = {}
    if bias:
        inputs["bias"] = ((outputs,), pack_biases)
    elif post.adds:
        constants["bias"] = pack_biases(np.zeros(outputs, np.int32))

    def reference(data, weight, *bias):
        sums = reference_transpose(data, weight, strides, pads, out_size)
        return post.reference(sums, *(np.asarray(b).reshape(1, -1, 1, 1) for b in bias))

    name = "conv2d_transpose"
    return Operator(
        name,
        Program.from_code(p.code(), name, constants),
        inputs,
        lambda packed: unpack_activations(packed, config, outputs, n),
        reference,
        {"tiling": tilings, "estimate": None, "post": post},
    )


def _axis(phase, size, out, kernel, stride, pad):
    """(taps in the order of the inputs they meet, outputs, padding before) of one phase of one axis, or None.

    Output stride * q + phase sees input q + reach - t through tap first + stride * t.
    """
    if phase >= out:
        return None
    first = (phase + pad) % stride
    taps = list(range(first, kernel, stride))
    reach = (phase + pad - first) // stride
    outputs = (out - phase - 1) // stride + 1
    start = len(taps) - 1 - reach
    last = outputs - 1 - start  # the first input that the last output sees
    need(
        last < size and start < len(taps),
        f"outputs {phase}, {phase + stride}, ... are not all reached by an input: use less output_pad",
    )
    return taps[::-1], outputs, start


def reference_transpose(data, weight, stride, pad, out_size):
    """int32 sums in numpy: every input adds its kernel to the result."""
    n, _, h, w = data.shape
    outs, kh, kw = weight.shape[1:]
    full = np.zeros(
        (n, outs, (h - 1) * stride[0] + kh + stride[0], (w - 1) * stride[1] + kw + stride[1]), np.int64
    )
    for dy, dx in np.ndindex(kh, kw):
        part = np.einsum("nchw,co->nohw", data.astype(np.int64), weight[:, :, dy, dx].astype(np.int64))
        full[
            :, :, dy : dy + (h - 1) * stride[0] + 1 : stride[0], dx : dx + (w - 1) * stride[1] + 1 : stride[1]
        ] += part
    return full[:, :, pad[0] : pad[0] + out_size[0], pad[1] : pad[1] + out_size[1]].astype(np.int32)
