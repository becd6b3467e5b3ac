"""2-D convolution, with groups, and its depthwise case.

Channels that are no multiple of the block are filled with zeros. Groups whose channels are no multiple of the
block are put together until they are (depthwise: a block of channels), with zeros between them in the
weights.
"""

import math

import numpy as np

from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import Operator, Post, need, pair
from vta.compiler.ops.search import ranked
from vta.compiler.ops.window import Window
from vta.compiler.pipeline import Pipeline
from vta.compiler.program import Program
from vta.hw.config import Config
from vta.runtime.layout import pack_activations, pack_bias, pack_weights, unpack_activations


def conv2d(
    shape,
    outputs,
    kernel,
    *,
    stride=1,
    pad=0,
    groups=1,
    bias=False,
    shift=0,
    rounding=False,
    clip=(-128, 127),
    config="default",
    tiling=None,
    name="conv2d",
):
    """int8 convolution of (N, C, H, W) data with (outputs, C / groups, kh, kw) weights, dilation 1.

    kernel, stride, pad: an int or (vertical, horizontal). Then bias (int32, one for each output channel),
    shift, rounding, clip as in `Post`. tiling: a `Tiling` instead of the best that the search finds.
    Refuses padding as large as the kernel, and more than 15 of it.
    """
    config, post = Config.load(config), Post(bias, shift, rounding, clip)
    (n, c, h, w), (kh, kw), (sh, sw) = _four(shape), pair(kernel, "kernel"), pair(stride, "stride")
    ph, pw = pair(pad, "pad")
    need(min(kh, kw, sh, sw) >= 1, f"kernel {kernel} and stride {stride} must be at least 1")
    need(
        groups >= 1 and c % groups == 0 and outputs % groups == 0 and outputs >= 1,
        f"{c} input and {outputs} output channels cannot be divided into {groups} groups",
    )
    need(
        ph < kh and pw < kw and max(ph, pw) <= 15,
        f"pad {pad} must be less than the kernel {kernel}, and at most 15",
    )
    oh, ow = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
    need(
        h + 2 * ph >= kh and w + 2 * pw >= kw,
        f"kernel {kernel} is larger than the padded picture of {h} x {w}",
    )

    merge, count, cin, cout = _blocks(c // groups, outputs // groups, groups, config.block)
    tiles = -(-n // config.batch)
    window = Window(tiles, count, cin, cout, (h, w), (oh, ow), (kh, kw), (sh, sw), (ph, pw))
    channels_in, channels_out = count * cin * config.block, count * cout * config.block

    p = Pipeline(config)
    block, batch = config.block, config.batch
    data = p.buffer("data", (tiles, count * cin, h, w, batch, block), "int8", "input", "NCHWnc")
    weights = p.buffer("weight", (count * cout, cin, kh, kw, block, block), "int8", "input", "OIHWoi")
    biases = (
        p.buffer(
            "bias", (1, count * cout, 1, 1, batch, block), "int32", "input" if bias else "const", "NCHWnc"
        )
        if post.adds
        else None
    )
    out = p.buffer("out", (tiles, count * cout, oh, ow, batch, block), "int8", "output", "NCHWnc")
    estimate, best = (None, tiling) if tiling else ranked(window, post, config)[0]
    Emitter(p, window, best, post, (data, weights, biases, out)).run()

    def wide(array, channels, axis):
        return np.pad(array, [(0, channels - array.shape[n] if n == axis else 0) for n in range(array.ndim)])

    def pack_weight(array):
        return pack_weights(merge_groups(array, groups, merge, count), config, pad=True)

    def pack_biases(array):
        return pack_bias(wide(np.asarray(array) + post.half, channels_out, 0), config)

    inputs = {
        "data": (shape, lambda array: pack_activations(wide(array, channels_in, 1), config, pad=True)),
        "weight": ((outputs, c // groups, kh, kw), pack_weight),
    }
    constants = {}
    if bias:
        inputs["bias"] = ((outputs,), pack_biases)
    elif post.adds:
        constants["bias"] = pack_biases(np.zeros(outputs, np.int32))

    def reference(data, weight, *bias):
        sums = reference_conv2d(data, weight, (sh, sw), (ph, pw), groups)
        return post.reference(sums, *(np.asarray(b).reshape(1, -1, 1, 1) for b in bias))

    return Operator(
        name,
        Program.from_code(p.code(), name, constants),
        inputs,
        lambda packed: unpack_activations(packed, config, outputs, n),
        reference,
        {"window": window, "tiling": best, "estimate": estimate, "post": post},
    )


def group_conv2d(shape, outputs, kernel, groups, **options):
    """`conv2d` in groups: output group g sees input group g only."""
    return conv2d(shape, outputs, kernel, groups=groups, name="group_conv2d", **options)


def depthwise_conv2d(shape, kernel, **options):
    """`conv2d` with as many groups as channels: each channel by itself. Weights are (C, 1, kh, kw)."""
    return conv2d(shape, shape[1], kernel, groups=shape[1], name="depthwise_conv2d", **options)


def _four(shape):
    need(
        len(shape) == 4 and all(isinstance(size, int) and size >= 1 for size in shape),
        f"shape {shape} must be (N, C, H, W), each at least 1",
    )
    return shape


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
        wide[big, place, :, place] = weight[group * outs : (group + 1) * outs]
    return wide.reshape(count * merge * outs, merge * ins, *weight.shape[2:])


def reference_conv2d(data, weight, stride, pad, groups=1):
    """int32 sums of an (N, C, H, W) convolution in numpy; pad is (vertical, horizontal)."""
    data = np.pad(data.astype(np.int32), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    n, c = data.shape[:2]
    outs, ins, kh, kw = weight.shape
    oh, ow = (data.shape[2] - kh) // stride[0] + 1, (data.shape[3] - kw) // stride[1] + 1
    grouped = data.reshape(n, groups, c // groups, *data.shape[2:])
    weight = weight.astype(np.int32).reshape(groups, outs // groups, ins, kh, kw)
    sums = np.zeros((n, groups, outs // groups, oh, ow), np.int64)
    for dy, dx in np.ndindex(kh, kw):
        seen = grouped[
            ...,
            dy : dy + stride[0] * (oh - 1) + 1 : stride[0],
            dx : dx + stride[1] * (ow - 1) + 1 : stride[1],
        ]
        # float64 holds these sums exactly
        sums += np.einsum(
            "ngchw,goc->ngohw", seen.astype(np.float64), weight[..., dy, dx].astype(np.float64), optimize=True
        ).astype(np.int64)
    return sums.reshape(n, outs, oh, ow).astype(np.int32)
