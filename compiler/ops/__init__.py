"""Operators that schedule themselves. Each file: the operator, its numpy reference, what it refuses.

    from vta.compiler import ops
    layer = ops.conv2d((1, 64, 56, 56), 64, 3, pad=1, bias=True, shift=8, clip=(0, 127))
    out = layer(device, data, weight, bias)          # numpy, NCHW; layer.reference(data, weight, bias) agrees

`window.py`, `search.py` and `emitter.py` serve all that multiply: one sliding-window product, its tilings,
its instructions. `elementwise.py` and `max_pool2d.py` are the ALU's. To add an operator, read `pool.py`.
"""

from vta.compiler.ops.conv2d import conv2d, depthwise_conv2d, group_conv2d
from vta.compiler.ops.conv2d_transpose import conv2d_transpose
from vta.compiler.ops.dense import dense
from vta.compiler.ops.elementwise import add, clip, relu, shift
from vta.compiler.ops.max_pool2d import max_pool2d
from vta.compiler.ops.pool import avg_pool2d, global_avg_pool

OPERATORS = {function.__name__: function for function in (
    conv2d, dense, depthwise_conv2d, group_conv2d, conv2d_transpose, max_pool2d, avg_pool2d, global_avg_pool,
    add, relu, clip, shift)}

__all__ = ["OPERATORS", *OPERATORS]
