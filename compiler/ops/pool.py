"""Average pooling on the tensor core: a window product with one identity tile for all taps and channels."""

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.layer import window_operator
from vta.compiler.ops.operator import IMM_MAX, Post, pair, picture, sizes
from vta.compiler.ops.window import Window
from vta.hw.config import Config

COMMON = 49              # up to 7 x 7 numbers, 14 bits of the factor are enough, and its rounding is one immediate


def _factor(count):
    """(m, s), m / 2^s near 1 / count: m an immediate, the product of m and any sum of `count` numbers an int32."""
    s = 14 if count <= COMMON else min(23, (IMM_MAX * count).bit_length() - 1)
    return round((1 << s) / count), s


def avg_pool2d(shape, kernel, *, stride=None, pad=0, config="default", tiling=None, name="avg_pool2d"):
    """int8 average of windows of (N, C, H, W) data, padding counted as zeros, rounded.

    Windows of 2^k numbers: (sum + 2^(k-1)) >> k. Others: (sum * m + 2^(s-1)) >> s, m = round(2^s / count), where s is
    14 up to 49 numbers, then as large as fits the machine. So a result is within 1/2 + e of the true average, e being
    0.15 up to 49 numbers, 0.004 up to 512, and count / 2^17 beyond.
    """
    config = Config.load(config)
    n, c, h, w = sizes(shape)
    kernel, pad = pair(kernel, "kernel"), pair(pad, "pad")
    stride = kernel if stride is None else pair(stride, "stride")
    out_size, count = picture((h, w), kernel, stride, pad), kernel[0] * kernel[1]
    if count & (count - 1) == 0:
        post = Post(shift=count.bit_length() - 1, rounding=True, clip=None)
    else:
        scale, shift = _factor(count)
        post = Post(shift=shift, rounding=True, scale=scale, clip=None)
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    window = Window(batch, blocks, 1, 1, (h, w), out_size, kernel, stride, pad, shared=True)

    def reference(data):
        wide = np.pad(data.astype(np.int32), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
        seen = np.lib.stride_tricks.sliding_window_view(wide, kernel, (2, 3))[:, :, ::stride[0], ::stride[1]]
        return post.reference(seen.sum((-1, -2), dtype=np.int32))

    return window_operator(name, config, [window], post,
                           {"data": (batch, blocks, h, w), "weight": (), "out": (batch, blocks, *out_size)},
                           {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
                           lambda packed: unpack_activations(packed, config, c, n), reference, outputs=c,
                           constants={"weight": np.eye(config.block, dtype=np.int8)}, tiling=tiling)


def global_avg_pool(shape, *, config="default"):
    """The average over each whole channel of (N, C, H, W) data: (N, C, 1, 1)."""
    return avg_pool2d(shape, sizes(shape)[2:], stride=1, config=config, name="global_avg_pool")
