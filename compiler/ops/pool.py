"""Average pooling on the tensor core: a window product with one identity tile for all taps and channels."""

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.checks import Pads, Pair, Shape, as_pads, as_pair, check_shape, output_size
from vta.compiler.ops.layer import Form, window_operator
from vta.compiler.ops.operator import Operator, sliding_windows
from vta.compiler.ops.post import IMM_MAX, Post
from vta.compiler.ops.window import Tiling, Window, window_start
from vta.hw.config import Config

COMMON = 49              # up to 7 x 7 elements, 14 bits of the factor are enough, and its rounding is one immediate


def _factor(count):
    """(m, s), m / 2^s near 1 / count: m an immediate, the product of m and any sum of `count` elements an int32."""
    s = 14 if count <= COMMON else min(23, (IMM_MAX * count).bit_length() - 1)
    return round((1 << s) / count), s


def avg_pool2d(shape: Shape, kernel: Pair, *, stride: Pair | None = None, pad: Pads = 0,
               config: Config | str = "default", tiling: Tiling | None = None, name: str = "avg_pool2d") -> Operator:
    """int8 average of windows of int8 (N, C, H, W) data, rounded; padding counts as zeros, stride is the window by
    default. pad: an int, (vertical, horizontal) or ((top, bottom), (left, right)). Windows may be larger than the
    memories.

    Windows of 2^k elements: (sum + 2^(k-1)) >> k. Others: (sum * m + 2^(s-1)) >> s, m = round(2^s / count), where s is
    14 up to 49 elements, then as large as fits the machine. So a result is within 1/2 + e of the true average, e being
    0.15 up to 49 elements, 0.004 up to 512, and count / 2^17 beyond.
    """
    config = Config.load(config)
    n, c, h, w = check_shape(shape)
    kernel, pads = as_pair(kernel, "kernel"), as_pads(pad)
    stride = kernel if stride is None else as_pair(stride, "stride")
    out_size, count = output_size((h, w), kernel, stride, pads), kernel[0] * kernel[1]
    if count & (count - 1) == 0:
        post = Post(shift=count.bit_length() - 1, rounding=True, clip=None)
    else:
        scale, shift = _factor(count)
        post = Post(shift=shift, rounding=True, scale=scale, clip=None)
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    window = Window(batch, blocks, 1, 1, (h, w), out_size, kernel, stride, window_start(pads), shared=True)

    def sums(data):
        return sliding_windows(data, kernel, stride, pads).sum((-1, -2), dtype=np.int32)

    form = Form([window], {"data": (batch, blocks, h, w), "weight": (), "out": (batch, blocks, *out_size)},
                {"data": (shape, lambda array: pack_activations(array, config, pad=True))})
    return window_operator(name, config, [form], post, lambda packed: unpack_activations(packed, config, c, n), sums,
                           outputs=c, constants={"weight": np.eye(config.block, dtype=np.int8)}, tiling=tiling)


def global_avg_pool(shape: Shape, *, config: Config | str = "default") -> Operator:
    """The int8 average over each whole channel of int8 (N, C, H, W) data: (N, C, 1, 1)."""
    return avg_pool2d(shape, check_shape(shape)[2:], stride=1, config=config, name="global_avg_pool")
