"""The rules of tests/support/integer_rules.py give every byte that the reference kernels stored; the reader finds the
layers that the folder's own list has."""

import csv
from dataclasses import replace

import integer_rules
import numpy as np
import pytest
from model_layers import ABSENT, FILES, FOLDER, Layer, Tensor, each_network, network

# values of all operators but SOFTMAX, both runs
VALUES = {"ad01_int8": 3_344, "hello_world_int8": 66, "kws_ref_model": 144_280, "micro_speech_quantized": 11_928,
          "mobilenet_v1_0.5_160_quant": 2_577_828, "mobilenet_v2_quantized_1x3x224x224": 22_842_792,
          "pretrainedResnet_large_int8": 574_100, "pretrainedResnet_quant": 229_652, "str_ww_ref_model": 29_766,
          "vww_96_int8": 464_132}


@each_network
def test_rules_give_the_golden_bytes(path):
    compared = 0
    for run in network(path).runs:
        for layer, inputs, output in network(path).walk(run):
            found = integer_rules.outputs(layer, *inputs)
            assert found.dtype == output.dtype and np.array_equal(found, output), layer
            compared += output.size
    assert compared == VALUES[path.stem]


@pytest.mark.skipif(not FILES, reason=ABSENT)
def test_layers_are_those_of_the_list():
    with open(FOLDER / "layers.tsv", encoding="utf-8") as file:
        listed = {(row["model"], int(row["op_index"])): row for row in csv.DictReader(file, delimiter="\t")}
    layers = [layer for path in FILES for layer in network(path).layers]
    assert [(layer.network, layer.index) for layer in layers if (layer.network, layer.index) not in listed] == []
    assert len(layers) == len(listed)
    for layer in layers:
        row = listed[layer.network, layer.index]
        assert layer.op == row["op"] and "x".join(map(str, layer.output.shape)) == row["output"], layer
        if row["kernel"]:
            assert ["x".join(map(str, pair)) for pair in (layer.kernel, layer.stride)] == [
                row["kernel"], row["stride"]], layer
            assert ",".join(str(n) for pair in layer.pads for n in pair) == (
                row["pads_top_bottom_left_right"] or "0,0,0,0"), layer
        assert layer.activation == (row["activation"] or "NONE"), layer


def test_pools_whose_windows_leave_the_picture():
    """No network of the folder has them: a padded tap counts neither as a value nor in the divisor."""
    picture = np.int8([[[[1], [-2], [3]], [[4], [-5], [-7]]]])
    one = np.ones(1, np.float32), np.zeros(1, np.int64), None
    before, after = (Tensor((1, *size, 1), np.dtype(np.int8), *one) for size in ((2, 3), (1, 2)))
    pool = Layer("made", 0, "AVERAGE_POOL_2D", (before,), after, kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 1)))
    assert integer_rules.outputs(pool, picture).reshape(-1).tolist() == [-1, -2], "-2 / 4 and -4 / 2, halves away"
    pool = replace(pool, op="MAX_POOL_2D", pads=((0, 0), (0, 1)))
    assert integer_rules.outputs(pool, -picture).reshape(-1).tolist() == [5, 7]
    assert integer_rules.outputs(pool, picture - np.int8(100)).reshape(-1).tolist() == [-96, -97]
