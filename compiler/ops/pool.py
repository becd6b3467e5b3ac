"""Average pooling on the tensor core: a window product with one identity tile for all taps and channels."""

import numpy as np

from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import Operator, Post, need, pair
from vta.compiler.ops.search import ranked
from vta.compiler.ops.window import Window
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.hw.config import Config
from vta.runtime.layout import pack_activations, unpack_activations

SCALE_SHIFT = 14  # the factor 2^14 / count is an immediate of the ALU for every count


def avg_pool2d(shape, kernel, *, stride=None, pad=0, config="default", name="avg_pool2d"):
    """int8 average of windows of (N, C, H, W) data, padding counted as zeros, rounded.

    Windows of 2^k numbers: (sum + 2^(k-1)) >> k. Others: (sum * m + 2^13) >> 14, m = round(2^14 / count).
    """
    config = Config.load(config)
    need(len(shape) == 4 and min(shape) >= 1, f"shape {shape} must be (N, C, H, W)")
    (n, c, h, w), (kh, kw), (ph, pw) = shape, pair(kernel, "kernel"), pair(pad, "pad")
    sh, sw = pair(kernel if stride is None else stride, "stride")
    need(min(kh, kw, sh, sw) >= 1, f"kernel {kernel} and stride {stride} must be at least 1")
    need(
        ph < kh and pw < kw and max(ph, pw) <= 15,
        f"pad {pad} must be less than the kernel {kernel}, at most 15",
    )
    need(
        h + 2 * ph >= kh and w + 2 * pw >= kw,
        f"kernel {kernel} is larger than the padded picture of {h} x {w}",
    )
    out_size, count = ((h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1), kh * kw
    if count & (count - 1) == 0:
        post = Post(shift=count.bit_length() - 1, rounding=True, clip=None)
    else:
        post = Post(
            shift=SCALE_SHIFT, rounding=True, scale=max(1, round((1 << SCALE_SHIFT) / count)), clip=None
        )
    block, batch = config.block, config.batch
    tiles, blocks = -(-n // batch), -(-c // block)
    window = Window(tiles, blocks, 1, 1, (h, w), out_size, (kh, kw), (sh, sw), (ph, pw), shared=True)
    p = Pipeline(config)
    buffers = (
        p.buffer("data", (tiles, blocks, h, w, batch, block), "int8", "input", "NCHWnc"),
        p.buffer("weight", (block, block), "int8", "const", "identity"),
        None,
        p.buffer("out", (tiles, blocks, *out_size, batch, block), "int8", "output", "NCHWnc"),
    )
    estimate, best = ranked(window, post, config)[0]
    Emitter(p, window, best, post, buffers).run()

    def reference(data):
        wide = np.pad(data.astype(np.int32), ((0, 0), (0, 0), (ph, ph), (pw, pw)))
        seen = np.lib.stride_tricks.sliding_window_view(wide, (kh, kw), (2, 3))[:, :, ::sh, ::sw]
        return post.reference(seen.sum((-1, -2), dtype=np.int32))

    constants = {"weight": np.eye(block, dtype=np.int8)}
    return Operator(
        name,
        Program.from_code(p.code(), name, constants),
        {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
        lambda packed: unpack_activations(packed, config, c, n),
        reference,
        {"window": window, "tiling": best, "estimate": estimate, "post": post},
    )


def global_avg_pool(shape, *, config="default"):
    """The average over each whole channel of (N, C, H, W) data: (N, C, 1, 1)."""
    need(len(shape) == 4, f"shape {shape} must be (N, C, H, W)")
    return avg_pool2d(shape, shape[2:], stride=1, config=config, name="global_avg_pool")
