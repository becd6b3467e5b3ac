"""Products with a fixed-point factor: the roundings, TensorFlow Lite's multipliers, and the machine's words."""

import numpy as np
from amaranth.hdl import Shape

from vta.compiler.ops.checks import need
from vta.hw.requantisation import BIAS_BITS, HIGH, PARAMETER_S, Rounding

NARROW = 1 << BIAS_BITS - 1         # sums with their bias are from -NARROW to NARROW - 1
ROUNDINGS = {"double": Rounding.DOUBLE, "single": Rounding.UP, "up": Rounding.UP, "even": Rounding.EVEN,
             "floor": Rounding.FLOOR}


def quantised_multiplier(factors):
    """(multipliers, shifts), int64, of real `factors`: factor = multiplier * 2^(shift - 31), a multiplier from 2^30 to
    2^31 - 1. (0, 0) for a factor of 0 and below 2^-32, as in TensorFlow Lite."""
    factors = np.asarray(factors, np.float64)
    need(np.all((factors >= 0) & (factors < 1 << 30)), f"factors {factors} must be from 0 to 2^30")
    fraction, shift = np.frexp(factors)
    multiplier, shift = np.rint(np.floor(fraction * 2.0 ** 31 + 0.5)).astype(np.int64), shift.astype(np.int64)
    multiplier, shift = np.where(multiplier >> 31, multiplier >> 1, multiplier), shift + (multiplier >> 31)
    return np.where(shift < -31, 0, multiplier), np.where(shift < -31, 0, shift)


def scaled(x, multiplier, shift, rounding, high=HIGH):
    """x * multiplier * 2^(shift - high) as an integer, int64: the rule, not the machine's way.

    DOUBLE rounds x * multiplier / 2^high half up, then its quotient by 2^-shift half away from zero; UP, EVEN and
    FLOOR round once. Exact while |x * 2^shift| is at most 2^31 and |multiplier| below 2^31. It never falls in x if the
    multiplier is not negative.
    """
    left, right = np.maximum(shift, 0), np.maximum(-np.asarray(shift, np.int64), 0)
    product = (np.asarray(x, np.int64) << left) * multiplier
    if rounding == Rounding.DOUBLE:
        y = product + (1 << high - 1) >> high
        half = (np.int64(1) << right) >> 1
        return y + half - ((y < 0) & (right > 0)) >> right
    bits = right + high
    half = np.int64(1) << bits - 1
    match rounding:
        case Rounding.UP:
            return product + half >> bits
        case Rounding.EVEN:
            down = product >> bits
            rest = product - (down << bits)
            return down + ((rest > half) | ((rest == half) & (down & 1 == 1)))
        case Rounding.FLOOR:
            return product >> bits


def packed(multiplier, bias, *, shift=0, rounding=Rounding.DOUBLE, zero_point=0, early=False, raw=False):
    """The words M, B and S, three int32 arrays (C,), of parameters of which each is a number or an array.

    A bias counts modulo 2^25, as in the machine: only its sum with the accumulator must fit.
    """
    fields = dict(shift=shift, early=early, rounding=rounding, zero_point=zero_point, raw=raw)
    s = np.int64(0)
    for name, field in PARAMETER_S:
        values, signed = np.asarray(fields[name], np.int64), Shape.cast(field.shape).signed
        low, end = (-1 << field.width - 1, 1 << field.width - 1) if signed else (0, 1 << field.width)
        need(np.all((low <= values) & (values < end)), f"{name} = {values} must be from {low} to {end - 1}")
        s = s | (values & (1 << field.width) - 1) << field.offset
    bias = (np.asarray(bias, np.int64) + NARROW & 2 * NARROW - 1) - NARROW
    words = np.broadcast_arrays(np.atleast_1d(np.asarray(multiplier, np.int64)), bias, s)
    return tuple(word.astype(np.int32) for word in words)


def thresholds(rule, low, high):
    """The smallest integers from `low` to `high` at which `rule`, which never falls, reaches each value above
    rule(low), up to rule(high)."""
    values = np.arange(rule(low) + 1, rule(high) + 1)
    below, reached = np.full(len(values), low, np.int64), np.full(len(values), high, np.int64)
    while np.any(reached - below > 1):
        middle = below + reached >> 1
        enough = rule(middle) >= values
        below, reached = np.where(enough, below, middle), np.where(enough, middle, reached)
    return reached


def telling_points(rule, low, high):
    """Integers from `low` to `high` of this kind: another rule that never falls and equals `rule` at these equals it at
    all of them. They are both ends of every step."""
    steps = thresholds(rule, low, high)
    return np.concatenate([[low, high], steps, np.maximum(steps - 1, low)])
