"""Layers of real networks as the machine has them: signed bytes, sums of raw inputs, and their requantisation."""

from dataclasses import dataclass

import integer_rules
import numpy as np

from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.requantisation import Average, Requantise, folded_bias, sum_bounds
from vta.sim.functional.requantise import Parameters, requantise

WEIGHTED = (integer_rules.CONV, integer_rules.DEPTHWISE, integer_rules.DENSE)


def signed_offset(tensor):
    """What is taken off the values of a tensor to have int8: 128 from uint8."""
    return 128 if tensor.dtype == np.uint8 else 0


def signed_bytes(tensor, values):
    """Values of a tensor as int8."""
    return (values.astype(np.int16) - signed_offset(tensor)).astype(np.int8)


def channel_weights(layer):
    """int64 (C, ...): the weights of each output channel, without their zero point."""
    weights = layer.weights.data.astype(np.int64) - layer.weights.zero_point[0]
    return weights.reshape(-1, weights.shape[3]).T if layer.op == integer_rules.DEPTHWISE else weights


def signed_zero_point(tensor):
    return int(tensor.zero_point[0]) - signed_offset(tensor)


def signed_clip(layer):
    low, high = integer_rules.activation_bounds(layer)
    return low - signed_offset(layer.output), high - signed_offset(layer.output)


@dataclass(frozen=True)
class Requantised:
    """The requantisation of a layer, with the bias and the bounds of the sums that are to be requantised."""

    requantise: Requantise | Average
    bias: np.ndarray | int
    bounds: tuple

    def words(self):
        return self.requantise.words(*() if isinstance(self.requantise, Average) else (self.bias, self.bounds))

    def on_machine(self, sums):
        """int8 of sums (..., C), by the functional simulator's arithmetic."""
        low, high = self.requantise.clip
        return requantise(sums, Parameters.from_words(*self.words(), low=low, high=high)).astype(np.int8)

    def by_rule(self, sums):
        """int8 of sums (..., C), by the rule."""
        if isinstance(self.requantise, Average):
            return self.requantise.reference(sums)
        first = self.requantise.reference(sums.reshape(-1, sums.shape[-1]), self.bias)
        return first.reshape(sums.shape)


def requantised(layer, count=0):
    """The Requantised of a layer with weights, a QUANTIZE, a MEAN or an average of `count` values."""
    if layer.op == "AVERAGE_POOL_2D":
        return Requantised(Average(count, signed_clip(layer)), 0, (-128 * count, 127 * count))
    scale, zero_point = layer.inputs[0].scale[0], signed_zero_point(layer.inputs[0])
    options = dict(zero_point=signed_zero_point(layer.output), clip=signed_clip(layer))
    if layer.op == "MEAN":
        rule = Requantise.mean(scale, layer.output.scale[0], count, **options)
        return Requantised(rule, -count * zero_point, (-128 * count, 127 * count))
    if layer.op == "QUANTIZE":
        return Requantised(Requantise.from_scales(scale, 1, layer.output.scale[0], **options), -zero_point, (-128, 127))
    weights, dense = channel_weights(layer), layer.op == integer_rules.DENSE
    rule = Requantise.from_scales(scale, layer.weights.scale, layer.output.scale[0], **options,
                                  float32_product=dense or layer.output.dtype == np.uint8,
                                  rounding="single" if dense else "double")
    return Requantised(rule, folded_bias(layer.bias, weights, zero_point), sum_bounds(weights))


def raw_sums(layer, x):
    """int64 (..., C): what the accumulators of the machine are, bias and zero points still missing; and how many
    values each is the sum of where that counts."""
    offset = signed_offset(layer.inputs[0])
    if layer.op in WEIGHTED:
        return integer_rules.weighted_sums(layer, x, offset) - layer.bias, 0
    x = x.astype(np.int64) - offset
    if layer.op == "AVERAGE_POOL_2D":
        sums, taps = integer_rules.pooled(layer, x)
        return sums, int(taps.max())
    if layer.op == "MEAN":
        sums = x.sum(layer.axes)
        return sums, x.size // sums.size
    return x, 0


def quantised_add(layer):
    """The QuantisedAdd of an ADD of int8 tensors."""
    return QuantisedAdd(tuple(float(tensor.scale[0]) for tensor in layer.inputs),
                        tuple(signed_zero_point(tensor) for tensor in layer.inputs), float(layer.output.scale[0]),
                        signed_zero_point(layer.output), signed_clip(layer))


def add_on_machine(passes, clip, first, second):
    """int8: AddPasses carried out with the functional simulator's arithmetic on two int8 arrays."""
    total = 0
    for x, operand in zip((first, second), passes.operands, strict=True):
        x = x.astype(np.int64)
        total = total + (x << operand if isinstance(operand, int)
                         else requantise(x[..., None], Parameters.from_words(*operand))[..., 0].astype(np.int64))
    low, high = clip
    last = Parameters.from_words(*passes.last, low=low, high=high)
    return requantise(total[..., None], last, wide=passes.wide)[..., 0].astype(np.int8)
