"""Requantisation in numpy: what PAR, REQ and a GEMM's last step do to accumulators (docs/isa.md).

    x = acc + bias                              25 bits, wrapping
    y = floor(x * multiplier / 2^k)             k = 31, or 11 if `early`; 32 bits, wrapping
    q = y / 2^shift, rounded                    the bits of the product below y count as well
    result = clip(q + zero_point, low, high)    or q itself if `raw`

A wide x has two parts: the low 20 bits of acc, + bias, 25 bits, wrapping; and 2^20 times the upper 12 bits. Its k is
31. DOUBLE rounds y half up, and q half away from zero from that, as TFLite's reference kernels do.
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Shape

from vta.hw.requantisation import BIAS_BITS, EARLY, HALF_BITS, HIGH, PARAMETER_S, Rounding


@dataclass(frozen=True)
class Parameters:
    """One number, or one for each lane, of everything that a requantisation depends on; `low` and `high` are bounds
    of all lanes, and a `low` above `high` does not count."""

    multiplier: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    rounding: np.ndarray
    zero_point: np.ndarray
    early: np.ndarray
    raw: np.ndarray
    low: int = -128
    high: int = 127

    @classmethod
    def from_words(cls, multiplier, bias, s, low=-128, high=127):
        """The parameters that words M, B and S (numbers or arrays, of 32 bits) mean, whatever they contain."""
        multiplier, bias, s = (np.asarray(words, np.int64) for words in (multiplier, bias, s))
        fields = {}
        for name, field in PARAMETER_S:
            value, shape = s >> field.offset & (1 << field.width) - 1, Shape.cast(field.shape)
            fields[name] = wrapped(value, field.width) if shape.signed else value
        fields |= {name: fields[name] == 1 for name in ("early", "raw")}
        return cls(wrapped(multiplier, 32), wrapped(bias, BIAS_BITS), **fields, low=low, high=high)

    def words(self):
        """The words M, B and S, int32; ValueError, naming value and limits, for a parameter that does not fit."""
        s = np.int64(0)
        for name, field in PARAMETER_S:
            value = np.asarray(getattr(self, name), np.int64)
            _check(name, value, field.width, Shape.cast(field.shape).signed)
            s = s | (value & (1 << field.width) - 1) << field.offset
        _check("multiplier", self.multiplier, 32)
        _check("bias", self.bias, BIAS_BITS)
        return tuple(np.asarray(words, np.int32) for words in (self.multiplier, self.bias, s))


def _check(name, values, bits, is_signed=True):
    low, high = (-1 << bits - 1, (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    for value in np.ravel(values):
        if not low <= value <= high:
            raise ValueError(f"{name} {value} is not in {low} ... {high}")


def wrapped(values, bits):
    """int64 `values` as two's complement numbers of `bits` bits."""
    half = 1 << bits - 1
    return ((values + half) & ((1 << bits) - 1)) - half


def requantise(acc, parameters, wide=False):
    """The results, int32, for accumulators `acc` of shape (..., lanes)."""
    p, acc = parameters, np.asarray(acc, np.int64)
    upper = acc >> HALF_BITS << HALF_BITS if wide else 0
    x = wrapped(acc - upper + p.bias, BIAS_BITS) + upper
    product = x * np.asarray(p.multiplier, np.int64)
    double = np.equal(p.rounding, Rounding.DOUBLE)
    drop = np.where(p.early, EARLY, HIGH) if not wide else HIGH
    half = np.left_shift(np.int64(1), drop - 1)
    y = wrapped((product + np.where(double, half, 0)) >> drop, 32)
    # y with two bits below it: the first one dropped, and whether any other one was set
    below = np.where(double, 0, product & (2 * half - 1))
    y = y << 2 | (below >= half) << 1 | (below & (half - 1) != 0)
    shift = np.asarray(p.shift, np.int64) + 2
    q, guard = y >> shift, (y >> shift - 1 & 1) == 1
    sticky = (y & (np.left_shift(np.int64(1), shift - 1) - 1)) != 0
    up = np.select([double, np.equal(p.rounding, Rounding.UP), np.equal(p.rounding, Rounding.FLOOR)],
                   [(y >= 0) | sticky, np.True_, np.False_], sticky | (q & 1 == 1))
    q = wrapped(q + (guard & up), 32)
    return np.where(p.raw, q, np.minimum(np.maximum(q + p.zero_point, p.low), p.high)).astype(np.int32)
