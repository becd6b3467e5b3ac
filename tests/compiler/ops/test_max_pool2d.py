"""Max pooling: every small window, and the guarantees of the in-place reduction."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from vta.compiler import ops
from vta.compiler.ops.max_pool_layout import Axis
from vta.compiler.timing import clashes
from vta.hw.columns import Columns
from vta.hw.config import PRESETS
from vta.runtime.device import open_device

KERNELS = range(1, 6)


def agree(device, layer):
    shape, _ = layer.inputs["data"]
    data = np.random.default_rng(3).integers(-128, 128, shape).astype(np.int8)
    assert (layer(device, data) == layer.reference(data)).all()


@pytest.mark.parametrize(("kernel", "stride"), [*itertools.product(KERNELS, range(1, 5))])
def test_every_window(kernel, stride):
    """Each padding of both axes, with another window across; the image's last inputs are seen or left over."""
    with open_device("sim", "tiny") as device:
        for pad, across in itertools.product(range(kernel), (1, 3)):
            long, wide = 9 + (pad + stride) % 3, 11 - kernel % 2
            agree(device, ops.max_pool2d((1, 3, long, wide), (kernel, across), stride=(stride, 2),
                                         pad=(pad, across // 2), config="tiny"))
            agree(device, ops.max_pool2d((1, 3, wide, long), (across, kernel), stride=(1, stride),
                                         pad=(across // 2, pad), config="tiny"))


@pytest.mark.parametrize(("kernel", "stride", "pad", "tap"), [
    (1, 1, 0, 0), (2, 2, 0, 0), (3, 2, 1, 1), (3, 2, 0, 0), (3, 3, 0, 0), (2, 1, 0, 0),
    (3, 1, 1, None), (5, 2, 2, None), (4, 2, 1, 1)])
def test_in_place_tap(kernel, stride, pad, tap):
    axis = Axis(40, (40 + 2 * pad - kernel) // stride + 1, kernel, stride, pad)
    assert axis.in_place_tap == tap


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (40, 3)])
def test_in_place_tap_is_in_the_image(size):
    for kernel, stride, pad in itertools.product(KERNELS, KERNELS, KERNELS):
        for length in size:
            outputs = (length + 2 * pad - kernel) // stride + 1
            axis = Axis(length, outputs, kernel, stride, pad)
            if pad < kernel and outputs > 0 and axis.in_place_tap is not None:
                assert all(0 <= n * stride - pad + axis.in_place_tap < length for n in range(outputs))


def test_cost_of_a_window_in_place():
    """A tensor-tensor step for each other row of the window and its columns' outputs; hardly one waits for a bank."""
    layer = ops.max_pool2d((1, 64, 28, 28), 3, stride=2, pad=1)
    code = layer.program.code
    steps = 4 * sum((13 + 14) * columns for columns in (28, 14))     # the first output has no tap in the padding
    with open_device("sim", "default") as device:
        _, result = layer.run(device, np.zeros((1, 64, 28, 28), np.int8))
    assert steps <= result.counters["alu_steps"] <= 1.05 * steps            # more where tiles overlap
    columns = Columns(code.insns, code.config)
    assert clashes(columns, lambda first, count: code.uops[first:first + count]).sum() < steps / 20


def test_one_long_row_is_split_into_few_tiles():
    """Every halving of the width is tried: tiles of one output would take four times as long."""
    layer = ops.max_pool2d((1, 16, 1, 5000), (1, 2))
    assert layer.about.predicted < 2.7 * 5000


def test_wide_bus_loads_accumulators_directly():
    wide = replace(PRESETS["default"], axi_data_width=256)
    tilings = [ops.max_pool2d((1, 16, 56, 56), 2, config=config).about.tilings[0][-1]
               for config in (PRESETS["default"], wide)]
    assert tilings == [True, False]
