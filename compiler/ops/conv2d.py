"""2-D convolution, with groups, and its depthwise case.

Channels that are no multiple of the block are filled with zeros. Groups whose channels are no multiple of the
block are put together until they are (depthwise: a block of channels), with zeros between them in the
weights.
"""

import math

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.layer import window_operator
from vta.compiler.ops.operator import Post, need, pair, picture, sizes, whole
from vta.compiler.ops.window import Window
from vta.hw.config import Config


def conv2d(shape, outputs, kernel, *, stride=1, pad=0, groups=1, bias=False, shift=0, rounding=False,
           clip=(-128, 127), config="default", tiling=None, name="conv2d"):
    """int8 convolution of (N, C, H, W) data with (outputs, C / groups, kh, kw) weights, dilation 1.

    kernel, stride, pad: an int or (vertical, horizontal). Then bias (int32, one for each output channel),
    shift, rounding, clip as in `Post`. tiling: a `Tiling` instead of the best that the search finds.
    Refuses padding as large as the kernel, and more than 15 of it.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    n, c, h, w = sizes(shape)
    kernel, stride, pad = pair(kernel, "kernel"), pair(stride, "stride"), pair(pad, "pad")
    out_size = picture((h, w), kernel, stride, pad)
    need(c % whole(groups, "groups") == 0 and whole(outputs, "outputs") % groups == 0,
         f"{c} input and {outputs} output channels cannot be divided into {groups} groups")
    merge, count, cin, cout = _blocks(c // groups, outputs // groups, groups, config.block)
    batch = -(-n // config.batch)
    window = Window(batch, count, cin, cout, (h, w), out_size, kernel, stride, pad)

    def pack_data(array):
        missing = count * cin * config.block - c
        return pack_activations(np.pad(array, ((0, 0), (0, missing), (0, 0), (0, 0))), config, pad=True)

    def pack_weight(array):
        return pack_weights(merge_groups(array, groups, merge, count), config, pad=True)

    def reference(data, weight, *bias):
        sums = reference_conv2d(data, weight, stride, pad, groups)
        return post.reference(sums, *(np.reshape(each, (1, -1, 1, 1)) for each in bias))

    return window_operator(
        name, config, [window], post,
        {"data": (batch, count * cin, h, w), "weight": (count * cout, cin, *kernel),
         "out": (batch, count * cout, *out_size)},
        {"data": (shape, pack_data), "weight": ((outputs, c // groups, *kernel), pack_weight)},
        lambda packed: unpack_activations(packed, config, outputs, n), reference, outputs=outputs, tiling=tiling)


def group_conv2d(shape, outputs, kernel, groups, **options):
    """`conv2d` in groups: output group g sees input group g only."""
    return conv2d(shape, outputs, kernel, groups=groups, name="group_conv2d", **options)


def depthwise_conv2d(shape, kernel, **options):
    """`conv2d` with as many groups as channels: each channel by itself. Weights are (C, 1, kh, kw)."""
    channels = sizes(shape)[1]
    return conv2d(shape, channels, kernel, groups=channels, name="depthwise_conv2d", **options)


def _blocks(cin, cout, groups, block):
    """(groups put together, number of those, their input and output blocks)."""
    if groups == 1:
        return 1, 1, -(-cin // block), -(-cout // block)
    merge = math.lcm(block // math.gcd(cin, block), block // math.gcd(cout, block))
    return merge, -(-groups // merge), merge * cin // block, merge * cout // block


def merge_groups(weight, groups, merge, count):
    """(O, I, kh, kw) weights of `groups` groups as those of `count` groups, each of `merge` on a diagonal."""
    if groups == 1:
        return weight
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    wide = np.zeros((count, merge, outs, merge, ins, *weight.shape[2:]), weight.dtype)
    for group in range(groups):
        big, place = divmod(group, merge)
        wide[big, place, :, place] = weight[group * outs:(group + 1) * outs]
    return wide.reshape(count * merge * outs, merge * ins, *weight.shape[2:])


def reference_conv2d(data, weight, stride, pad, groups=1):
    """int32 sums of an (N, C, H, W) convolution in numpy; pad is (vertical, horizontal)."""
    data = np.pad(data.astype(np.float64), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    n, c = data.shape[:2]
    outs, ins, kh, kw = weight.shape
    rows, cols = (data.shape[2] - kh) // stride[0] + 1, (data.shape[3] - kw) // stride[1] + 1
    data = data.reshape(n, groups, c // groups, *data.shape[2:])
    weight = weight.astype(np.float64).reshape(groups, outs // groups, ins, kh, kw)
    sums = np.zeros((n, groups, outs // groups, rows, cols))          # float64 holds these sums exactly
    for dy, dx in np.ndindex(kh, kw):
        seen = data[..., dy:dy + stride[0] * (rows - 1) + 1:stride[0], dx:dx + stride[1] * (cols - 1) + 1:stride[1]]
        sums += np.einsum("ngchw,goc->ngohw", seen, weight[..., dy, dx], optimize=True)
    return sums.reshape(n, outs, rows, cols).astype(np.int64).astype(np.int32)
