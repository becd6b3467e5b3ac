"""From the sums of a layer to its int8 outputs: how users say it, the rule itself, and the machine's words."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from vta.compiler.ops.checks import OperatorError, check_int, need
from vta.compiler.ops.scaling import NARROW, ROUNDINGS, packed, quantised_multiplier, scaled, telling_points
from vta.hw.requantisation import EARLY, HALF_BITS, HIGH, Rounding

SUM_LIMIT = 1 << 31         # of a sum with its bias, in size
WIDE_BIAS = NARROW - (1 << HALF_BITS)       # of a wide requantisation: its sum with the lower bits must not wrap
NEARBY = sorted(range(-8, 9), key=abs)      # tried beside the nearest number


def folded_bias(bias, weights, input_zero_point):
    """int64 (C,): the bias that makes sums of raw inputs those of inputs without their zero point. weights: (C, ...);
    padding must have the value of the zero point."""
    weights = np.asarray(weights, np.int64)
    return np.asarray(bias, np.int64) - input_zero_point * weights.reshape(len(weights), -1).sum(1)


def sum_bounds(weights, low=-128, high=127):
    """(lowest, highest), int64 (C,) each: the exact bounds of sums of weights (C, ...) times inputs from low to high,
    without bias."""
    weights = np.asarray(weights, np.int64)
    weights = weights.reshape(len(weights), -1)
    return np.minimum(weights * low, weights * high).sum(1), np.maximum(weights * low, weights * high).sum(1)


@dataclass(frozen=True)
class Requantise:
    """output = clip(round((sum + bias) * multiplier * 2^(shift - 31)) + zero_point)

    multipliers: an integer from 0 to 2^31 - 1, or one for each channel. shifts: the same, from -31 to 30, with the
    signs of TensorFlow Lite: negative is to the right. zero_point: of the output, -256 to 255. clip: (lowest,
    highest) within int8. rounding: "double" as in TensorFlow Lite's convolutions (product half up, then shift half
    away from zero); or once: "single" or "up" (half up), "even" (half to even), "floor".
    """

    multipliers: int | tuple[int, ...]
    shifts: int | tuple[int, ...]
    zero_point: int = 0
    clip: tuple[int, int] = (-128, 127)
    rounding: str = "double"

    def __post_init__(self):
        for name, low, high in (("multipliers", 0, (1 << 31) - 1), ("shifts", -31, 30)):
            values = np.asarray(getattr(self, name))
            need(values.ndim <= 1 and values.size and values.dtype.kind in "iu",
                 f"{name} must be an integer, or one for each channel, not {getattr(self, name)!r}")
            for channel, value in enumerate(values.reshape(-1).tolist()):
                need(low <= value <= high, f"{name}: {value} of channel {channel} must be from {low} to {high}")
            object.__setattr__(self, name, tuple(values.tolist()) if values.ndim else int(values))
        need(len({len(values) for values in (self.multipliers, self.shifts) if isinstance(values, tuple)}) <= 1,
             "multipliers and shifts must be of as many channels")
        check_int(self.zero_point, "zero_point", -256, 255)
        integers = isinstance(self.clip, (tuple, list)) and len(self.clip) == 2 \
            and all(isinstance(value, int) for value in self.clip)
        need(integers and -128 <= self.clip[0] <= self.clip[1] <= 127,
             f"clip = {self.clip!r} must be (lowest, highest), integers within -128 to 127")
        need(self.rounding in ROUNDINGS, f"rounding = {self.rounding!r} must be one of {', '.join(ROUNDINGS)}")

    @classmethod
    def from_scales(cls, input_scale, weight_scales, output_scale, zero_point=0, *, float32_product=False, **options):
        """The factors input_scale * weight_scales / output_scale as TensorFlow Lite makes them multipliers and shifts.

        weight_scales: a number, or one for each channel; 1 for a plain change of scale. Scales are float32 and
        calculated with in double precision; with `float32_product`, as in its fully connected layers and its uint8
        convolutions, the product of the first two is rounded to float32.
        """
        scale, weights = np.float32(input_scale), np.asarray(weight_scales, np.float32)
        need(output_scale > 0 and scale > 0 and np.all(weights >= 0), "scales must be positive")
        product = (scale * weights).astype(np.float64) if float32_product else np.float64(scale) * weights
        return cls(*quantised_multiplier(product / np.float64(np.float32(output_scale))), zero_point, **options)

    @classmethod
    def mean(cls, input_scale, output_scale, count, zero_point=0, **options):
        """From the sum of `count` values without their zero point to the mean of them, as TensorFlow Lite does it."""
        check_int(count, "count")
        multiplier, shift = (int(part) for part in quantised_multiplier(
            np.float64(np.float32(input_scale)) / np.float64(np.float32(output_scale))))
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        return cls((multiplier << bits) // count, shift - bits, zero_point, **options)

    def reference(self, sums, bias=0):
        """int8 of sums (N, C, ...), by the rule; bias: a number or (C,). Exact for every sum that, with its bias, fits
        32 bits."""
        across = (-1, *[1] * (np.ndim(sums) - 2))
        multipliers, shifts, bias = (np.asarray(part, np.int64).reshape(across)
                                     for part in (self.multipliers, self.shifts, bias))
        return self._outputs(np.asarray(sums, np.int64) + bias, multipliers, shifts).astype(np.int8)

    def words(self, bias, bounds, wide=False):
        """The words M, B and S, int32 (C,) each, for accumulators within `bounds`, (lowest, highest), a number or
        (C,) each, to which `bias`, a number or (C,), is added. Equal to the rule for every such sum, which is proved.
        wide: for a requantisation of 32 bits.

        Channels with one output get it as their zero point. OperatorError if a channel leaves what the machine can do.
        """
        low, high, bias, multipliers, shifts = np.broadcast_arrays(*(
            np.atleast_1d(np.asarray(part, np.int64)) for part in (*bounds, bias, self.multipliers, self.shifts)))
        low, high = low + bias, high + bias
        for channel in np.flatnonzero((low > high) | (-low << np.maximum(shifts, 0) > SUM_LIMIT)
                                      | (high << np.maximum(shifts, 0) >= SUM_LIMIT)):
            raise OperatorError(f"channel {channel}: sums with their bias from {low[channel]} to {high[channel]}, "
                                f"shift {shifts[channel]}: must not leave 32 bits")
        first = self._outputs(low, multipliers, shifts)
        constant = first == self._outputs(high, multipliers, shifts)
        rounding = ROUNDINGS[self.rounding]
        words = packed(np.where(constant, 0, multipliers), np.where(constant, 0, bias),
                       shift=np.where(constant, 0, np.maximum(-shifts, 0)), rounding=np.where(constant, 0, rounding),
                       zero_point=np.where(constant, first, self.zero_point))
        if wide:
            beyond = (low - bias < -SUM_LIMIT) | (high - bias >= SUM_LIMIT)
            for c in np.flatnonzero(~constant & (beyond | (bias < -NARROW) | (bias > WIDE_BIAS) | (shifts > 0))):
                raise OperatorError(f"channel {c}: bias {bias[c]}, shift {shifts[c]}: a wide requantisation adds "
                                    f"biases from {-NARROW} to {WIDE_BIAS} to sums of 32 bits and does not shift to "
                                    f"the left")
            return words
        for c in np.flatnonzero(~constant & ((low < -NARROW) | (high >= NARROW) | (shifts > 0))):
            found = self._other_form(int(multipliers[c]), int(shifts[c]), int(low[c]), int(high[c]))
            need(found, f"channel {c}: sums with their bias from {low[c]} to {high[c]}, shift {shifts[c]}: no "
                 f"parameters for them; the machine requantises sums from {-NARROW} to {NARROW - 1}, beyond that with "
                 f"wide=True")
            fields, offset = found
            for word, value in zip(words, packed(bias=bias[c] + offset, **fields), strict=True):
                word[c] = value[0]
        return words

    def _outputs(self, x, multipliers, shifts):
        return np.clip(scaled(x, multipliers, shifts, ROUNDINGS[self.rounding]) + self.zero_point, *self.clip)

    def _other_form(self, multiplier, shift, low, high):
        """(fields of `packed`, number added to the bias) of a channel that has no words of its own, or None."""
        points = telling_points(lambda x: self._outputs(x, multiplier, shift), low, high)
        wanted = self._outputs(points, multiplier, shift)
        threshold = points[wanted == wanted.max()].min() if len(np.unique(wanted)) == 2 else None
        for fields, offset in self._candidates(multiplier, shift, low + high >> 1, threshold, wanted.max()):
            if low + offset >= -NARROW and high + offset < NARROW and 0 <= fields["multiplier"] < 1 << HIGH \
                    and -256 <= fields["zero_point"] <= 255:
                found = scaled(points + offset, fields["multiplier"], -fields["shift"], fields["rounding"],
                               EARLY if fields["early"] else HIGH)
                if np.array_equal(np.clip(found + fields["zero_point"], *self.clip), wanted):
                    return fields, offset
        return None

    def _candidates(self, multiplier, shift, middle, threshold, highest):
        """Forms to try: where there is one, a threshold from which on the output is the highest; a product from bit 11
        for a shift to the left; sums moved by whole outputs, so that `middle` comes near 0."""
        ways = dict.fromkeys([ROUNDINGS[self.rounding], Rounding.UP])
        if threshold is not None:
            yield dict(multiplier=1 << HIGH - 1, shift=31, rounding=Rounding.FLOOR, early=False,
                       zero_point=int(highest)), -int(threshold)
        if shift > 0:
            nearest = (multiplier << shift) + (1 << HIGH - EARLY - 1) >> HIGH - EARLY
            for change, way in product(NEARBY, ways):
                yield dict(multiplier=nearest + change, shift=0, rounding=way, early=True,
                           zero_point=self.zero_point), 0
        elif multiplier:
            step = (1 << HIGH - shift) / multiplier                # sums an output
            # two roundings end a step at most one sum earlier than one does
            for change, way, more in product(NEARBY, ways, (0, 1, -1)):
                outputs = round(middle / step) + change
                yield dict(multiplier=multiplier, shift=-shift, rounding=way, early=False,
                           zero_point=self.zero_point + outputs), more - round(outputs * step)


@dataclass(frozen=True)
class Average:
    """The mean of `count` values of the output's own scale and zero point, halves away from zero, clipped: a window
    of an average pool of which `count` taps are inside of the picture."""

    count: int
    clip: tuple[int, int] = (-128, 127)

    def __post_init__(self):
        check_int(self.count, "count", 1, NARROW // 128)

    def reference(self, sums):
        """int8 of the sums of the window."""
        sums = np.asarray(sums, np.int64)
        return np.clip(np.sign(sums) * ((np.abs(sums) + self.count // 2) // self.count), *self.clip).astype(np.int8)

    def words(self):
        """The words M, B and S, int32 (1,) each: a multiplier just above 1 / count, so that halves go away from zero.
        Proved equal to the rule for all sums of `count` bytes."""
        early = self.count == 1
        shift = 0 if early else (self.count - 1).bit_length() - 1
        multiplier = 1 << EARLY if early else (1 << HIGH + shift) // self.count + 1
        points = telling_points(lambda x: self.reference(x).astype(np.int64), -128 * self.count, 127 * self.count)
        found = scaled(points, multiplier, -shift, Rounding.UP, EARLY if early else HIGH)
        need(np.array_equal(np.clip(found, *self.clip), self.reference(points)),
             f"count = {self.count}: no multiplier is exact")
        return packed(multiplier, 0, shift=shift, rounding=Rounding.UP, early=early)
