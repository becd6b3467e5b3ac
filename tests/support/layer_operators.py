"""Layers of real networks as operators: NHWC to NCHW and back, and weights that leave int8 in two parts."""

import integer_rules
import numpy as np
from requantised_layers import (
    WEIGHTED,
    channel_weights,
    quantised_add,
    requantised,
    signed_bytes,
    signed_clip,
    signed_zero_point,
)

from vta.compiler import ops

OPS = (*WEIGHTED, "AVERAGE_POOL_2D", "MEAN", "ADD", "MAX_POOL_2D", "QUANTIZE")


class LayerOperator:
    """`operator` of a layer, one of OPS, for a configuration; `arguments` of it, and its result in the layer's shape,
    both signed."""

    def __init__(self, layer, config):
        self.layer, self.constants, self.doubled = layer, [], None
        options = {"config": config}
        shape, out = (self._shape(tensor.shape) for tensor in (layer.inputs[0], layer.output))
        if layer.op in WEIGHTED:
            options |= dict(bias=True, requantise=requantised(layer).requantise,
                            zero_point=signed_zero_point(layer.inputs[0]))
            bias = np.broadcast_to(layer.bias, out[1]).astype(np.int32)
            self.constants = [self._weights(shape[1]), bias]
            shape = (shape[0], shape[1] + len(self.doubled), *shape[2:])
        pool = dict(stride=layer.stride, pad=layer.pads)
        match layer.op:
            case integer_rules.DENSE:
                self.operator = ops.dense((shape[0], shape[1]), out[1], **options)
            case integer_rules.CONV | integer_rules.DEPTHWISE:
                groups = layer.inputs[0].shape[3] if layer.op == integer_rules.DEPTHWISE else 1
                self.operator = ops.conv2d(shape, out[1], layer.kernel, groups=groups, dilation=layer.dilation,
                                           **pool, **options)
            case "AVERAGE_POOL_2D":
                self.operator = ops.avg_pool2d(shape, layer.kernel, exact=True, clip=signed_clip(layer), **pool,
                                               **options)
            case "MAX_POOL_2D":
                self.operator = ops.max_pool2d(shape, layer.kernel, **pool, **options)
            case "ADD":
                self.operator = ops.add(shape, requantise=quantised_add(layer), **options)
            case "MEAN" | "QUANTIZE":
                assert layer.op == "QUANTIZE" or layer.axes == (1, 2)
                operator = ops.mean if layer.op == "MEAN" else ops.rescale
                self.operator = operator(shape, requantised(layer, shape[2] * shape[3]).requantise,
                                         zero_point=signed_zero_point(layer.inputs[0]), **options)

    def _shape(self, shape):
        """N, C, H, W."""
        if self.layer.op == integer_rules.DENSE:
            weights = self.layer.weights.data.shape
            return (int(np.prod(shape)) // shape[-1], shape[-1]) if shape[-1] in weights else (1, int(np.prod(shape)))
        return (shape[0], shape[-1], *shape[1:-1]) if len(shape) == 4 else (shape[0], shape[-1], 1, 1)

    def _weights(self, channels):
        """int8 weights. Those that leave int8 have two parts: the second one is that of channels given twice, whose
        numbers become `doubled`."""
        weights = channel_weights(self.layer)
        if self.layer.op == integer_rules.CONV:
            weights = weights.transpose(0, 3, 1, 2)
        elif self.layer.op == integer_rules.DEPTHWISE:
            weights = weights.reshape(len(weights), 1, *self.layer.kernel)
        first = np.clip(weights, -128, 127)
        rest = weights - first
        assert np.abs(rest).max() < 128
        self.doubled = np.zeros(0, int)
        if rest.any():
            if self.layer.op == integer_rules.DEPTHWISE:
                assert len(weights) == channels
                self.doubled = np.arange(channels)
            else:
                self.doubled = np.flatnonzero(rest.any((0, *range(2, rest.ndim))))
                rest = rest[:, self.doubled]
            first = np.concatenate([first, rest], 1)
        return first.astype(np.int8)

    def arguments(self, inputs):
        """The operator's arrays, from those of the layer."""
        arrays = []
        for tensor, values in zip(self.layer.inputs, inputs, strict=True):
            array = signed_bytes(tensor, values)
            if self.layer.op == integer_rules.DENSE:
                array = array.reshape(self._shape(array.shape))
            else:
                array = array.transpose(0, 3, 1, 2)
            if self.doubled is not None and len(self.doubled):
                second = array[:, self.doubled]
                if self.layer.op == integer_rules.DEPTHWISE:        # the two parts of a channel are a group
                    array = np.stack([array, second], 2).reshape(len(array), -1, *array.shape[2:])
                else:
                    array = np.concatenate([array, second], 1)
            arrays.append(array)
        return [*arrays, *self.constants]

    def result(self, array):
        """int8 in the layer's shape."""
        return (array.transpose(0, 2, 3, 1) if array.ndim == 4 else array).reshape(self.layer.output.shape)

    def wanted(self, output):
        """int8: what the layer gave."""
        return signed_bytes(self.layer.output, output)
