"""Requantisation's parameters as data: what PAR loads into the requantiser of each lane (docs/isa.md).

A lane has three words of 32 bits: M, the signed multiplier; B, whose low `BIAS_BITS` bits are the signed bias; S, laid
out as `PARAMETER_S`. Two signed bytes, `low` and `high`, are the bounds of all lanes.
"""

import enum

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

BIAS_BITS = 25               # of B, and of the sum of an accumulator and B
HIGH, EARLY = 31, 11         # bits of the product below y
HALF_BITS = 20               # the low part of a wide accumulator, which is requantised in two parts

PARAMETER_S = data.StructLayout({
    "shift": unsigned(5), "early": unsigned(1), "rounding": unsigned(2), "zero_point": signed(9), "raw": unsigned(1)})


class Rounding(enum.IntEnum):
    """How a requantisation rounds, numbered as in S."""

    DOUBLE = 0               # TFLite's convolutions: two roundings, half up and half away from zero
    UP = 1                   # one rounding, half up: TFLite's fully connected layers
    EVEN = 2                 # half to even
    FLOOR = 3
