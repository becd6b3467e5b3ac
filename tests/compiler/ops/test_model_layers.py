"""Layers of real quantised networks, each alone: the operator's bytes are those of the reference kernels."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from layer_operators import OPS, LayerOperator
from model_layers import ABSENT, FILES, FOLDER, LARGE, each_network, network

from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.runtime.device import open_device

FULL = replace(PRESETS["default"], features=frozenset(FEATURES))
LAYERS = {"ad01_int8": 10, "hello_world_int8": 3, "kws_ref_model": 11, "micro_speech_quantized": 2,
          "mobilenet_v1_0.5_160_quant": 29, "mobilenet_v2_quantized_1x3x224x224": 64, "pretrainedResnet_large_int8": 14,
          "pretrainedResnet_quant": 14, "str_ww_ref_model": 9, "vww_96_int8": 29}
SMALL = [path for path in FILES if path.stat().st_size <= LARGE]
# layers that show each operator, and each way of a depthwise convolution, on the RTL
TELLING = {"kws_ref_model": (0, 1, 9, 11), "pretrainedResnet_quant": (0, 3, 4, 7), "str_ww_ref_model": (4,),
           "micro_speech_quantized": (1,), "vww_96_int8": (25, 27)}


def equal_layers(path, device, wanted=None):
    """How many layers of a network (`wanted`: their numbers), run one after another on `device`, give the stored
    bytes; all of them must."""
    counted = Counter()
    for layer, inputs, output in network(path).walk(0):
        if layer.op in OPS and (wanted is None or layer.index in wanted):
            case = LayerOperator(layer, FULL)
            found = case.result(case.operator(device, *case.arguments(inputs)))
            np.testing.assert_array_equal(found, case.wanted(output), err_msg=str(layer))
            counted[layer.op] += 1
    return counted


@each_network
def test_layers(path):
    with open_device("sim", FULL) as device:
        assert equal_layers(path, device).total() == LAYERS[path.stem]


@pytest.mark.rtl
@pytest.mark.skipif(not FILES, reason=ABSENT)
def test_layers_on_the_rtl():
    counted = Counter()
    with open_device("tsim", FULL, latency=16) as device:
        for name, numbers in TELLING.items():
            counted += equal_layers(FOLDER / f"{name}.tflite", device, numbers)
    assert counted == {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 1, "AVERAGE_POOL_2D": 2, "ADD": 2}


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("path", SMALL or [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT))],
                         ids=lambda path: path and path.stem)
def test_small_networks_on_the_rtl(path):
    with open_device("tsim", FULL, latency=16) as device:
        assert equal_layers(path, device).total() == LAYERS[path.stem]
