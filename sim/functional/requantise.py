"""Requantisation in numpy: what PAR, REQ and a GEMM's last step do to accumulators (docs/isa.md).

    x = acc + bias                              25 bits, wrapping; `wide`: for bits 19:0 of acc, the others above
    y = floor(x * multiplier / 2^k)             k = 31, or 11 if `early`; 32 bits, wrapping
    q = y / 2^shift, rounded                    the bits of the product below y count as well
    result = clip(q + zero_point, low, high)    or q itself if `raw`

DOUBLE rounds y half up, and q half away from zero from that, as TFLite's reference kernels do. FLOAT first rounds the
product to 24 significant bits, half to even, as a multiplication of float32 numbers does.
"""

import enum
from dataclasses import dataclass

import numpy as np

NARROW_BITS = 25
WIDE_LOW = 20                # bits of a wide operand that the bias is added to
HIGH, EARLY = 31, 11         # bits of the product below y
SIGNIFICANT = 24             # of a float32


class Rounding(enum.IntEnum):
    """How a requantisation rounds, numbered as in the parameter word."""

    DOUBLE = 0               # TFLite's convolutions: two roundings, half up and half away from zero
    UP = 1                   # one rounding, half up: TFLite's fully connected layers
    EVEN = 2                 # half to even
    FLOOR = 3
    FLOAT = 4                # onnxruntime: float32 product, half to even


@dataclass(frozen=True)
class Parameters:
    """One number, or one for each lane, of everything that a requantisation depends on; `low` and `high` are bounds
    of all lanes."""

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
    def from_words(cls, multiplier, bias, word, low, high):
        """The parameters that PAR loads: three tiles of int32, one word a lane, and the bounds."""
        def field(offset, width):
            return np.asarray(word, np.int64) >> offset & (1 << width) - 1
        return cls(np.asarray(multiplier, np.int64), wrapped(np.asarray(bias, np.int64), NARROW_BITS), field(0, 5),
                   field(6, 2), wrapped(field(8, 9), 9), field(5, 1), field(17, 1), low, high)


def wrapped(values, bits):
    """int64 `values` as two's complement numbers of `bits` bits."""
    half = 1 << bits - 1
    return ((values + half) & ((1 << bits) - 1)) - half


def requantise(acc, parameters, wide=False):
    """The results, int32, for accumulators `acc` of shape (..., lanes)."""
    p = parameters
    acc, early = np.asarray(acc, np.int64), p.early
    if wide:
        x, early = (acc >> WIDE_LOW << WIDE_LOW) + wrapped((acc & (1 << WIDE_LOW) - 1) + p.bias, NARROW_BITS), 0
    else:
        x = wrapped(acc + p.bias, NARROW_BITS)
    product = x * np.asarray(p.multiplier, np.int64)
    product = np.where(p.rounding == Rounding.FLOAT, significant(product), product)
    double = np.equal(p.rounding, Rounding.DOUBLE)
    drop = np.where(early, EARLY, HIGH)
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
    return np.where(p.raw, q, np.clip(q + p.zero_point, p.low, p.high)).astype(np.int32)


def significant(product):
    """`product` rounded to SIGNIFICANT bits, ties to even; |product| < 2^62."""
    size = np.abs(product)
    length = np.frexp(size.astype(np.float64))[1].astype(np.int64)      # rounding may have added a bit
    length -= (size >> np.maximum(length - 1, 0)) == 0
    bits = np.maximum(length - SIGNIFICANT, 0)
    down = size >> bits
    rest, half = size - (down << bits), np.left_shift(np.int64(1), np.maximum(bits - 1, 0))
    up = (bits > 0) & ((rest > half) | ((rest == half) & (down & 1 == 1)))
    return np.sign(product) * (down + up << bits)
