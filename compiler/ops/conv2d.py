"""2-D convolution, with groups, and its depthwise case.

Channels are zero-padded to a multiple of the block. Groups whose channels are not a multiple of the block are merged
until they are (depthwise: a block of channels), with zeros between them in the weights. Where there are few channels,
the image may be folded (`first_layer.py`).
"""

import math

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.checks import Clip, Pads, Pair, Shape, as_pads, as_pair, check_int, check_shape, need, output_size
from vta.compiler.ops.depthwise import depthwise_windows
from vta.compiler.ops.first_layer import FOLDS, folds
from vta.compiler.ops.layer import Form, window_operator
from vta.compiler.ops.operator import Operator, sliding_windows
from vta.compiler.ops.requantisation import Requantise
from vta.compiler.ops.rescale import Rescale
from vta.compiler.ops.window import Tiling, Window, window_start
from vta.hw.config import Config
from vta.hw.features import Feature


def conv2d(shape: Shape, outputs: int, kernel: Pair, *, stride: Pair = 1, pad: Pads = 0, dilation: Pair = 1,
           groups: int = 1, bias: bool = False, shift: int = 0, rounding: bool = False, clip: Clip = (-128, 127),
           requantise: Requantise | None = None, zero_point: int = 0, wide: bool = False, residual: int = 0,
           fold: str = "auto", config: Config | str = "default", tiling: Tiling | None = None,
           name: str = "conv2d") -> Operator:
    """int8 convolution of (N, C, H, W) data with (outputs, C / groups, kh, kw) weights.

    Called with int8 data, weights and, with `bias`, int32 (outputs,); returns int8 (N, outputs, rows, columns).
    pad: an int, (vertical, horizontal) or ((top, bottom), (left, right)); it may be larger than the window, and the
    window than the memories. shift, rounding, clip: as in `Post`. tiling: instead of the best that the search finds.

    fold: "none", "depth" (the stride's rows and columns become channels) or "im2col" (the window's taps do, in one
    direction or both, whichever is faster), done while data and weights are packed; it needs one group. "auto" takes
    what is predicted to be fastest, and folds only images of fewer channels than a block.

    requantise: instead of shift, rounding and clip; zero_point: then that of the data, which counts as 0, and so does
    padding. wide: for sums that may leave 25 bits with their bias, four more cycles a tile. residual: a factor, 1 to
    127, of one more int8 array, the call's last one, of the outputs' shape, whose raw bytes (a zero point belongs into
    the bias) are added to the sums in one cycle a tile. OperatorError where the machine lacks a feature that they need.
    """
    config = Config.load(config)
    post = Rescale.of(requantise, bias, zero_point, wide, residual, shift=shift, rounding=rounding, clip=clip)
    n, c, h, w = check_shape(shape)
    kernel, stride, pads = as_pair(kernel, "kernel"), as_pair(stride, "stride"), as_pads(pad)
    dilation = as_pair(dilation, "dilation")
    out_size = output_size((h, w), kernel, stride, pads, dilation)
    need(c % check_int(groups, "groups") == 0 and check_int(outputs, "outputs") % groups == 0,
         f"{c} input and {outputs} output channels cannot be divided into {groups} groups")
    need(fold in FOLDS, f"fold = {fold!r} must be one of {', '.join(FOLDS)}")
    need(groups == 1 or fold in ("auto", "none"), f"fold = {fold!r}: an image in {groups} groups is not folded")
    merge, count, cin, cout = _blocks(c // groups, outputs // groups, groups, config.block)
    batch = -(-n // config.batch)

    def form(window, data, pack_weight, fold, weights="WGT"):
        cols = window.taps // window.kernel[0]
        return Form([window], {"data": (batch, window.groups * window.cin, *window.size),
                               "weight": (count * cout, window.cin, window.kernel[0], cols),
                               "out": (batch, count * cout, *out_size)},
                    {"data": (shape, lambda array: pack_activations(data(array), config, pad=True)),
                     "weight": ((outputs, c // groups, *kernel), pack_weight)}, fold, weights)

    def square(weight):
        return lambda array: pack_weights(weight(array), config, pad=True)

    def grouped(array):
        return np.pad(array, ((0, 0), (0, count * cin * config.block - c), (0, 0), (0, 0)))

    plain = Window(batch, count, cin, cout, (h, w), out_size, kernel, stride, window_start(pads), dilation,
                   pad_value=zero_point)
    forms = []
    if groups == c == outputs and merge == config.block:
        forms = [form(window, grouped, pack, "none", weights)
                 for window, pack, weights in depthwise_windows(plain, config, isinstance(post, Rescale) and not wide)]
    if not any(each.windows[0].diagonal for each in forms):
        forms.append(form(plain, grouped, square(lambda array: merge_groups(array, groups, merge, count)), "none"))
    if zero_point and any(map(any, pads)) and not config.has(Feature.PAD_VALUE):
        forms = []
    if groups == 1 and (fold != "auto" or c < config.block):
        folded = [form(each.window(batch, cout, out_size, stride, dilation, config.block),
                       lambda array, each=each: each.data(array, zero_point), square(each.weight), each.name)
                  for each in folds(c, out_size, kernel, stride, dilation, pads, fold)]
        forms = folded if folded and fold != "auto" else forms + folded
    need(forms, f"zero_point = {zero_point} with padding: configuration {config.name!r} has no feature pad_value")
    return window_operator(name, config, forms, post, lambda packed: unpack_activations(packed, config, outputs, n),
                           lambda data, weight: reference_conv2d(data, weight, stride, pads, groups, dilation),
                           outputs=outputs, tiling=tiling)


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


def reference_conv2d(data, weight, stride, pad, groups=1, dilation=(1, 1)):
    """int32 sums of an (N, C, H, W) convolution in numpy; pad is as in `conv2d`, the others are pairs."""
    outs, ins, kh, kw = weight.shape
    seen = sliding_windows(data.astype(np.float64), (kh, kw), stride, pad, dilation)    # float64 holds the sums exactly
    seen = seen.reshape(len(data), groups, ins, *seen.shape[2:])
    weight = weight.astype(np.float64).reshape(groups, outs // groups, ins, kh, kw)
    sums = sum(np.einsum("ngchw,goc->ngohw", seen[..., dy, dx], weight[..., dy, dx], optimize=True)
               for dy, dx in np.ndindex(kh, kw))
    return sums.reshape(len(data), outs, *sums.shape[3:]).astype(np.int64).astype(np.int32)
