"""Average pooling on the tensor core: a window product with one identity tile for all taps and channels."""

import numpy as np

from vta.compiler.ops.layer import window_operator
from vta.compiler.ops.operator import Post, pair, picture, sizes
from vta.compiler.ops.window import Window
from vta.hw.config import Config
from vta.runtime.layout import pack_activations, unpack_activations

SCALE_SHIFT = 14         # the factor 2^14 / count is an immediate of the ALU for every count


def avg_pool2d(shape, kernel, *, stride=None, pad=0, config="default", tiling=None, name="avg_pool2d"):
    """int8 average of windows of (N, C, H, W) data, padding counted as zeros, rounded.

    Windows of 2^k numbers: (sum + 2^(k-1)) >> k. Others: (sum * m + 2^13) >> 14, m = round(2^14 / count).
    """
    config = Config.load(config)
    n, c, h, w = sizes(shape)
    kernel, pad = pair(kernel, "kernel"), pair(pad, "pad")
    stride = kernel if stride is None else pair(stride, "stride")
    out_size, count = picture((h, w), kernel, stride, pad), kernel[0] * kernel[1]
    if count & (count - 1) == 0:
        post = Post(shift=count.bit_length() - 1, rounding=True, clip=None)
    else:
        post = Post(shift=SCALE_SHIFT, rounding=True, scale=max(1, round((1 << SCALE_SHIFT) / count)), clip=None)
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
