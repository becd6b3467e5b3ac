"""Every layer of real quantised networks: exact sums, the words that the compiler finds, the machine's arithmetic and
the bytes of the reference kernels."""

import integer_rules
import numpy as np
import pytest
from model_layers import ABSENT, FILES, FOLDER, each_network, network
from requantised_layers import (
    WEIGHTED,
    add_on_machine,
    quantised_add,
    raw_sums,
    requantised,
    signed_bytes,
)

# values compared, both runs, of layers with weights, averages, means, QUANTIZE and ADD
VALUES = {"ad01_int8": 3_344, "hello_world_int8": 66, "kws_ref_model": 144_152, "micro_speech_quantized": 8_008,
          "mobilenet_v1_0.5_160_quant": 2_575_826, "mobilenet_v2_quantized_1x3x224x224": 13_793_552,
          "pretrainedResnet_large_int8": 573_780, "pretrainedResnet_quant": 229_524, "str_ww_ref_model": 29_702,
          "vww_96_int8": 463_620}
# channels: all of them; those with one output for every sum; those with a form of their own
CHANNELS = {"ad01_int8": (1_672, 0, 0), "hello_world_int8": (33, 4, 0), "kws_ref_model": (588, 0, 0),
            "micro_speech_quantized": (12, 0, 0), "mobilenet_v1_0.5_160_quant": (6_473, 13, 0),
            "mobilenet_v2_quantized_1x3x224x224": (18_056, 2, 0), "pretrainedResnet_large_int8": (850, 31, 0),
            "pretrainedResnet_quant": (346, 0, 0), "str_ww_ref_model": (843, 0, 0), "vww_96_int8": (2_738, 985, 1)}
MOVES = ("RESHAPE", "TRANSPOSE", "PAD", "SOFTMAX", "MAX_POOL_2D")


@each_network
def test_golden_bytes_by_words_and_by_rule(path):
    compared = 0
    for run in network(path).runs:
        for layer, inputs, output in network(path).walk(run):
            if layer.op in MOVES:
                continue
            wanted = signed_bytes(layer.output, output)
            if layer.op == "ADD":
                add = quantised_add(layer)
                signed = [signed_bytes(*pair) for pair in zip(layer.inputs, inputs, strict=True)]
                found, by_rule = add_on_machine(add.passes, add.clip, *signed), add.reference(*signed)
            else:
                sums, count = raw_sums(layer, *inputs)
                form = requantised(layer, count)
                found, by_rule = form.on_machine(sums), form.by_rule(sums)
            assert np.array_equal(found.reshape(wanted.shape), wanted), layer
            assert np.array_equal(by_rule.reshape(wanted.shape), wanted), layer
            compared += wanted.size
    assert compared == VALUES[path.stem]


@each_network
def test_channels_with_one_output_and_forms_of_their_own(path):
    channels = constant = other = 0
    for layer in network(path).layers:
        if layer.op in WEIGHTED:
            form = requantised(layer)
            multiplier, _, s = form.words()
            usual = (multiplier == form.requantise.multipliers) & ((s & 31) == -np.asarray(form.requantise.shifts))
            channels, constant = channels + len(multiplier), constant + np.count_nonzero(multiplier == 0)
            other += np.count_nonzero(~usual & (multiplier != 0))
    assert (channels, constant, other) == CHANNELS[path.stem]


@pytest.mark.skipif(not FILES, reason=ABSENT)
@pytest.mark.parametrize("name", ["pretrainedResnet_quant", "pretrainedResnet_large_int8",
                                  "mobilenet_v2_quantized_1x3x224x224"])
def test_additions_of_all_pairs(name):
    """All 65,536 pairs of every ADD: one operand shifted, the other and their sum requantised; and as the rule says."""
    first, second = (np.int8(axis) for axis in np.mgrid[-128:128, -128:128])
    for layer in network(FOLDER / f"{name}.tflite").layers:
        if layer.op == "ADD":
            add = quantised_add(layer)
            wanted = np.clip(integer_rules.added(layer, first, second) + add.zero_point, *add.clip)
            assert np.array_equal(add.reference(first, second), wanted), layer
            for passes in (add.passes, add.rule_passes):
                assert np.array_equal(add_on_machine(passes, add.clip, first, second), wanted), layer
            assert not add.passes.wide and sum(isinstance(operand, int) for operand in add.passes.operands) == 1, layer
            assert add.rule_passes.wide and not any(isinstance(each, int) for each in add.rule_passes.operands), layer
