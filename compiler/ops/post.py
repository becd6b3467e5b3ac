"""What follows the sums of an operator before they are stored."""

from dataclasses import dataclass

import numpy as np

from vta.compiler.ops.checks import Clip, check_int, need
from vta.hw.isa import IMM_BITS, AluOp

IMM_MAX = (1 << IMM_BITS - 1) - 1


@dataclass(frozen=True)
class Post:
    """What the ALU does to the sums before they are stored: scale, bias, shift, clip.

    shift: arithmetic right shift; rounding adds 2^(shift - 1) first. clip: (lowest, highest) within
    int8, or None: the low 8 bits are stored, as the hardware does. scale: a factor, only without a bias.
    """

    bias: bool = False
    shift: int = 0
    rounding: bool = False
    clip: Clip = (-128, 127)
    scale: int = 1
    shared, residual = False, 0         # a `Rescale` may have them

    def __post_init__(self):
        for name in ("bias", "rounding"):
            value = getattr(self, name)
            need(isinstance(value, bool), f"{name} must be True or False, not {type(value).__name__}" + (
                ": its numbers are an argument of the call" if name == "bias" else ""))
        need(1 <= self.scale <= IMM_MAX, f"scale = {self.scale} must be 1 to {IMM_MAX}")
        check_int(self.shift, "shift", 0, 31)
        if self.clip is not None:
            integers = isinstance(self.clip, (tuple, list)) and len(self.clip) == 2 \
                and all(isinstance(value, int) for value in self.clip)
            need(integers and -128 <= self.clip[0] <= self.clip[1] <= 127,
                 f"clip = {self.clip!r} must be (lowest, highest), integers within -128 to 127")

    @property
    def half(self):
        """What rounding adds."""
        return 1 << self.shift - 1 if self.rounding and self.shift else 0

    @property
    def needs_bias(self):
        """Whether a tile of int32, one for each channel, is added: the bias, with `half` in it, or `half` alone if
        it is too large for an immediate. (A scale comes before `half`, and cannot come after the bias.)"""
        return self.bias or (self.half > IMM_MAX and self.scale == 1)

    def operations(self):
        """[(opcode, immediate)] after that addition. A half too large for an immediate is added between two shifts:
        the bits that the first one drops could not carry."""
        found, half, shift = [(AluOp.MUL, self.scale)] if self.scale > 1 else [], self.half, self.shift
        if half > IMM_MAX and not self.needs_bias:
            found.append((AluOp.SHR, shift - IMM_BITS + 1))
            half, shift = 1 << IMM_BITS - 2, IMM_BITS - 1
        found += [(AluOp.ADD, half)] if half and not self.needs_bias else []
        found += [(AluOp.SHR, shift)] if shift else []
        if self.clip is not None:
            found += [(AluOp.MAX, self.clip[0]), (AluOp.MIN, self.clip[1])]
        return found

    @property
    def parameter_tiles(self):
        """Accumulators that hold numbers of each block of channels."""
        return int(self.needs_bias)

    @property
    def passes(self):
        """Passes over the accumulators: the reset, the bias, and `operations`."""
        return 1 + self.needs_bias + len(self.operations())

    def reference(self, sums, bias=0):
        """int8 of int32 sums (N, C, ...); bias: (C,)."""
        bias = np.asarray(bias, np.int32).reshape(-1, *[1] * (np.ndim(sums) - 2))
        sums = np.asarray(sums, np.int32) * np.int32(self.scale) + bias
        sums = sums + np.int32(self.half) >> np.int32(self.shift)
        if self.clip is not None:
            sums = np.clip(sums, *self.clip)
        return sums.astype(np.int8)
