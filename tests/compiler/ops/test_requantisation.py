"""Requantisations as users say them, against the reference kernels' definitions and the machine's arithmetic."""

import integer_rules
import numpy as np
import pytest
from requantised_layers import add_on_machine

from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.requantisation import Average, Requantise, folded_bias, sum_bounds
from vta.compiler.ops.scaling import quantised_multiplier
from vta.sim.functional.requantise import Parameters, Rounding, requantise

RNG = np.random.default_rng(7)
LIMIT = 1 << 24


def on_machine(rule, words, sums):
    """int32 (N, C) of sums (N, C)."""
    return requantise(sums, Parameters.from_words(*words, low=rule.clip[0], high=rule.clip[1]))


def check_words(rule, bias, low, high, count=20_000):
    """Words of one channel equal the rule at random sums from low to high, at both ends, and around every change of
    the output that those show."""
    words = rule.words(bias, (low, high))
    sums = np.unique(np.append(RNG.integers(low, high + 1, count), [low, high]))
    changes = np.flatnonzero(np.diff(rule.reference(sums[:, None], bias)[:, 0]))
    low_side, high_side = sums[changes], sums[changes + 1]
    while np.any(high_side - low_side > 1):
        middle = low_side + high_side >> 1
        same = rule.reference(middle[:, None], bias)[:, 0] == rule.reference(low_side[:, None], bias)[:, 0]
        low_side, high_side = np.where(same, middle, low_side), np.where(same, high_side, middle)
    sums = np.concatenate([sums, low_side, high_side])[:, None]
    assert np.array_equal(on_machine(rule, words, sums), rule.reference(sums, bias))
    return words


def test_multipliers_of_scales():
    factors = np.concatenate([np.exp2(RNG.uniform(-40, 20, 5000)), [0, 0.5, 1, 1 - 2.0 ** -40, 2.0 ** -32, 2.0 ** -33]])
    for found, wanted in zip(quantised_multiplier(factors), integer_rules.quantised_multiplier(factors), strict=True):
        assert np.array_equal(found, wanted)
    assert [int(part) for part in quantised_multiplier(1 - 2.0 ** -40)] == [1 << 30, 1], "the carry"
    assert [int(part) for part in quantised_multiplier(2.0 ** -34)] == [0, 0], "too small"


@pytest.mark.parametrize("rounding, rule", [("double", integer_rules.double_rounded),
                                            ("single", integer_rules.single_rounded)])
def test_reference_is_the_kernels(rounding, rule):
    channels = 64
    multipliers, shifts = RNG.integers(1 << 30, 1 << 31, channels), RNG.integers(-14, 1, channels)
    multipliers[::4] = 1 << 30                              # ties
    sums = RNG.integers(-LIMIT, LIMIT, (500, channels)) >> RNG.integers(0, 20, (500, channels))
    bias = RNG.integers(-1000, 1000, channels)
    requantisation = Requantise(multipliers, shifts, 5, (-100, 90), rounding)
    wanted = np.clip(rule(sums + bias, multipliers, shifts) + 5, -100, 90)
    assert np.array_equal(requantisation.reference(sums, bias), wanted)
    assert np.array_equal(requantisation.reference(sums.reshape(500, channels, 1, 1), bias)[..., 0, 0], wanted)
    words = requantisation.words(bias, (-LIMIT + 1000, LIMIT - 1001))
    held = np.clip(sums, -LIMIT + 1000, LIMIT - 1001)
    assert np.array_equal(on_machine(requantisation, words, held), requantisation.reference(held, bias))


@pytest.mark.parametrize("rounding", ["up", "even", "floor"])
def test_one_rounding(rounding):
    sums = np.arange(-5000, 5000)
    tied = {"up": np.floor(sums / 16 + 0.5), "even": np.rint(sums / 16), "floor": np.floor(sums / 16)}[rounding]
    rule = Requantise(1 << 30, -3, 1, rounding=rounding)
    assert np.array_equal(rule.reference(sums[:, None])[:, 0], np.clip(tied + 1, -128, 127))
    check_words(rule, 0, -5000, 5000)
    check_words(Requantise(1_234_567_890, -9, -7, rounding=rounding), 100, -100_000, 100_000)


def test_bias_counts_modulo_its_bits():
    """A bias of more than 25 bits that sums of raw inputs make small again."""
    check_words(Requantise(1 << 30, -12), -(1 << 27), (1 << 27) - 500_000, (1 << 27) + 500_000)


def test_channel_with_one_output():
    rule = Requantise([1 << 30, (1 << 31) - 1, 0], [-31, 0, 0], -128, (-128, 127))
    multiplier, bias, s = rule.words([0, -1 << 30, 5], ([-1000, -1000, -1000], [1000, 1000, 1000]))
    assert multiplier.tolist() == [0, 0, 0] and bias.tolist() == [0, 0, 0]
    found = on_machine(rule, (multiplier, bias, s), np.int64([[-1000] * 3, [1000] * 3]))
    assert found.tolist() == [[-128] * 3] * 2
    assert Parameters.from_words(multiplier, bias, s).zero_point.tolist() == [-128] * 3
    above = Requantise(1 << 30, 0, 0, (-3, 100))
    assert Parameters.from_words(*above.words(1 << 29, (-99, 99))).zero_point.tolist() == [100]


def test_wide_channel_of_two_outputs_is_a_threshold():
    rule = Requantise(1 << 30, -24, 3)
    words = check_words(rule, 0, 0, LIMIT + (1 << 23))
    fields = Parameters.from_words(*words)
    assert (int(fields.multiplier[0]), int(fields.shift[0]), fields.rounding[0]) == (1 << 30, 31, Rounding.FLOOR)


def test_wide_channel_moved_towards_zero():
    check_words(Requantise(1 << 30, -21), 0, -100, LIMIT + (1 << 23))
    check_words(Requantise(1_500_000_007, -19, -128, rounding="single"), 12_345, -5000, LIMIT + LIMIT // 2)


@pytest.mark.parametrize("multiplier, shift", [(1 << 30, 1), (1 << 30, 5), (1_333_333_333, 1), (2_000_000_011, 2),
                                               ((1 << 31) - 1, 4), (3 << 20, 8)])
def test_shift_to_the_left(multiplier, shift):
    check_words(Requantise(multiplier, shift, -20), 7, -500, 500)


def test_folded_bias_and_bounds():
    weights = RNG.integers(-127, 128, (3, 2, 2)) * [[[1]], [[-1]], [[0]]]
    low, high = sum_bounds(weights, -3, 5)
    inputs = np.int64(np.meshgrid(*[[-3, 5]] * 4)).reshape(4, -1)
    sums = weights.reshape(3, 4) @ inputs
    assert np.array_equal(low, sums.min(1)) and np.array_equal(high, sums.max(1))
    folded = folded_bias([10, 20, 30], weights, -3)
    assert np.array_equal(sums + folded[:, None], weights.reshape(3, 4) @ (inputs + 3) + [[10], [20], [30]])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 49, 64, 125, 256, 1000, 8192])
def test_average_of_all_sums(count):
    rule = Average(count, (-128, 100))
    sums = np.arange(-128 * count, 127 * count + 1)
    wanted = np.clip([(abs(s) + count // 2) // count * (1 if s > 0 else -1) for s in sums.tolist()], -128, 100)
    assert np.array_equal(rule.reference(sums), wanted)
    assert np.array_equal(on_machine(rule, rule.words(), sums[:, None])[:, 0], wanted)


@pytest.mark.parametrize("count", [1, 7, 49, 64, 200])
def test_mean_of_all_sums(count):
    rule = Requantise.mean(0.05, 0.031, count, 4)
    sums = np.arange(-255 * count, 255 * count + 1)
    real = np.float64(np.float32(0.05)) / np.float64(np.float32(0.031))
    wanted = np.clip(integer_rules.double_rounded(sums, *integer_rules.mean_multiplier(real, count)) + 4, -128, 127)
    assert np.array_equal(rule.reference(sums[:, None])[:, 0], wanted)
    words = rule.words(0, (sums[0], sums[-1]))
    assert np.array_equal(on_machine(rule, words, sums[:, None])[:, 0], wanted)


def test_change_of_zero_point():
    """TensorFlow Lite's QUANTIZE of one scale: its multiplier has a shift to the left."""
    rule = Requantise.from_scales(0.5, 1, 0.5, 3)
    assert (rule.multipliers, rule.shifts) == (1 << 30, 1)
    sums = np.arange(-128, 128)[:, None]
    words = rule.words(10, (-128, 127))
    assert np.array_equal(on_machine(rule, words, sums), np.clip(sums + 13, -128, 127))


def test_products_of_scales():
    """In double precision, or rounded to float32: they differ in a few multipliers."""
    scales = RNG.uniform(0.001, 0.01, 100).astype(np.float32)
    double = Requantise.from_scales(np.float32(0.0371), scales, np.float32(0.1))
    single = Requantise.from_scales(np.float32(0.0371), scales, np.float32(0.1), float32_product=True)
    out = np.float64(np.float32(0.1))
    for found, product in ((double, np.float64(np.float32(0.0371)) * scales), (single, np.float32(0.0371) * scales)):
        wanted = integer_rules.quantised_multiplier(product.astype(np.float64) / out)
        assert (list(found.multipliers), list(found.shifts)) == tuple(part.tolist() for part in wanted)
    assert double.multipliers != single.multipliers


def test_additions_of_random_scales():
    """All pairs, by the reference kernels' rule; most additions need no wide sum, some no requantised operand."""
    first, second = (np.int8(axis) for axis in np.mgrid[-128:128, -128:128])
    found = []
    for case in range(40):
        ratio = [1, 2, 0.25][case % 3] if case < 9 else np.exp2(RNG.uniform(-6, 6))
        scale = np.exp2(RNG.uniform(-6, 0))
        zeros = [-128] * 3 if case % 2 else RNG.integers(-128, 128, 3).tolist()
        add = QuantisedAdd((scale, scale * ratio), tuple(zeros[:2]), max(1, ratio) * scale * RNG.uniform(0.7, 2.5),
                           zeros[2], (-128, 120))
        low, high = (np.float64(np.float32(s)) for s in add.input_scales)
        twice, out = 2 * max(low, high), np.float64(np.float32(add.output_scale))
        total = sum(integer_rules.double_rounded((x.astype(np.int64) - zero) << 20,
                                                 *integer_rules.quantised_multiplier(s / twice))
                    for x, zero, s in ((first, zeros[0], low), (second, zeros[1], high)))
        wanted = np.clip(integer_rules.double_rounded(
            total, *integer_rules.quantised_multiplier(twice / ((1 << 20) * out))) + zeros[2], -128, 120)
        assert np.array_equal(add.reference(first, second), wanted)
        for passes in (add.passes, add.rule_passes):
            assert np.array_equal(add_on_machine(passes, add.clip, first, second), wanted), add
        found.append(add.passes)
    assert sum(not passes.wide for passes in found) >= 38
    assert any(all(isinstance(operand, int) for operand in passes.operands) for passes in found)


@pytest.mark.parametrize("arguments, message", [
    (dict(multipliers=[5, 1 << 31], shifts=0), "multipliers: 2147483648 of channel 1 must be from 0 to 2147483647"),
    (dict(multipliers=-1, shifts=0), "multipliers: -1 of channel 0 must be from 0 to 2147483647"),
    (dict(multipliers=1.5, shifts=0), "multipliers must be an integer, or one for each channel, not 1.5"),
    (dict(multipliers=1, shifts=-32), "shifts: -32 of channel 0 must be from -31 to 30"),
    (dict(multipliers=[1, 2], shifts=[0, 0, 0]), "multipliers and shifts must be of as many channels"),
    (dict(multipliers=1, shifts=0, zero_point=256), "zero_point = 256 must be an integer from -256 to 255"),
    (dict(multipliers=1, shifts=0, clip=(-129, 0)), r"clip = \(-129, 0\) must be \(lowest, highest\)"),
    (dict(multipliers=1, shifts=0, rounding="odd"), "rounding = 'odd' must be one of double, single, up, even, floor"),
])
def test_refused(arguments, message):
    with pytest.raises(OperatorError, match=message):
        Requantise(**arguments)


def test_sums_that_do_not_fit():
    with pytest.raises(OperatorError, match="channel 1: sums with their bias from -20000000 to 20000000, shift -18: no "
                                            "parameters for them; the machine requantises sums from -16777216 to"):
        Requantise(1 << 30, -18).words(0, ([0, -20_000_000], [0, 20_000_000]))
    with pytest.raises(OperatorError, match=r"channel 0: .* to 2147483648, shift 0: must not leave 32 bits"):
        Requantise(1 << 30, 0).words(1 << 30, (0, 1 << 30))


def test_refused_scales_and_counts():
    with pytest.raises(OperatorError, match="scales must be positive"):
        Requantise.from_scales(0.5, 0.1, 0.0)
    with pytest.raises(OperatorError, match="scales must be positive"):
        QuantisedAdd((0.5, 0.0), (0, 0), 0.1)
    with pytest.raises(OperatorError, match="count = 0 must be an integer from 1 to 131072"):
        Average(0)
