"""Operators that schedule themselves. Each file: the operator, its numpy reference, and the errors that it raises.

    from vta.compiler import ops
    layer = ops.conv2d((1, 64, 56, 56), 64, 3, pad=1, bias=True, shift=8, clip=(0, 127))
    out = layer(device, data, weight, bias)          # numpy, NCHW; layer.reference(data, weight, bias) agrees

To add one, copy `dense.py` if the tensor core multiplies, `elementwise.py` if the ALU does all the work, and import it
below. All that multiply are sliding-window products: a `window.py`, and a call of `layer.py`, which does the rest.
"""

# ruff: noqa: F401, I001  (the imports are the list of operators, in the order of messages)
from inspect import isfunction

from vta.compiler.ops.conv2d import conv2d
from vta.compiler.ops.dense import dense
from vta.compiler.ops.conv2d import depthwise_conv2d, group_conv2d
from vta.compiler.ops.conv2d_transpose import conv2d_transpose
from vta.compiler.ops.max_pool2d import max_pool2d
from vta.compiler.ops.pool import avg_pool2d, global_avg_pool, mean, rescale
from vta.compiler.ops.elementwise import add, relu, clip, shift

OPERATORS = {name: value for name, value in globals().items() if isfunction(value) and value is not isfunction}

__all__ = ["OPERATORS", *OPERATORS]
