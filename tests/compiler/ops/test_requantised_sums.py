"""Averages, means, changes of scale and additions: against the rules of the reference kernels (`integer_rules.py`)."""

import direct_windows as direct
import integer_rules
import numpy as np
import pytest
from requantised_cases import FULL, Numbers, check, each_config

from vta.compiler import ops
from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.requantisation import Requantise


@each_config
@pytest.mark.parametrize("shape, kernel, stride, pads", [
    ((1, 20, 7, 8), (3, 3), (1, 1), ((1, 1), (1, 1))),
    ((2, 20, 7, 8), (3, 2), (2, 2), ((0, 1), (1, 0))),
    ((1, 20, 9, 10), (5, 4), (2, 3), ((2, 4), (3, 2))),
    ((1, 20, 8, 8), (8, 8), (1, 1), ((0, 0), (0, 0))),
])
def test_exact_averages(config, seed, shape, kernel, stride, pads):
    data = Numbers(seed).bytes(shape)
    sums, counts = (direct.pool_sums(array, kernel, stride, pads) for array in (data, np.ones_like(data)))
    wanted = np.clip([int((abs(s) + c // 2) // c) * (1 if s > 0 else -1) for s, c in zip(sums.flat, counts.flat,
                                                                                       strict=True)], -40, 50)
    layer = ops.avg_pool2d(shape, kernel, stride=stride, pad=pads, exact=True, clip=(-40, 50), config=config)
    check(layer, [data], wanted.reshape(sums.shape).astype(np.int8))


@pytest.mark.parametrize("size", [(7, 7), (56, 56), (1, 3000)])
def test_averages_and_means_of_whole_channels(size):
    """In pieces, where windows are large. Channels have different means."""
    numbers, shape, count = Numbers(3), (1, 40, *size), size[0] * size[1]
    data = (numbers.bytes(shape) // 4 + np.linspace(-90, 90, 40)[:, None, None]).astype(np.int8)
    sums = data.sum((2, 3), dtype=np.int64, keepdims=True)
    check(ops.global_avg_pool(shape, exact=True, config=FULL), [data],
          np.int8(np.sign(sums) * ((np.abs(sums) + count // 2) // count)))
    rule = Requantise.mean(0.05, 0.041, count, 3)
    factors = integer_rules.mean_multiplier(np.float64(np.float32(0.05)) / np.float64(np.float32(0.041)), count)
    wanted = np.clip(integer_rules.double_rounded(sums + 20 * count, *factors) + 3, -128, 127).astype(np.int8)
    check(ops.mean(shape, rule, zero_point=-20, config=FULL), [data], wanted)


@each_config
@pytest.mark.parametrize("factors", [0.6, 1.0, 1.7, (0.3, 5.0)])
def test_changes_of_scale(config, seed, factors):
    """For all channels, and for each: with and without shifts to the left."""
    data, channels = Numbers(seed).bytes((2, 20, 4, 5)), 20
    real = np.linspace(*factors, channels).astype(np.float32) if isinstance(factors, tuple) else np.float32(factors)
    rule = Requantise.from_scales(0.5, real, 0.5, 4, clip=(-100, 127))
    multipliers, shifts = (np.reshape(part, (-1, 1, 1)) for part in integer_rules.quantised_multiplier(
        np.float64(np.float32(0.5)) * real / np.float64(np.float32(0.5))))
    wanted = integer_rules.double_rounded(data.astype(np.int64) + 30, multipliers, shifts) + 4
    check(ops.rescale(data.shape, rule, zero_point=-30, config=config), [data],
          np.clip(wanted, -100, 127).astype(np.int8))


def additions():
    """QuantisedAdds: by four, three and two products, by passes, and as the rule says."""
    found = [QuantisedAdd((0.0521, 0.0233), (3, -5), 0.0632, 7, (-128, 120)),
             QuantisedAdd((0.0233, 0.0521), (-128, -128), 0.0632, -128), QuantisedAdd((0.05, 0.2), (3, -5), 0.21, -7)]
    passes, rule = (QuantisedAdd((0.0521, 0.0233), (3, -5), 0.0632, 7, (-128, 120)) for _ in range(2))
    for each in (passes, rule):
        each.__dict__["products"] = None                # as if there were none
    rule.__dict__["passes"] = rule.rule_passes
    return [*found, passes, rule]


def test_ways_of_additions():
    ways = additions()
    assert [sum(bool(part) for pair in add.products.parts for part in pair) for add in ways[:3]] == [4, 3, 2]
    assert [add.passes.wide for add in ways[3:]] == [False, True]


def test_an_addition_takes_little_more_than_its_loads():
    """Two tiles are four beats."""
    layer = ops.add((1, 64, 56, 56), requantise=additions()[1], config=FULL)
    assert layer.about.predicted < 1.12 * 4 * 4 * 56 * 56


@each_config
def test_additions(config, seed):
    """All pairs of bytes; elsewhere a few."""
    pairs = [axis.reshape(2, 32, 32, 32).astype(np.int8) for axis in np.mgrid[-128:128, -128:128]]
    if config is not FULL:
        pairs = [Numbers(seed).rng.permuted(axis.reshape(-1))[:2 * 20 * 63].reshape(2, 20, 7, 9) for axis in pairs]
    for add in additions():
        layer = ops.add(pairs[0].shape, requantise=add, config=config)
        scales = [np.float64(np.float32(scale)) for scale in add.input_scales]
        total = sum(integer_rules.double_rounded((x.astype(np.int64) - zero) << 20, *integer_rules.quantised_multiplier(
            scale / (2 * max(scales)))) for x, zero, scale in zip(pairs, add.input_zero_points, scales, strict=True))
        total = integer_rules.double_rounded(total, *integer_rules.quantised_multiplier(
            2 * max(scales) / ((1 << 20) * np.float64(np.float32(add.output_scale)))))
        check(layer, pairs, np.clip(total + add.zero_point, *add.clip).astype(np.int8))
