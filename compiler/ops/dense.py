"""Fully connected layer: every output sees every input."""

import numpy as np

from vta.compiler.layout import pack_activations, pack_weights, unpack_activations
from vta.compiler.ops.checks import Clip, Shape, check_int, check_shape
from vta.compiler.ops.layer import Form, window_operator
from vta.compiler.ops.operator import Operator
from vta.compiler.ops.requantisation import Requantise
from vta.compiler.ops.rescale import Rescale
from vta.compiler.ops.window import Tiling, Window
from vta.hw.config import Config


def dense(shape: Shape, outputs: int, *, bias: bool = False, shift: int = 0, rounding: bool = False,
          clip: Clip = (-128, 127), requantise: Requantise | None = None, zero_point: int = 0, wide: bool = False,
          config: Config | str = "default", tiling: Tiling | None = None) -> Operator:
    """int8 product of (N, C) data with (outputs, C) weights: (N, outputs).

    Called with int8 data, weights and, with `bias`, int32 (outputs,). shift, rounding, clip: as in `Post`. requantise,
    zero_point, wide: as in `conv2d`. The rows of the batch lie in DRAM as the columns of an image one pixel high: one
    load of weights serves all of them.
    """
    config = Config.load(config)
    post = Rescale.of(requantise, bias, zero_point, wide, shift=shift, rounding=rounding, clip=clip)
    n, c = check_shape(shape, "N, C")
    rows, ins = -(-n // config.batch), -(-c // config.block)
    outs = -(-check_int(outputs, "outputs") // config.block)
    window = Window(1, 1, ins, outs, (1, rows), (1, rows), (1, 1))

    def pack_data(array):
        tiles = np.moveaxis(pack_activations(array, config, pad=True), 0, 1)      # channels, then the batch
        return np.ascontiguousarray(tiles)[None, :, None]

    def pack_weight(array):
        return pack_weights(np.reshape(array, (outputs, c, 1, 1)), config, pad=True)

    def unpack(packed):
        return unpack_activations(np.moveaxis(packed[0, :, 0], 0, 1), config, outputs, n)

    def sums(data, weight):
        exact = data.astype(np.float64) @ weight.T.astype(np.float64)
        return exact.astype(np.int64).astype(np.int32)

    form = Form([window], {"data": (1, ins, 1, rows), "weight": (outs, ins, 1, 1), "out": (1, outs, 1, rows)},
                {"data": (shape, pack_data), "weight": ((outputs, c), pack_weight)})
    return window_operator("dense", config, [form], post, unpack, sums, outputs=outputs, tiling=tiling)
