"""Requantisation against the definitions of the reference kernels, written down independently in Python integers."""

import numpy as np
import pytest

from vta.hw.requantisation import PARAMETER_S, Rounding
from vta.sim.functional.requantise import Parameters, requantise

RNG = np.random.default_rng(1)
COUNT = 20_000


def parameters(rounding, /, **fields):
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


def test_zero_point_clip_and_raw():
    acc = np.array([-1000, -10, 0, 10, 1000])
    shown = parameters(Rounding.UP, multiplier=1 << 31 - 1, raw=np.False_, zero_point=-5, low=-20, high=30)
    assert requantise(acc, shown).tolist() == [-20, -10, -5, 0, 30]
    assert requantise(acc, parameters(Rounding.UP)).tolist() == [-500, -5, 0, 5, 500]


def test_bounds_in_the_wrong_order():
    acc = np.array([-100, 0, 100])
    shown = parameters(Rounding.FLOOR, multiplier=1 << 30, raw=np.False_, low=20, high=-30)
    assert requantise(acc, shown).tolist() == [-30, -30, -30]


def test_narrow_and_wide():
    acc = np.array([(1 << 24) - 1, 1 << 24, -(1 << 24) - 1, 1 << 30])
    assert requantise(acc, parameters(Rounding.FLOOR)).tolist() == [(1 << 23) - 1, -(1 << 23), (1 << 23) - 1, 0]
    assert requantise(acc, parameters(Rounding.FLOOR), wide=True).tolist() == [
        (1 << 23) - 1, 1 << 23, -(1 << 23) - 1, 1 << 29]


def test_wide_is_exact():
    """All of 32 bits, and of a 25-bit bias as far as it does not wrap with the accumulator's low 20; never early."""
    acc = RNG.integers(-1 << 31, 1 << 31, COUNT) >> RNG.integers(0, 31, COUNT)
    acc[:2] = -1 << 31, (1 << 31) - 1
    bias = RNG.integers(-1 << 24, (1 << 24) - (1 << 20), len(acc))
    multiplier, shift = RNG.integers(-1 << 31, 1 << 31, len(acc)), RNG.integers(0, 32, len(acc))
    found = requantise(acc, parameters(Rounding.FLOOR, multiplier=multiplier, bias=bias, shift=shift, early=np.True_),
                       wide=True)
    exact = [((x + b) * m >> 31) + (1 << 31) & 0xFFFFFFFF for x, b, m in
             zip(acc.tolist(), bias.tolist(), multiplier.tolist(), strict=True)]
    assert found.tolist() == [y - (1 << 31) >> r for y, r in zip(exact, shift.tolist(), strict=True)]


def test_wide_and_double():
    acc = RNG.integers(-1 << 30, 1 << 30, COUNT) >> RNG.integers(0, 30, COUNT)
    bias = RNG.integers(-1 << 24, (1 << 24) - (1 << 20), COUNT)
    multiplier, shift = RNG.integers(1 << 30, 1 << 31, COUNT), RNG.integers(0, 32, COUNT)
    found = requantise(acc, parameters(Rounding.DOUBLE, multiplier=multiplier, bias=bias, shift=shift), wide=True)
    for x, m, r, value in zip((acc + bias).tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        assert value == divide_by_power(doubling_high_product(x, m), r), (x, m, r)


def test_wide_sum_of_the_low_part_wraps():
    """2^20 - 1 and a bias of 2^24 - 1 are 2^24 + 2^20 - 2, which 25 bits have as a negative number."""
    shown = parameters(Rounding.FLOOR, bias=np.int64((1 << 24) - 1))
    assert requantise(np.array([(1 << 20) - 1]), shown, wide=True) == [(1 << 24) + (1 << 20) - 2 - (1 << 25) >> 1]


def test_early_bits():
    """The products of a residual add: (x - z) * 2^20 * multiplier / 2^31 is x's product from bit 11 on."""
    acc = RNG.integers(-255, 256, COUNT)
    multiplier, shift = RNG.integers(1 << 30, 1 << 31, COUNT), RNG.integers(0, 8, COUNT)
    found = requantise(acc, parameters(Rounding.DOUBLE, multiplier=multiplier, shift=shift, early=np.True_))
    for x, m, r, value in zip(acc.tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        assert value == divide_by_power(doubling_high_product(x << 20, m), r)


def test_words():
    """The layout of S, written out by hand; a word's unused bits do not count."""
    shown = Parameters.from_words(-5, 0x7EFFFFFF, 0b1_1_0110_0100_10_1_10011 | 1 << 18 | 1 << 31, -3, 9)
    assert shown == Parameters(multiplier=-5, bias=-(1 << 24) - 1 + (1 << 25), shift=19, rounding=Rounding.EVEN,
                               zero_point=0b1_0110_0100 - 512, early=True, raw=True, low=-3, high=9)
    assert shown.words() == (-5, (1 << 24) - 1, 0b1_1_0110_0100_10_1_10011)


def test_words_and_back():
    multiplier, bias, s = RNG.integers(-1 << 31, 1 << 31, (3, 100))
    bias, s = bias >> 7, s & (1 << PARAMETER_S.size) - 1
    for found, wanted in zip(Parameters.from_words(multiplier, bias, s).words(), (multiplier, bias, s), strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize(("name", "value", "limits"), [
    ("multiplier", 1 << 31, "-2147483648 ... 2147483647"), ("bias", -(1 << 24) - 1, "-16777216 ... 16777215"),
    ("shift", 32, "0 ... 31"), ("rounding", 4, "0 ... 3"), ("zero_point", 256, "-256 ... 255"), ("early", 2, "0 ... 1"),
    ("raw", -1, "0 ... 1")])
def test_parameters_that_do_not_fit(name, value, limits):
    with pytest.raises(ValueError, match=f"{name} {value} is not in {limits}"):
        parameters(Rounding.UP, **{name: np.array([0, value])}).words()
