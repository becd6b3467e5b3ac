"""Requantisation against the definitions of the reference kernels, written down independently in Python integers."""

import numpy as np
import pytest

from vta.sim.functional.requantise import Parameters, Rounding, requantise, significant

RNG = np.random.default_rng(1)
COUNT = 20_000


def parameters(rounding, **fields):
    zero = np.int64(0)
    return Parameters(**{"multiplier": 1 << 30, "bias": zero, "shift": zero, "rounding": np.int64(rounding),
                         "zero_point": zero, "early": np.False_, "raw": np.True_} | fields)


def accumulators():
    """Random numbers of all magnitudes, and the edges."""
    values = RNG.integers(-1 << 24, 1 << 24, COUNT) >> RNG.integers(0, 24, COUNT)
    return np.concatenate([values, [0, 1, -1, (1 << 24) - 1, -1 << 24]])


def doubling_high_product(x, multiplier):
    """gemmlowp: the high half of 2 * x * multiplier, rounded to nearest: a nudge, then a division that truncates."""
    nudged = x * multiplier + (1 << 30 if x * multiplier >= 0 else 1 - (1 << 30))
    return abs(nudged) // (1 << 31) * (1 if nudged >= 0 else -1)


def divide_by_power(x, exponent):
    """gemmlowp: x / 2^exponent, rounded to nearest, ties away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def test_double_is_gemmlowp():
    acc = accumulators()
    multiplier = RNG.integers(1 << 30, 1 << 31, len(acc))
    shift = RNG.integers(0, 32, len(acc))
    found = requantise(acc, parameters(Rounding.DOUBLE, multiplier=multiplier, shift=shift))
    for x, m, r, value in zip(acc.tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        assert value == divide_by_power(doubling_high_product(x, m), r), (x, m, r)


@pytest.mark.parametrize("rounding", [Rounding.UP, Rounding.EVEN, Rounding.FLOOR])
def test_single_roundings(rounding):
    acc = accumulators()
    multiplier = RNG.integers(0, 1 << 31, len(acc))
    multiplier[::3] &= -1 << 27                          # products with ties
    shift = RNG.integers(0, 32, len(acc))
    shift[::2] = RNG.integers(0, 4, len(shift[::2]))
    found = requantise(acc, parameters(rounding, multiplier=multiplier, shift=shift))
    ties = 0
    for x, m, r, value in zip(acc.tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        down, rest = divmod(x * m, 1 << 31 + r)
        tie = 2 * rest == 1 << 31 + r
        ties += tie
        up = {Rounding.FLOOR: False, Rounding.UP: 2 * rest >= 1 << 31 + r,
              Rounding.EVEN: 2 * rest > 1 << 31 + r or (tie and down % 2 == 1)}[rounding]
        assert value == down + up, (x, m, r)
    assert ties > 100


def test_float_is_a_float32_product():
    """onnxruntime: the accumulator times a float32 scale in float32, then to the nearest integer, ties to even."""
    acc = RNG.integers(-1 << 24, 1 << 24, 200_000) >> RNG.integers(0, 20, 200_000)
    scale = np.exp2(RNG.uniform(-20, 0, len(acc))).astype(np.float32)
    scale[::2] = (RNG.integers(1, 255, len(scale[::2])) * np.float32(2.0) ** -RNG.integers(8, 16, len(scale[::2])))
    scale = np.minimum(scale, np.float32(0.999))
    fraction, exponent = np.frexp(scale)
    multiplier = (fraction.astype(np.float64) * (1 << 31)).astype(np.int64)
    found = requantise(acc, parameters(Rounding.FLOAT, multiplier=multiplier, shift=-exponent.astype(np.int64)))
    wanted = np.rint(acc.astype(np.float32) * scale)
    assert np.array_equal(found, wanted.astype(np.int64))
    exact = requantise(acc, parameters(Rounding.EVEN, multiplier=multiplier, shift=-exponent.astype(np.int64)))
    assert 0 < np.count_nonzero(exact != found) < len(acc) // 100, "the float's own rounding shows"


def test_significant():
    values = np.array([0, 1, (1 << 24) - 1, (1 << 24) + 1, (1 << 25) + 2, (1 << 25) + 6, (1 << 61) - 1, 1 << 61])
    wanted = [int(np.float32(value)) for value in values.tolist()]
    assert significant(values).tolist() == wanted and significant(-values).tolist() == [-value for value in wanted]


def test_zero_point_clip_and_raw():
    acc = np.array([-1000, -10, 0, 10, 1000])
    shown = parameters(Rounding.UP, multiplier=1 << 31 - 1, raw=np.False_, zero_point=-5, low=-20, high=30)
    assert requantise(acc, shown).tolist() == [-20, -10, -5, 0, 30]
    assert requantise(acc, parameters(Rounding.UP)).tolist() == [-500, -5, 0, 5, 500]


def test_narrow_and_wide():
    acc = np.array([(1 << 24) - 1, 1 << 24, -(1 << 24) - 1, 1 << 30])
    assert requantise(acc, parameters(Rounding.FLOOR)).tolist() == [(1 << 23) - 1, -(1 << 23), (1 << 23) - 1, 0]
    assert requantise(acc, parameters(Rounding.FLOOR), wide=True).tolist() == [
        (1 << 23) - 1, 1 << 23, -(1 << 23) - 1, 1 << 29]


def test_early_bits():
    """The products of a residual add: (x - z) * 2^20 * multiplier / 2^31 is x's product from bit 11 on."""
    acc = RNG.integers(-255, 256, COUNT)
    multiplier, shift = RNG.integers(1 << 30, 1 << 31, COUNT), RNG.integers(0, 8, COUNT)
    found = requantise(acc, parameters(Rounding.DOUBLE, multiplier=multiplier, shift=shift, early=np.True_))
    for x, m, r, value in zip(acc.tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        assert value == divide_by_power(doubling_high_product(x << 20, m), r)
