"""Fully connected layer: every output sees every input."""

import numpy as np

from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import Operator, Post, need
from vta.compiler.ops.search import ranked
from vta.compiler.ops.window import Window
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.hw.config import Config
from vta.runtime.layout import pack_activations, pack_bias, pack_weights, unpack_activations


def dense(
    shape, outputs, *, bias=False, shift=0, rounding=False, clip=(-128, 127), config="default", tiling=None
):
    """int8 product of (N, C) data with (outputs, C) weights; bias, shift, rounding, clip as in `Post`.

    The rows of the batch lie in DRAM as the columns of a picture one pixel high ("CNnc"): one load of weights
    serves all of them.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    need(
        len(shape) == 2 and min(shape) >= 1 and outputs >= 1, f"shape {shape} must be (N, C), each at least 1"
    )
    (n, c), block, batch = shape, config.block, config.batch
    rows, ins, outs = -(-n // batch), -(-c // block), -(-outputs // block)
    window = Window(1, 1, ins, outs, (1, rows), (1, rows), (1, 1))
    p = Pipeline(config)
    buffers = [
        p.buffer("data", (1, ins, 1, rows, batch, block), "int8", "input", "NCHWnc"),
        p.buffer("weight", (outs, ins, 1, 1, block, block), "int8", "input", "OIHWoi"),
        p.buffer("bias", (1, outs, 1, 1, batch, block), "int32", "input" if bias else "const", "NCHWnc")
        if post.adds
        else None,
        p.buffer("out", (1, outs, 1, rows, batch, block), "int8", "output", "NCHWnc"),
    ]
    estimate, best = (None, tiling) if tiling else ranked(window, post, config)[0]
    Emitter(p, window, best, post, buffers).run()

    def pack_data(array):
        return np.ascontiguousarray(np.moveaxis(pack_activations(array, config, pad=True), 0, 1))[
            None, :, None
        ]

    def unpack(packed):
        return unpack_activations(np.moveaxis(packed[0, :, 0], 0, 1), config, outputs, n)

    def pack_biases(array):
        return pack_bias(np.asarray(array) + post.half, config, pad=True)

    inputs = {
        "data": (shape, pack_data),
        "weight": (
            (outputs, c),
            lambda array: pack_weights(np.asarray(array)[:, :, None, None], config, pad=True),
        ),
    }
    constants = {}
    if bias:
        inputs["bias"] = ((outputs,), pack_biases)
    elif post.adds:
        constants["bias"] = pack_biases(np.zeros(outputs, np.int32))

    def reference(data, weight, *bias):
        # float64 holds these sums exactly
        sums = (data.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64).astype(np.int32)
        return post.reference(sums, *bias)

    return Operator(
        "dense",
        Program.from_code(p.code(), "dense", constants),
        inputs,
        unpack,
        reference,
        {"window": window, "tiling": best, "estimate": estimate, "post": post},
    )
