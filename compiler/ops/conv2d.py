"""2-D convolution, with groups, and its depthwise case.

Channels are zero-padded to a multiple of the block. Groups whose channels are not a multiple of the block are merged
until they are (depthwise: a block of channels), with zeros between them in the weights.
"""

import math

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.checks import Clip, Pair, Shape, as_pair, check_int, check_shape, need, output_size
from vta.compiler.ops.layer import window_operator
from vta.compiler.ops.operator import Operator, sliding_windows
from vta.compiler.ops.post import Post
from vta.compiler.ops.window import Tiling, Window
from vta.hw.config import Config


def conv2d(shape: Shape, outputs: int, kernel: Pair, *, stride: Pair = 1, pad: Pair = 0, groups: int = 1,
           bias: bool = False, shift: int = 0, rounding: bool = False, clip: Clip = (-128, 127),
           config: Config | str = "default", tiling: Tiling | None = None, name: str = "conv2d") -> Operator:
    """int8 convolution of (N, C, H, W) data with (outputs, C / groups, kh, kw) weights, dilation 1.

    Called with int8 data, weights and, with `bias`, int32 (outputs,); returns int8 (N, outputs, rows, columns). shift,
    rounding, clip: as in `Post`. tiling: instead of the best that the search finds. OperatorError for padding as large
    as the window or above 15, and for a window that does not fit the memories.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    n, c, h, w = check_shape(shape)
    kernel, stride, pad = as_pair(kernel, "kernel"), as_pair(stride, "stride"), as_pair(pad, "pad")
    out_size = output_size((h, w), kernel, stride, pad)
    need(c % check_int(groups, "groups") == 0 and check_int(outputs, "outputs") % groups == 0,
         f"{c} input and {outputs} output channels cannot be divided into {groups} groups")
    merge, count, cin, cout = _blocks(c // groups, outputs // groups, groups, config.block)
    batch = -(-n // config.batch)
    window = Window(batch, count, cin, cout, (h, w), out_size, kernel, stride, pad)

    def pack_data(array):
        missing = count * cin * config.block - c
        return pack_activations(np.pad(array, ((0, 0), (0, missing), (0, 0), (0, 0))), config, pad=True)

    return window_operator(
        name, config, [window], post,
        {"data": (batch, count * cin, h, w), "weight": (count * cout, cin, *kernel),
         "out": (batch, count * cout, *out_size)},
        {"data": (shape, pack_data), "weight": ((outputs, c // groups, *kernel), lambda array: pack_weights(
            merge_groups(array, groups, merge, count), config, pad=True))},
        lambda packed: unpack_activations(packed, config, outputs, n),
        lambda data, weight: reference_conv2d(data, weight, stride, pad, groups), outputs=outputs, tiling=tiling)


def group_conv2d(shape: Shape, outputs: int, kernel: Pair, groups: int, **options) -> Operator:
    """`conv2d` in groups: output group g sees input group g only. options: as there."""
    return conv2d(shape, outputs, kernel, groups=groups, name="group_conv2d", **options)


def depthwise_conv2d(shape: Shape, kernel: Pair, **options) -> Operator:
    """`conv2d` with as many groups as channels: each channel by itself. Weights are (C, 1, kh, kw)."""
    channels = check_shape(shape)[1]
    return conv2d(shape, channels, kernel, groups=channels, name="depthwise_conv2d", **options)


def _blocks(cin, cout, groups, block):
    """(groups merged into one, number of those, their input and output blocks)."""
    if groups == 1:
        return 1, 1, -(-cin // block), -(-cout // block)
    merge = math.lcm(block // math.gcd(cin, block), block // math.gcd(cout, block))
    return merge, -(-groups // merge), merge * cin // block, merge * cout // block


def merge_groups(weight, groups, merge, count):
    """(O, I, kh, kw) weights of `groups` groups as those of `count` groups, each of `merge` on a diagonal."""
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    wide = np.zeros((count, merge, outs, merge, ins, *weight.shape[2:]), weight.dtype)
    for group in range(groups):
        merged, index = divmod(group, merge)
        wide[merged, index, :, index] = weight[group * outs:(group + 1) * outs]
    return wide.reshape(count * merge * outs, merge * ins, *weight.shape[2:])


def reference_conv2d(data, weight, stride, pad, groups=1):
    """int32 sums of an (N, C, H, W) convolution in numpy; pad is (vertical, horizontal)."""
    outs, ins, kh, kw = weight.shape
    seen = sliding_windows(data.astype(np.float64), (kh, kw), stride, pad)          # float64 holds the sums exactly
    seen = seen.reshape(len(data), groups, ins, *seen.shape[2:])
    weight = weight.astype(np.float64).reshape(groups, outs // groups, ins, kh, kw)
    sums = sum(np.einsum("ngchw,goc->ngohw", seen[..., dy, dx], weight[..., dy, dx], optimize=True)
               for dy, dx in np.ndindex(kh, kw))
    return sums.reshape(len(data), outs, *sums.shape[3:]).astype(np.int64).astype(np.int32)
