"""Products that requantise, each option of each: against sums by definition (`direct_windows.py`) and the rules of the
reference kernels (`integer_rules.py`)."""

from dataclasses import replace

import direct_windows as direct
import numpy as np
import pytest
from requantised_cases import ALL, FULL, Numbers, check, each_config, requantised

from vta.compiler import ops
from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.requantisation import Requantise
from vta.hw.config import Config
from vta.hw.features import Feature
from vta.runtime.device import open_device

UNEVEN = ((1, 0), (2, 3))


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def convolution(config, seed, shape, outputs, kernel, *, stride=1, pad=0, dilation=1, groups=1, bias=True, zero=0,
                residual=0, rounding="double", largest=None, data=None, weight=None, **options):
    """(operator, arrays, result by definition)."""
    numbers, kernel, channels = Numbers(seed), pair(kernel), shape[1] // groups
    largest = largest or 5000 * (channels * kernel[0] * kernel[1]) ** 0.5
    rule = numbers.rule(outputs, largest, rounding=rounding)
    data = numbers.bytes(shape) if data is None else data
    weight = numbers.bytes((outputs, channels, *kernel)) if weight is None else weight
    arrays, geometry = [data, weight], dict(stride=stride, pad=pad, dilation=dilation, groups=groups)
    pads = pad if isinstance(pad, tuple) and isinstance(pad[0], tuple) else tuple((p, p) for p in pair(pad))
    sums = direct.conv2d(data.astype(np.int64) - zero, weight, pair(stride), pads, groups, pair(dilation))
    if bias:
        arrays.append(numbers.bias(outputs))
        sums = sums + np.reshape(arrays[-1], (-1, 1, 1))
    if residual:
        arrays.append(numbers.bytes(sums.shape))
        sums = sums + residual * arrays[-1].astype(np.int64)
    layer = ops.conv2d(shape, outputs, kernel, bias=bias, requantise=rule, zero_point=zero, residual=residual,
                       config=config, **geometry, **options)
    return layer, arrays, requantised(rule, sums)


@each_config
@pytest.mark.parametrize("options", [
    dict(shape=(1, 20, 9, 8), outputs=20, kernel=3, pad=UNEVEN, stride=2, zero=-7),
    dict(shape=(2, 20, 6, 7), outputs=5, kernel=(3, 2), pad=((0, 1), (1, 0)), dilation=(2, 1), zero=127, bias=False),
    dict(shape=(1, 16, 3, 4), outputs=16, kernel=3, pad=((17, 1), (0, 3)), dilation=2, zero=-128),
    dict(shape=(1, 20, 6, 6), outputs=10, kernel=3, pad=1, groups=5, zero=3),
    dict(shape=(2, 20, 8, 9), outputs=20, kernel=3, pad=UNEVEN, groups=20, zero=3),
    dict(shape=(1, 20, 9, 8), outputs=20, kernel=(2, 5), pad=(1, 2), stride=2, groups=20, zero=-100),
    dict(shape=(1, 20, 9, 8), outputs=20, kernel=3, pad=2, dilation=2, groups=20, zero=5),
    dict(shape=(1, 20, 9, 1), outputs=20, kernel=(4, 1), groups=20, zero=5),
    dict(shape=(1, 9, 6, 6), outputs=18, kernel=3, pad=1, groups=9, zero=-9),
    dict(shape=(1, 1, 9, 8), outputs=20, kernel=(4, 3), pad=((1, 2), (1, 1)), stride=2, groups=1, zero=83),
])
def test_convolutions(config, seed, options):
    check(*convolution(config, seed, **options))


@pytest.mark.parametrize("fold", ["none", "depth", "im2col"])
@pytest.mark.parametrize("pad", [1, ((0, 1), (0, 1)), ((4, 5), (1, 1))])
def test_folds_are_padded_with_the_zero_point(fold, pad):
    check(*convolution(FULL, 1, (1, 3, 11, 10), 20, (4, 3), stride=2, pad=pad, zero=-77, fold=fold))


@each_config
@pytest.mark.parametrize("options", [
    dict(shape=(1, 20, 9, 8), outputs=20, kernel=3, pad=UNEVEN, stride=2, zero=-7),
    dict(shape=(2, 20, 8, 9), outputs=20, kernel=3, pad=UNEVEN, groups=20, bias=False),
    dict(shape=(1, 60, 4, 4), outputs=40, kernel=5, pad=2),
    dict(shape=(1, 21, 4, 4), outputs=51, kernel=3, groups=3),
    dict(shape=(1, 20, 5, 5), outputs=20, kernel=3, pad=1, wide=True),
])
def test_residuals(config, seed, options):
    layer = check(*convolution(config, seed, residual=100, **options))
    assert list(layer.inputs)[-1] == "residual"


def test_a_residual_costs_a_step_a_tile():
    options = dict(bias=True, requantise=Requantise(1 << 30, -9), config=FULL)
    plain, added = (ops.conv2d((1, 64, 14, 14), 64, 3, pad=1, residual=factor, **options) for factor in (0, 5))
    assert added.about.floor == plain.about.floor + 4 * 14 * 14
    assert added.about.predicted < plain.about.predicted + 1.2 * 4 * 14 * 14


@pytest.mark.parametrize("options", [dict(wide=True), dict(wide=True, residual=127)])
def test_wide_sums(options):
    """Sums of more than 25 bits, of both signs."""
    signs = np.where(np.arange(20) % 2, -1, 1)[:, None, None, None]
    data = np.full((1, 560, 3, 3), 127, np.int8) - np.arange(9, dtype=np.int8).reshape(3, 3)
    weight = np.int8(signs * np.full((20, 560, 2, 2), 125))
    case = convolution(FULL, 0, (1, 560, 3, 3), 20, 2, pad=((0, 1), (0, 0)), largest=1 << 25, data=data, weight=weight,
                       **options)
    check(*case)
    narrow = ops.conv2d((1, 560, 3, 3), 20, 2, pad=((0, 1), (0, 0)), config=FULL, requantise=Requantise(1 << 30, -19))
    with pytest.raises(OperatorError, match=r"no parameters for them; .* to 16777215, beyond that with wide=True"):
        narrow.pack(data, weight)


def test_wide_limits():
    with pytest.raises(OperatorError, match="channel 0: bias 20000000, shift -20: a wide requantisation adds biases "
                                            "from -16777216 to 15728640 to sums of 32 bits "
                                            "and does not shift to the left"):
        Requantise(1 << 30, -20).words(20_000_000, (-5_000_000, 5_000_000), wide=True)


@each_config
def test_transposed_convolutions(config, seed):
    for shape, outputs, kernel, options in (
            ((1, 20, 5, 4), 20, (3, 3), dict(stride=(2, 2), pad=((1, 0), (0, 2)), output_pad=(1, 1))),
            ((2, 20, 5, 4), 7, (1, 2), dict(stride=(2, 3))),            # outputs without a tap
            ((1, 5, 6, 6), 20, (3, 4), dict(stride=(3, 2), dilation=(2, 3)))):
        numbers = Numbers(seed)
        rule = numbers.rule(outputs, 5000 * shape[1] ** 0.5)
        arrays = numbers.bytes(shape), numbers.bytes((shape[1], outputs, *kernel)), numbers.bias(outputs)
        layer = ops.conv2d_transpose(shape, outputs, kernel, bias=True, requantise=rule, zero_point=-11, config=config,
                                     **options)
        sums = direct.conv2d_transpose(arrays[0].astype(np.int64) + 11, arrays[1], options["stride"],
                                       options.get("pad", ((0, 0), (0, 0))), options.get("output_pad", (0, 0)),
                                       options.get("dilation", (1, 1)))
        check(layer, arrays, requantised(rule, sums + arrays[2].reshape(-1, 1, 1)))


@each_config
@pytest.mark.parametrize("options", [{}, {"wide": True}])
def test_dense(config, seed, options):
    for n, c, outputs in ((1, 70, 33), (5, 20, 7)):
        numbers = Numbers(seed)
        rule = numbers.rule(outputs, 5000 * c ** 0.5, rounding="single")
        arrays = numbers.bytes((n, c)), numbers.bytes((outputs, c)), numbers.bias(outputs)
        layer = ops.dense((n, c), outputs, bias=True, requantise=rule, zero_point=9, config=config, **options)
        sums = (arrays[0].astype(np.int64) - 9) @ arrays[1].T.astype(np.int64)
        check(layer, arrays, requantised(rule, sums + arrays[2]))


PLAIN, ADD = Requantise(1 << 30, -8), QuantisedAdd((0.1, 0.2), (0, 0), 0.3)


@pytest.mark.parametrize("build, message", [
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=PLAIN, config=without("requantise")),
     "configuration 'some' has no feature requantise: use shift and clip instead"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, pad=1, requantise=PLAIN, zero_point=5, config=without("pad_value")),
     "zero_point = 5 with padding: configuration 'some' has no feature pad_value"),
    (lambda: ops.conv2d_transpose((1, 16, 8, 8), 16, 3, requantise=PLAIN, zero_point=5, config=without("pad_value")),
     "zero_point = 5: configuration 'some' has no feature pad_value"),
    (lambda: ops.add((1, 16), requantise=ADD, config=without("requantise")), "has no feature requantise"),
    (lambda: ops.global_avg_pool((1, 16, 8, 8), exact=True, config=without("requantise")), "has no feature requantise"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=Requantise([1] * 17, 0), config=FULL),
     "multipliers: 17 given, the output has 16 channels"),
    (lambda: ops.rescale((1, 16, 8, 8), Requantise(1, [0] * 3), config=FULL),
     "shifts: 3 given, the output has 16 channels"),
    (lambda: ops.rescale((1, 16, 8, 8), Requantise(1 << 30, 7), config=FULL), "shifts = 7: must be at most 6"),
    (lambda: ops.rescale((1, 16, 8, 8), None, config=FULL), "rescale needs a Requantise"),
    (lambda: ops.mean((1, 16, 8, 8), 5, config=FULL), "requantise = 5 must be a Requantise"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=PLAIN, shift=3, config=FULL),
     "shift = 3: with requantise, it says shift"),
    (lambda: ops.dense((1, 16), 16, requantise=PLAIN, clip=(0, 9), config=FULL), "with requantise, it says clip"),
    (lambda: ops.dense((1, 16), 16, zero_point=5), "zero_point = 5: inputs have a zero point only with requantise"),
    (lambda: ops.dense((1, 16), 16, wide=True), "wide = True, residual = 0: only with requantise"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=PLAIN, zero_point=128, config=FULL),
     "zero_point = 128 must be an integer from -128 to 127"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=PLAIN, residual=128, config=FULL),
     "residual = 128 must be an integer from 0 to 127"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, requantise=PLAIN, wide=1, config=FULL), "wide = 1 must be True or False"),
    (lambda: ops.add((1, 16), requantise=PLAIN, config=FULL), "must be a QuantisedAdd"),
    (lambda: ops.add((1, 16), requantise=ADD, shift=2, config=FULL), "shift = 2, rounding = False, clip"),
    (lambda: ops.add((1, 16), requantise=ADD, dtype="int32", config=FULL), "must be int8 with requantise"),
    (lambda: ops.avg_pool2d((1, 16, 8, 8), 3, pad=((3, 0), 0), stride=1, exact=True, config=FULL),
     "pads of 3 and 0 rows: a window of 3 would see nothing else"),
])
def test_refused(build, message):
    with pytest.raises(OperatorError, match=message):
        build()


def without(feature):
    return replace(FULL, features=ALL - {feature}, name="some")


def test_machines_with_some_of_the_features():
    """Depthwise convolutions by WINDOW, by diagonals, or by whole weight tiles."""
    kinds = []
    for features in (ALL, ALL - {Feature.WINDOW.key}, {Feature.REQUANTISE.key, Feature.PAD_VALUE.key}):
        config = replace(FULL, features=frozenset(features))
        layer = check(*convolution(config, 5, (1, 20, 12, 12), 20, 3, pad=1, groups=20, zero=3))
        kinds.append((layer.about.windows[0].row_taps > 0, layer.about.windows[0].diagonal))
    assert kinds == [(True, False), (False, True), (False, False)]


def test_windows_that_do_not_fit_have_another_way():
    """Without diagonals, and with a window larger than WINDOW's buffers, the plain GEMM is left."""
    config = replace(Config.load("default"), features=frozenset({"requantise", "window"}))
    layer = ops.depthwise_conv2d((1, 16, 48, 48), 48, requantise=Requantise(1 << 30, -6), config=config)
    assert not layer.about.windows[0].row_taps and not layer.about.windows[0].diagonal
    data, weight = np.full((1, 16, 48, 48), 3, np.int8), np.ones((16, 1, 48, 48), np.int8)
    with open_device("sim", config, memory_size=64 << 20) as device:
        assert np.array_equal(layer(device, data, weight), layer.reference(data, weight))
