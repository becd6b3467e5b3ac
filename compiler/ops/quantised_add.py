"""The sum of two int8 tensors of different scales: the rule, and what the machine does that is equal to it.

Both leave the sum of two numbers to the last requantisation. `AddProducts`: both operands times a factor of 16 bits.
`AddPasses`: the operand of the larger scale, shifted to the left by about 15 bits, and the other one, requantised to
the same unit. Neither has to be what the rule makes of it, so their parameters are searched for; they count only if
the outputs equal the rule's for all 65,536 pairs of inputs.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vta.compiler.ops.checks import check_int, need
from vta.compiler.ops.requantisation import Requantise
from vta.compiler.ops.scaling import NARROW, packed, quantised_multiplier, scaled
from vta.hw.requantisation import EARLY, HIGH, Rounding

RULE_BITS = 20              # below an operand's unit, in the rule
BYTES = np.arange(-128, 128)
CHANGES = range(-16, 17)    # multipliers of the last step that are tried: the nearest one, and these beside it
ATTEMPTS = 30               # multipliers of an operand that are tried for a form
PART_BITS = 8               # of the lower part of a factor
Words = tuple[np.ndarray, np.ndarray, np.ndarray]       # M, B and S


@dataclass(frozen=True)
class AddProducts:
    """What the tensor core does with the two operands: each is multiplied by the upper part of its factor, their sum
    shifted to the left by PART_BITS; the lower parts, where there are any, are added, and the sum is requantised with
    the words `last`. factors: from 0 to 127 * 2^PART_BITS + 127."""

    factors: tuple[int, int]
    last: Words

    @property
    def parts(self):
        """[(upper, lower)] of both factors, bytes."""
        half = 1 << PART_BITS - 1
        return [(factor + half >> PART_BITS, (factor + half) % (2 * half) - half) for factor in self.factors]


@dataclass(frozen=True)
class AddPasses:
    """What the ALU does to accumulators with the two operands: each is shifted to the left by so many bits, or
    requantised with words of its own (raw); they are added; the sum is requantised with the words `last`, wide or not.
    """

    operands: tuple[int | Words, int | Words]
    last: Words
    wide: bool = False


@dataclass(frozen=True)
class QuantisedAdd:
    """TensorFlow Lite's ADD of int8 tensors: both operands in units of 2^-20 of twice the larger scale, each rounded
    twice; their sum rounded twice to the output's scale."""

    input_scales: tuple[float, float]
    input_zero_points: tuple[int, int]
    output_scale: float
    zero_point: int = 0
    clip: tuple[int, int] = (-128, 127)

    def __post_init__(self):
        need(len(self.input_scales) == len(self.input_zero_points) == 2, "an addition has two operands")
        need(min(*self.input_scales, self.output_scale) > 0, "scales must be positive")
        for zero_point in (*self.input_zero_points, self.zero_point):
            check_int(zero_point, "zero_point", -128, 127)
        Requantise(0, 0, self.zero_point, self.clip)

    @cached_property
    def _scales(self):
        """(both input scales, output scale, twice the larger input scale): float32 numbers in double precision."""
        scales = np.asarray(self.input_scales, np.float32).astype(np.float64)
        return scales, np.float64(np.float32(self.output_scale)), 2 * scales.max()

    @cached_property
    def _factors(self):
        """[(multiplier, shift)] of the two operands and of their sum."""
        scales, output, twice = self._scales
        return [tuple(int(part) for part in quantised_multiplier(factor))
                for factor in (*(scales / twice), twice / ((1 << RULE_BITS) * output))]

    def reference(self, first, second):
        """int8 of two int8 arrays, by the rule."""
        *factors, last = self._factors
        total = sum(scaled(np.asarray(x, np.int64) - zero << RULE_BITS, *factor, Rounding.DOUBLE)
                    for x, zero, factor in zip((first, second), self.input_zero_points, factors, strict=True))
        return np.clip(scaled(total, *last, Rounding.DOUBLE) + self.zero_point, *self.clip).astype(np.int8)

    @cached_property
    def products(self):
        """The AddProducts found that equals the rule for all pairs of inputs, of four cycles if there is one, else of
        five; None if there is none."""
        wanted = _Wanted(self.reference(BYTES[:, None], BYTES[None]).astype(np.int64))
        scales, output, _ = self._scales
        large = int(scales[1] > scales[0])
        ratio = float(scales[1 - large] / scales[large])
        for step in (1 << PART_BITS, 37):               # the lower part of the larger one is 0, or anything
            factors = np.arange(64 << PART_BITS, 127 << PART_BITS, step)
            errors = np.abs(ratio * factors - np.rint(ratio * factors)) / factors
            for factor in factors[np.argsort(errors)[:ATTEMPTS]].tolist():
                pair = (factor, round(ratio * factor))[::-1 if large else 1]
                last = wanted.last([BYTES * each for each in pair], float(output / scales[large]) * factor,
                                   self.zero_point, self.clip)
                if last:
                    return AddProducts(pair, last)
        return None

    @cached_property
    def passes(self):
        """The cheapest AddPasses found that equals the rule for all pairs of inputs; `rule_passes` if nothing cheaper
        does."""
        wanted = _Wanted(self.reference(BYTES[:, None], BYTES[None]).astype(np.int64))
        for operands, tables, unit in self._candidates():
            last = wanted.last(tables, unit, self.zero_point, self.clip)
            if last:
                return AddPasses(operands, last)
        return self.rule_passes

    @property
    def rule_passes(self):
        """The AddPasses that do what the rule says step by step: the sum of the operands has 28 bits, so the last one
        is wide."""
        *operands, (multiplier, shift) = self._factors
        need(shift <= 0, f"output_scale = {self.output_scale} is too small for input scales {self.input_scales}")
        return AddPasses(
            tuple(packed(m, -zero, shift=-s, early=True, raw=True)
                  for (m, s), zero in zip(operands, self.input_zero_points, strict=True)),
            packed(multiplier, 0, shift=-shift, zero_point=self.zero_point), wide=True)

    def _candidates(self):
        """(operands, their tables of 256 numbers, numbers a unit of the output), cheapest first."""
        scales, output, _ = self._scales
        large = int(scales[1] > scales[0])
        ratio = float(scales[1 - large] / scales[large])

        def ordered(big, small):
            return (big, small) if large == 0 else (small, big)

        def units(bits):
            return float(output / scales[large]) * 2.0 ** bits

        for bits in range(8):                               # a ratio that is a power of two
            if ratio == 2.0 ** -bits:
                yield ordered(bits, 0), ordered(BYTES << bits, BYTES), units(bits)
        room = NARROW / 256 / (1 + ratio)
        for bits in (int(np.log2(room)), int(np.log2(room)) - 1):
            multiplier = round(ratio * 2.0 ** (bits + EARLY))
            for change in range(ATTEMPTS):
                words, table = _table(multiplier + (change + 1) // 2 * (-1) ** change)
                yield ordered(bits, words), ordered(BYTES << bits, table), units(bits)


def _table(multiplier):
    """(words, results for the 256 inputs) of a raw requantisation from bit 11."""
    words = packed(multiplier, 0, rounding=Rounding.UP, early=True, raw=True)
    return words, scaled(BYTES, multiplier, 0, Rounding.UP, EARLY)


class _Wanted:
    """Outputs of all pairs of inputs, and the search for a last requantisation that gives them."""

    def __init__(self, outputs):
        self.outputs = outputs
        self._order = np.argsort(outputs, axis=None, kind="stable")
        self._values, self._starts = np.unique(outputs.ravel()[self._order], return_index=True)

    def last(self, tables, unit, zero_point, clip):
        """The words that make the outputs of sums of the two `tables`, of which about `unit` are one output; None if
        there are none: the sums would not come in the order of the outputs, or no multiplier fits."""
        sums = tables[0][:, None] + tables[1][None]
        in_order = sums.ravel()[self._order]
        below = np.maximum.reduceat(in_order, self._starts)[:-1]
        above = np.minimum.reduceat(in_order, self._starts)[1:]
        if np.any(below >= above):
            return None
        # output v begins at x = sum + bias with x * factor >= (v - zero_point - 1/2) * 2^(high + shift)
        nearest, shift = (int(part) for part in quantised_multiplier(1 / unit))
        high, shift, step = HIGH, -shift, 1 << HIGH - 23
        if shift < 0:
            nearest, high, shift, step = round(2 ** EARLY / unit), EARLY, 0, 1
        if shift > 22:                                      # the products below would leave 64 bits
            return None
        first, after = (2 * (values - zero_point) - 1 << high + shift - 1
                        for values in (self._values[1:], self._values[:-1] + 1))
        for factor in (nearest + change * step for change in sorted(CHANGES, key=abs)):
            if not 0 < factor < 1 << HIGH:
                continue
            lowest = max(np.max(-(-first // factor) - above, initial=-NARROW), -NARROW - sums.min())
            highest = min(np.min(-(-after // factor) - below - 1, initial=NARROW - 1), NARROW - 1 - sums.max())
            if lowest <= highest:
                bias = int(lowest + highest) // 2
                found = np.clip(scaled(sums + bias, factor, -shift, Rounding.UP, high) + zero_point, *clip)
                if np.array_equal(found, self.outputs):
                    return packed(factor, bias, shift=shift, rounding=Rounding.UP, zero_point=zero_point,
                                  early=high == EARLY)
        return None
