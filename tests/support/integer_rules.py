"""What TensorFlow Lite's reference kernels compute, in numpy: the independent reference of everything quantised.

Written after the definitions of gemmlowp and of the kernels (LiteRT 2.3.0), not after this project's compiler or
machine. All values are int64; matrix products go through float64, which is exact below 2^53.
"""

import numpy as np

ADD_SHIFT = 20              # bits below an operand of ADD
CONV, DEPTHWISE, DENSE = "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"


def quantised_multiplier(real):
    """(multipliers, shifts) of the factors `real`: real = multiplier * 2^(shift - 31), the multiplier of 31 bits."""
    fraction, exponent = np.frexp(np.asarray(real, np.float64))
    multiplier = np.floor(fraction * (1 << 31) + 0.5).astype(np.int64)
    carry = multiplier == 1 << 31
    multiplier, exponent = np.where(carry, 1 << 30, multiplier), exponent.astype(np.int64) + carry
    small = exponent < -31
    return np.where(small, 0, multiplier), np.where(small, 0, exponent)


def high_product(x, multiplier):
    """gemmlowp's SaturatingRoundingDoublingHighMul: nudged to the nearest, then a division that truncates."""
    product = x * multiplier
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    return np.sign(nudged) * (np.abs(nudged) >> 31)


def divided_by_power(x, exponent):
    """gemmlowp's RoundingDivideByPOT: to the nearest, ties away from zero."""
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def double_rounded(x, multiplier, shift):
    """x * multiplier * 2^(shift - 31), rounded twice."""
    return divided_by_power(high_product(x << np.maximum(shift, 0), multiplier), np.maximum(-shift, 0))


def single_rounded(x, multiplier, shift):
    """x * multiplier * 2^(shift - 31), rounded once, half up."""
    return x * multiplier + (np.int64(1) << 30 - shift) >> 31 - shift


def activation_bounds(layer):
    """(lowest, highest) output of a layer with its fused activation."""
    limits, zero = np.iinfo(layer.output.dtype), int(layer.output.zero_point[0])
    low, high = limits.min, limits.max
    if layer.activation != "NONE":
        low = max(low, zero)
    if layer.activation == "RELU6":
        high = min(high, zero + int(np.floor(np.float32(6) / layer.output.scale[0] + np.float32(0.5))))
    return low, high


def scale_factors(layer):
    """The real factors from sums to outputs, (1,) or (C,): `layer` has weights, or is a MEAN or a QUANTIZE."""
    scale, out = layer.inputs[0].scale[0], np.float64(layer.output.scale[0])
    if layer.weights is None:
        return np.float64([scale]) / out
    if layer.op == DENSE or layer.output.dtype == np.uint8:
        return (scale * layer.weights.scale).astype(np.float64) / out       # the product in float32
    return np.float64(scale) * layer.weights.scale.astype(np.float64) / out


def windows(layer, x, fill):
    """{tap: inputs (N, rows, columns, C) that it meets}, padding being `fill`."""
    (top, bottom), (left, right) = layer.pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    rows, columns = layer.output.shape[1:3]
    (sy, sx), (dy, dx) = layer.stride, layer.dilation
    return {(ky, kx): x[:, ky * dy:ky * dy + sy * (rows - 1) + 1:sy, kx * dx:kx * dx + sx * (columns - 1) + 1:sx]
            for ky in range(layer.kernel[0]) for kx in range(layer.kernel[1])}


def weighted_sums(layer, x, zero_point=None):
    """The sums, bias included, of CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED; channels last.

    The zero point of the inputs is taken off; with another `zero_point` that one, and padding is what is left of the
    inputs' own."""
    own = layer.inputs[0].zero_point[0]
    zero_point = own if zero_point is None else zero_point
    x = x.astype(np.int64) - zero_point
    weights = layer.weights.data.astype(np.int64) - layer.weights.zero_point[0]
    if layer.op == DENSE:
        sums = _product(x.reshape(-1, weights.shape[1]), weights.T)
    else:
        sums = 0
        for (ky, kx), part in windows(layer, x, own - zero_point).items():
            if layer.op == DEPTHWISE:
                repeat = weights.shape[3] // part.shape[3]
                sums = sums + np.repeat(part, repeat, axis=3) * weights[0, ky, kx]
            else:
                sums = sums + _product(part, weights[:, ky, kx].T)
    return sums + layer.bias


def _product(a, b):
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def pooled(layer, x):
    """(sums of the window, taps inside of the picture) of AVERAGE_POOL_2D."""
    x = x.astype(np.int64)
    return (sum(windows(layer, x, 0).values()), sum(windows(layer, np.ones_like(x), 0).values()))


def mean_sums(layer, x):
    """The sums of MEAN over its axes, zero point taken off, and how many values each has."""
    sums = (x.astype(np.int64) - layer.inputs[0].zero_point[0]).sum(layer.axes)
    return sums.reshape(layer.output.shape), x.size // sums.size


def mean_multiplier(real, count):
    """(multiplier, shift) of a mean of `count` values with the factor `real`: the division is part of it."""
    multiplier, shift = quantised_multiplier(real)
    bits = np.minimum(min(int(count).bit_length() - 1, 32), 31 + shift)
    return (multiplier << bits) // count, shift - bits


def added(layer, a, b):
    """ADD before its zero point and clip."""
    scales = [np.float64(tensor.scale[0]) for tensor in layer.inputs]
    twice = 2 * max(scales)
    total = sum(double_rounded((x.astype(np.int64) - tensor.zero_point[0]) << ADD_SHIFT,
                               *quantised_multiplier(scale / twice))
                for x, tensor, scale in zip((a, b), layer.inputs, scales, strict=True))
    return double_rounded(total, *quantised_multiplier(twice / ((1 << ADD_SHIFT) * np.float64(layer.output.scale[0]))))


def outputs(layer, *inputs):
    """What the layer makes of its inputs, in its own type and shape."""
    zero, (low, high) = layer.output.zero_point[0], activation_bounds(layer)
    match layer.op:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            values = double_rounded(weighted_sums(layer, *inputs), *quantised_multiplier(scale_factors(layer))) + zero
        case "FULLY_CONNECTED":
            values = single_rounded(weighted_sums(layer, *inputs), *quantised_multiplier(scale_factors(layer))) + zero
        case "ADD":
            values = added(layer, *inputs) + zero
        case "AVERAGE_POOL_2D":
            sums, count = pooled(layer, *inputs)
            values = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
        case "MAX_POOL_2D":
            parts = windows(layer, inputs[0].astype(np.int64), np.iinfo(np.int64).min)
            values = np.maximum.reduce(list(parts.values()))
        case "MEAN":
            sums, count = mean_sums(layer, *inputs)
            values = double_rounded(sums, *mean_multiplier(scale_factors(layer), count)) + zero
        case "QUANTIZE":
            values = inputs[0].astype(np.int64) - layer.inputs[0].zero_point[0]
            values = double_rounded(values, *quantised_multiplier(scale_factors(layer))) + zero
        case "RESHAPE":
            values = inputs[0]
        case "TRANSPOSE":
            values = inputs[0].transpose(layer.axes)
        case "PAD":
            values = np.pad(inputs[0], layer.paddings, constant_values=zero)
        case _:
            raise NotImplementedError(f"{layer} has no rule")
    return np.clip(values, low, high).reshape(layer.output.shape).astype(layer.output.dtype)
