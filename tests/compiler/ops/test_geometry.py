"""Padding, dilation, windows larger than the memories, strides larger than windows, folded first layers: each against
the definition (`direct_windows.py`)."""

import random

import direct_windows as direct
import numpy as np
import pytest

from vta.compiler import ops
from vta.compiler.ops.first_layer import folds
from vta.compiler.ops.post import Post
from vta.compiler.ops.window import TiledWindow, Tiling, Window
from vta.hw.config import PRESETS, Config
from vta.runtime.device import open_device

CONFIGS = (PRESETS["tiny"], PRESETS["default"],
           Config(log_batch=1, log_inp_buff_size=12, log_wgt_buff_size=15, log_acc_buff_size=14),
           Config(log_block=3, log_inp_buff_size=12, log_wgt_buff_size=12, log_acc_buff_size=13))
CLIP = (-128, 127)


def pairs(value):
    return tuple(value) if isinstance(value, tuple) else (value, value)


def pads_of(value):
    return tuple(pairs(each) for each in pairs(value))


def draw(rng, shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def convolution(shape, outputs, kernel, *, stride=1, pad=0, dilation=1, groups=1, config="default", seed=0, **options):
    """(operator, arguments, result by definition)."""
    layer = ops.conv2d(shape, outputs, kernel, stride=stride, pad=pad, dilation=dilation, groups=groups, bias=True,
                       shift=7, config=config, **options)
    rng = np.random.default_rng(seed)
    data, weight = draw(rng, shape), draw(rng, (outputs, shape[1] // groups, *pairs(kernel)))
    bias = rng.integers(-9999, 9999, outputs).astype(np.int32)
    sums = direct.conv2d(data, weight, pairs(stride), pads_of(pad), groups, pairs(dilation))
    return layer, (data, weight, bias), direct.requantised(sums, bias, 7, CLIP)


def transposed(shape, outputs, kernel, *, stride=1, pad=0, output_pad=0, dilation=1, config="default", seed=0):
    layer = ops.conv2d_transpose(shape, outputs, kernel, stride=stride, pad=pad, output_pad=output_pad,
                                 dilation=dilation, bias=True, shift=7, config=config)
    rng = np.random.default_rng(seed)
    data, weight = draw(rng, shape), draw(rng, (shape[1], outputs, *pairs(kernel)))
    bias = rng.integers(-9999, 9999, outputs).astype(np.int32)
    sums = direct.conv2d_transpose(data, weight, pairs(stride), pads_of(pad), pairs(output_pad), pairs(dilation))
    return layer, (data, weight, bias), direct.requantised(sums, bias, 7, CLIP)


def maximum(shape, kernel, *, stride, pad=0, config="default", seed=0):
    layer = ops.max_pool2d(shape, kernel, stride=stride, pad=pad, config=config)
    data = draw(np.random.default_rng(seed), shape)
    return layer, (data,), direct.max_pool2d(data, pairs(kernel), pairs(stride), pads_of(pad))


def average(shape, kernel, *, stride, pad=0, config="default", seed=0):
    """Windows of 2^k elements have an exact rule, others are tested against the true average elsewhere."""
    layer = ops.avg_pool2d(shape, kernel, stride=stride, pad=pad, config=config)
    data = draw(np.random.default_rng(seed), shape)
    sums = direct.pool_sums(data, pairs(kernel), pairs(stride), pads_of(pad))
    return layer, (data,), layer.about.post.reference(sums.astype(np.int32))


def check(case, device="sim", **options):
    """The operator, of which the device and numpy agree with the definition."""
    layer, arguments, wanted = case
    np.testing.assert_array_equal(layer.reference(*arguments), wanted)
    with open_device(device, layer.config, **options) as opened:
        np.testing.assert_array_equal(layer(opened, *arguments), wanted)
    return layer


UNEVEN = ((1, 0), (2, 3))


@pytest.mark.parametrize("case", [
    lambda: convolution((1, 20, 9, 8), 20, 3, pad=UNEVEN, stride=2),
    lambda: convolution((1, 20, 9, 8), 20, (3, 4), pad=((0, 1), (4, 0)), dilation=(2, 1)),
    lambda: convolution((2, 20, 12, 12), 5, 3, pad=4, dilation=4),
    lambda: convolution((1, 16, 12, 12), 16, 3, pad=2, dilation=2, stride=2),           # strides skip rows
    lambda: convolution((1, 16, 12, 15), 16, 3, pad=6, dilation=(6, 3), stride=4),
    lambda: convolution((1, 16, 1, 5), 16, (3, 1), pad=(3, 0), dilation=(2, 1), stride=(2, 1)),   # no row is real
    lambda: convolution((1, 12, 8, 8), 6, 3, pad=UNEVEN, groups=3, dilation=2),
    lambda: convolution((1, 20, 8, 8), 20, 3, pad=UNEVEN, groups=20, dilation=(1, 2)),
    lambda: convolution((1, 16, 4, 4), 16, 3, pad=5),                                   # outputs that see no input
    lambda: convolution((1, 16, 5, 4), 16, 3, pad=((17, 40), (0, 20)), dilation=3),     # more than a LOAD pads
    lambda: convolution((1, 16, 3, 3), 16, 20, pad=18),
    lambda: convolution((1, 16, 40, 3), 16, (35, 2), pad=((34, 0), (0, 1))),
    lambda: transposed((1, 20, 5, 4), 20, 3, stride=2, pad=((1, 0), (0, 2)), output_pad=1),
    lambda: transposed((1, 20, 5, 4), 20, (1, 2), stride=(2, 3)),                       # outputs without a tap
    lambda: transposed((2, 5, 4, 4), 20, 2, stride=4, pad=1, output_pad=5),
    lambda: transposed((1, 5, 2, 2), 5, 1, stride=3, pad=1),                            # none has one
    lambda: transposed((1, 16, 6, 6), 16, 3, stride=2, pad=4),                          # crops more than the window
    lambda: transposed((1, 16, 6, 6), 16, 3, stride=2, dilation=3),
    lambda: transposed((1, 16, 6, 6), 16, (3, 4), stride=(4, 3), dilation=(2, 3), pad=((0, 3), (2, 1))),
    lambda: average((1, 20, 9, 8), (2, 4), stride=(1, 2), pad=UNEVEN),
    lambda: average((1, 20, 6, 6), 2, stride=1, pad=((2, 20), (3, 0))),
    lambda: maximum((1, 20, 9, 8), 3, stride=2, pad=UNEVEN),
    lambda: maximum((1, 20, 5, 6), 2, stride=(1, 3), pad=((2, 0), (7, 25))),
])
def test_padding_and_dilation(case):
    check(case())


@pytest.mark.parametrize("case", [
    lambda: average((1, 20, 64, 64), 64, stride=1),
    lambda: average((1, 16, 1, 4096), (1, 4096), stride=1),
    lambda: average((1, 20, 40, 64), 32, stride=8, pad=((0, 3), (7, 1))),
    lambda: average((1, 5, 16, 16), 16, stride=1, config="tiny"),
    lambda: maximum((2, 20, 56, 56), 56, stride=1),
    lambda: maximum((1, 16, 1, 4000), (1, 4000), stride=1),
    lambda: maximum((1, 20, 52, 60), (48, 50), stride=(2, 5), pad=((1, 2), (0, 9))),
    lambda: maximum((1, 5, 30, 30), 16, stride=14, pad=1, config="tiny"),
    lambda: convolution((1, 40, 40, 40), 20, 36, pad=((0, 1), (1, 0))),
    lambda: convolution((1, 16, 15, 30), 40, (9, 20), pad=1, dilation=(1, 1), config="tiny"),
    lambda: convolution((1, 16, 3, 300), 16, (2, 140), pad=((1, 0), (2, 3)), dilation=(1, 2), config="tiny"),
    lambda: convolution((1, 8, 20, 20), 4, 17, groups=4, config="tiny"),
])
def test_windows_larger_than_the_memories(case):
    check(case())


def test_a_given_part_of_the_window_is_taken():
    tiling = Tiling(2, 4, 1, 1, tap_rows=2, tap_cols=3)
    layer = check(convolution((1, 20, 6, 12), 20, (5, 7), pad=((2, 1), (0, 3)), dilation=(1, 2), stride=(2, 1),
                                 tiling=tiling))
    assert layer.about.tilings == (tiling,)


def test_large_windows_are_loaded_while_others_are_summed():
    layer = ops.global_avg_pool((1, 64, 112, 112))
    assert layer.about.predicted < 1.05 * 2 * 4 * 112 * 112         # the beats of the image: two a tile


FIRST = [((1, 3, 15, 18), 20, 7, 2, 3), ((1, 1, 15, 10), 8, (10, 4), 2, ((4, 5), (1, 1))),
         ((2, 3, 9, 9), 5, 3, 2, ((0, 1), (0, 1))), ((1, 5, 8, 9), 16, (3, 5), (3, 2), ((7, 0), (1, 9))),
         ((1, 2, 11, 8), 4, (2, 3), (3, 1), 0), ((1, 20, 7, 7), 16, 3, 2, 1)]


@pytest.mark.parametrize("fold", ["auto", "none", "depth", "im2col"])
@pytest.mark.parametrize(("shape", "outputs", "kernel", "stride", "pad"), FIRST)
def test_folds(shape, outputs, kernel, stride, pad, fold):
    layer = check(convolution(shape, outputs, kernel, stride=stride, pad=pad, fold=fold))
    assert fold in ("auto", "depth") or fold in layer.about.fold


@pytest.mark.parametrize("kind", [(y, x) for y in ("none", "depth", "im2col") for x in ("none", "depth", "im2col")])
@pytest.mark.parametrize("pad_value", [0, -7])
def test_every_fold_is_the_same_convolution(kind, pad_value):
    """In numpy, with any byte in the padding."""
    rng, pads = np.random.default_rng(1), ((2, 1), (0, 3))
    data, weight = rng.integers(-9, 9, (2, 3, 11, 10)), rng.integers(-9, 9, (4, 3, 5, 4))
    padded = np.pad(data, ((0, 0), (0, 0), *pads), constant_values=pad_value)
    wanted = direct.conv2d(padded, weight, (2, 1), ((0, 0), (0, 0)))
    assert wanted.shape[2:] == (5, 10)
    found = folds(3, (5, 10), (5, 4), (2, 1), (1, 1), pads)
    chosen = [fold for fold in found if tuple(axis.kind for axis in fold.axes) == kind]
    assert len(chosen) == (kind != ("none", "none") and kind[1] != "depth")      # a stride of 1 has no depth
    for fold in chosen:
        window = fold.window(2, 1, (5, 10), (2, 1), (1, 1), 16)
        sums = direct.conv2d(fold.data(data, pad_value), fold.weight(weight), window.stride, ((0, 0), (0, 0)))
        np.testing.assert_array_equal(sums, wanted)


def test_first_layers_are_folded():
    """ResNet-18's, keyword spotting's, and one that has nothing to fold; a middle layer is left as it is."""
    options = dict(bias=True, shift=8, clip=(0, 127))
    cycles = {fold: ops.conv2d((1, 3, 224, 224), 64, 7, stride=2, pad=3, fold=fold, **options).about.predicted
              for fold in ("auto", "depth")}
    assert cycles["depth"] < 1_060_000 and cycles["auto"] < 760_000
    spotting = ops.conv2d((1, 1, 49, 10), 64, (10, 4), stride=2, pad=((4, 5), (1, 1)), **options)
    assert spotting.about.fold == "im2col" and spotting.about.windows[0].cin == 3
    assert ops.conv2d((1, 8, 8, 8), 16, 1).about.fold == "none"
    assert ops.conv2d((1, 16, 8, 8), 16, 3).about.fold == "none"


def test_rows_on_chip_are_those_that_taps_see():
    """Where stride and dilation have a common factor; padding is counted in rows on chip."""
    tiled = TiledWindow(Window(1, 1, 1, 1, (12, 12), (6, 12), (3, 1), (4, 1), (5, 0), (2, 1)),
                        Tiling(2, 12, 1, 1), PRESETS["default"], Post())
    assert (tiled.skip, tiled.stride, tiled.dilation) == (2, (2, 1), (1, 1))
    assert tiled.input_region(tiled.patches[0], tiled.pieces[0]) == ((1, 0), (2, 12), (0, 3, 0, 0))


@pytest.mark.parametrize("seed", range(40))
def test_random(seed):
    r = random.Random(seed)
    config, n, c, o = r.choice(CONFIGS), r.choice((1, 1, 2)), r.choice((1, 3, 8, 20)), r.choice((1, 5, 20))
    large = r.random() < 0.15
    h, w = (r.randint(10, 40) if large else r.randint(1, 12) for _ in "yx")
    most = r.choice((0, 2, 5, 20))
    pad = tuple((r.randint(0, most), r.randint(0, most)) for _ in "yx")
    span = [sum(each) + size for each, size in zip(pad, (h, w), strict=True)]
    dilation = r.randint(1, 3), r.randint(1, 3)
    kind = r.choice((convolution, convolution, transposed, maximum, average))
    if kind in (maximum, average):
        kernel = tuple(r.randint(1, size if large else min(size, 5)) for size in span)
    else:
        kernel = tuple(r.randint(1, min(5, (size - 1) // d + 1)) for size, d in zip(span, dilation, strict=True))
    stride = r.randint(1, 4), r.randint(1, 4)
    options = dict(stride=stride, pad=pad, config=config, seed=seed)
    if kind is convolution:
        groups = r.choice((1, 1, 2, 3))
        options |= dict(groups=groups, fold=r.choice(("auto", "none", "depth", "im2col")) if groups == 1 else "none")
        case = convolution((n, c * groups, h, w), o * groups, kernel, dilation=dilation, **options)
    elif kind is transposed:
        pad = tuple((min(first, k), min(second, k - 1)) for (first, second), k in zip(pad, kernel, strict=True))
        case = transposed((n, c, h, w), o, kernel, dilation=dilation, output_pad=(r.randint(0, 3), 2),
                          **options | {"pad": pad})
    else:
        case = kind((n, c, h, w), kernel, **options)
    check(case)


@pytest.mark.rtl
@pytest.mark.parametrize("case", [
    lambda: convolution((1, 3, 15, 15), 16, 7, stride=2, pad=3),
    lambda: convolution((1, 16, 5, 4), 16, 3, pad=((17, 4), (0, 20)), dilation=2),
    lambda: transposed((1, 16, 3, 4), 16, 1, stride=2),
    lambda: average((1, 16, 64, 64), 64, stride=1),
    lambda: maximum((1, 16, 56, 56), 56, stride=1),
])
def test_on_the_rtl(case):
    check(case(), "tsim", latency=16)
