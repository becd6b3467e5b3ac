"""Averages on the tensor core: window products with one identity tile for all taps and channels."""

from dataclasses import replace
from itertools import groupby, product

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.checks import Clip, Pads, Pair, Shape, as_pads, as_pair, check_shape, need, output_size
from vta.compiler.ops.layer import Form, window_operator
from vta.compiler.ops.operator import Operator, sliding_windows
from vta.compiler.ops.post import IMM_MAX, Post
from vta.compiler.ops.requantisation import Average, Requantise
from vta.compiler.ops.rescale import Rescale, packed_words
from vta.compiler.ops.window import Tiling, Window, window_start
from vta.hw.config import Config

COMMON = 49              # up to 7 x 7 elements, 14 bits of the factor are enough, and its rounding is one immediate
BYTES = (-128, 127)
LEFT = 6                 # largest power of two of a weight


def _factor(count):
    """(m, s), m / 2^s near 1 / count: m an immediate, the product of m and any sum of `count` elements an int32."""
    s = 14 if count <= COMMON else min(23, (IMM_MAX * count).bit_length() - 1)
    return round((1 << s) / count), s


def avg_pool2d(shape: Shape, kernel: Pair, *, stride: Pair | None = None, pad: Pads = 0, exact: bool = False,
               clip: Clip = BYTES, config: Config | str = "default", tiling: Tiling | None = None,
               name: str = "avg_pool2d") -> Operator:
    """int8 average of windows of int8 (N, C, H, W) data, rounded and clipped; stride is the window by default. pad: an
    int, (vertical, horizontal) or ((top, bottom), (left, right)). Windows may be larger than the memories.

    Padding counts as zeros. Windows of 2^k elements: (sum + 2^(k-1)) >> k. Others: (sum * m + 2^(s-1)) >> s, m =
    round(2^s / count), where s is 14 up to 49 elements, then as large as fits the machine. So a result is within
    1/2 + e of the true average, e being 0.15 up to 49 elements, 0.004 up to 512, and count / 2^17 beyond.

    exact: as TensorFlow Lite's AVERAGE_POOL_2D instead: padding does not count, neither as values nor in the divisor,
    and halves are rounded away from zero. OperatorError where the machine does not requantise, for a window of padding
    alone, and for more than 131,072 elements.
    """
    config = Config.load(config)
    n, c, h, w = check_shape(shape)
    kernel, pads = as_pair(kernel, "kernel"), as_pads(pad)
    stride = kernel if stride is None else as_pair(stride, "stride")
    out_size, count = output_size((h, w), kernel, stride, pads), kernel[0] * kernel[1]
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    window = Window(batch, blocks, 1, 1, (h, w), out_size, kernel, stride, window_start(pads), shared=True)
    limit = None if clip == BYTES else clip

    def sums(data):
        return sliding_windows(data, kernel, stride, pads).sum((-1, -2), dtype=np.int32)

    if not exact:
        scale, shift = (1, count.bit_length() - 1) if count & (count - 1) == 0 else _factor(count)
        return _product(name, config, [window], Post(shift=shift, rounding=True, scale=scale, clip=limit), shape, sums,
                        tiling=tiling)
    windows, rules = _regions(window, pads, clip)
    words = [packed_words(rule.words(), 1, 1, config, every=True) for rule in rules]
    operator = _product(name, config, windows, Rescale(rules, shared=True), shape, sums,
                        np.concatenate(words), tiling=tiling)

    def reference(data):
        found, counts = sums(data), sums(np.ones_like(data))
        return np.clip(np.sign(found) * ((np.abs(found) + counts // 2) // counts), *clip).astype(np.int8)

    return replace(operator, reference=reference)


def global_avg_pool(shape: Shape, *, exact: bool = False, clip: Clip = BYTES,
                    config: Config | str = "default") -> Operator:
    """The int8 average over each whole channel of int8 (N, C, H, W) data: (N, C, 1, 1). exact, clip: as in
    `avg_pool2d`."""
    return avg_pool2d(shape, check_shape(shape)[2:], stride=1, exact=exact, clip=clip, config=config,
                      name="global_avg_pool")


def mean(shape: Shape, requantise: Requantise, *, zero_point: int = 0,
         config: Config | str = "default") -> Operator:
    """The sums over each whole channel of int8 (N, C, H, W) data without their `zero_point`, requantised: (N, C, 1, 1).
    With `Requantise.mean` it is TensorFlow Lite's MEAN."""
    n, c, h, w = check_shape(shape)
    config, count = Config.load(config), h * w
    post = _rescale("mean", requantise, zero_point, config, c)
    words = requantise.words(-zero_point * count, (-128 * count, 127 * count))
    window = Window(-(-n // config.batch), -(-c // config.block), 1, 1, (h, w), (1, 1), (h, w), shared=True)
    return _product("mean", config, [window], replace(post, shared=len(words[0]) == 1), shape,
                    lambda data: data.sum((2, 3), dtype=np.int64, keepdims=True), _parameters(words, c, config))


def rescale(shape: Shape, requantise: Requantise, *, zero_point: int = 0,
            config: Config | str = "default") -> Operator:
    """int8 (N, C, H, W) data without its `zero_point`, requantised: other scales, for each channel or for all.
    OperatorError for shifts above 6.

    The tensor core does the shifts to the left: channels are multiplied by powers of two.
    """
    n, c, h, w = check_shape(shape)
    config = Config.load(config)
    post = _rescale("rescale", requantise, zero_point, config, c)
    left = np.maximum(np.atleast_1d(requantise.shifts), 0)
    need(left.max() <= LEFT, f"shifts = {requantise.shifts}: must be at most {LEFT}")
    right = replace(requantise, shifts=np.minimum(requantise.shifts, 0))
    words = right.words(-zero_point << left, (-128 << left, 127 << left))
    blocks, shared = -(-c // config.block), len(np.unique(left)) == 1
    factors = np.full(config.block, 1 << left[0]) if shared else np.pad(1 << left, (0, blocks * config.block - c))
    weight = np.zeros((len(factors) // config.block, config.block, config.block), np.int8)
    np.einsum("ill->il", weight)[:] = factors.reshape(-1, config.block)
    window = Window(-(-n // config.batch), blocks, 1, 1, (h, w), (h, w), (1, 1), shared=shared)
    return _product("rescale", config, [window], replace(post, shared=len(words[0]) == 1), shape,
                    lambda data: data, _parameters(words, c, config), weight)


def _rescale(name, requantise, zero_point, config, channels):
    need(requantise is not None, f"{name} needs a Requantise")
    post = Rescale.of(requantise, False, zero_point)
    post.check(config, channels)
    return post


def _parameters(words, channels, config):
    """The packed parameters of words of one channel for all, or of each."""
    one = len(words[0]) == 1
    return packed_words(words, 1 if one else channels, 1 if one else -(-channels // config.block), config, every=one)


def _product(name, config, windows, post, shape, sums, parameters=None, weight=None, tiling=None):
    """The Operator of `windows` of (N, C, H, W) data with diagonal tiles, by default one identity."""
    n, c, h, w = shape
    batch, blocks, out = windows[0].batch, windows[0].groups, windows[0].planes or windows[0].out
    constants = {"weight": np.eye(config.block, dtype=np.int8) if weight is None else weight}
    if parameters is not None:
        constants["parameters"] = parameters
    form = Form(windows, {"data": (batch, blocks, h, w), "weight": constants["weight"].shape[:-2],
                          "out": (batch, blocks, *out)},
                {"data": (shape, lambda array: pack_activations(array, config, pad=True))})
    return window_operator(name, config, [form], post, lambda packed: unpack_activations(packed, config, c, n), sums,
                           outputs=c, constants=constants, tiling=tiling)


def _regions(window, pads, clip):
    """(windows, rules): a window for each region of outputs, of which equally many taps are inside of the picture."""
    axes = []
    for size, out, kernel, stride, (before, after), name in zip(
            window.size, window.out, window.kernel, window.stride, pads, ("rows", "columns"), strict=True):
        inside = [min(size, first + kernel) - max(0, first) for first in range(-before, out * stride - before, stride)]
        need(min(inside) > 0, f"pads of {before} and {after} {name}: a window of {kernel} would see nothing else")
        axes.append([(count, [number for number, _ in run])
                     for count, run in groupby(enumerate(inside), key=lambda pair: pair[1])])
    windows, rules = [], []
    for (rows, ys), (cols, xs) in product(*axes):
        origin = ys[0], xs[0]
        start = tuple(s - o * step for s, o, step in zip(window.start, origin, window.stride, strict=True))
        windows.append(replace(window, out=(len(ys), len(xs)), start=start, planes=window.out, origin=origin))
        rules.append(Average(rows * cols, clip))
    return windows, tuple(rules)
