"""What follows the sums of an operator where the machine requantises them on their way out."""

from dataclasses import dataclass

import numpy as np

from vta.compiler.layout import pack_bias
from vta.compiler.ops.checks import check_int, need
from vta.compiler.ops.post import Post
from vta.compiler.ops.requantisation import Average, Requantise, folded_bias, sum_bounds
from vta.hw.config import Config
from vta.hw.features import Feature

WORDS = 3           # of each channel: tiles of parameters
WIDE = 3            # cycles of a wide requantisation of a tile


@dataclass(frozen=True)
class Rescale:
    """Sums become outputs by `rules`: one for all windows, or one for each. shared: a rule is for all channels alike.

    zero_point: of the input, which is folded into the bias: sums are those of raw bytes, and padding is `zero_point`.
    wide: a pass over the sums, of up to 32 bits, requantises them. residual: factor of an int8 array that is added to
    the sums.
    """

    rules: tuple[Requantise | Average, ...]
    bias: bool = False
    zero_point: int = 0
    shared: bool = False
    wide: bool = False
    residual: int = 0
    parameter_tiles = WORDS

    @property
    def passes(self):
        """Cycles a tile in addition to the GEMM's: the reset or the residual, and a wide requantisation."""
        return (self.wide or self.residual > 0) + WIDE * self.wide

    def check(self, config: Config, channels: int):
        """OperatorError, unless the machine requantises, and there are rules for so many channels."""
        check_requantises(config)
        need(isinstance(self.bias, bool), f"bias must be True or False, not {type(self.bias).__name__}")
        for rule in self.rules:
            for name in ("multipliers", "shifts"):
                values = getattr(rule, name, 0)
                need(not isinstance(values, tuple) or len(values) in (1, channels),
                     f"{name}: {np.size(values)} given, the output has {channels} channels")

    @property
    def clip(self):
        return self.rules[0].clip

    @classmethod
    def of(cls, requantise, bias, zero_point, wide=False, residual=0, **plain):
        """The Post of the `plain` options, or with `requantise` the Rescale; OperatorError for a mixture of both."""
        if requantise is None:
            need(zero_point == 0, f"zero_point = {zero_point}: inputs have a zero point only with requantise")
            need(not wide and not residual, f"wide = {wide}, residual = {residual}: only with requantise")
            return Post(bias, **plain)
        for name, value in plain.items():
            default = Post.__dataclass_fields__[name].default
            need(value == default, f"{name} = {value!r}: with requantise, it says {name}")
        need(isinstance(requantise, Requantise), f"requantise = {requantise!r} must be a Requantise")
        check_int(zero_point, "zero_point", -128, 127)
        need(isinstance(wide, bool), f"wide = {wide!r} must be True or False")
        check_int(residual, "residual", 0, 127)
        return cls((requantise,), bias, zero_point, wide=wide, residual=residual)

    def parameters(self, weights, bias, blocks, config):
        """The packed tiles of `blocks` blocks of channels: (rules, blocks, WORDS, 1, batch, block) int32. weights:
        for each rule, (channels, ...) int8."""
        found = []
        for rule, weight in zip(self.rules, weights, strict=True):
            low, high = sum_bounds(weight)
            words = rule.words(folded_bias(bias, weight, self.zero_point),
                               (low - 128 * self.residual, high + 127 * self.residual), self.wide)
            found.append(packed_words(words, len(weight), blocks, config))
        return np.concatenate(found)

    def reference(self, sums, bias=0):
        """int8 of the sums of inputs without their zero point, where all rules are the same."""
        return self.rules[0].reference(sums, bias)


def check_requantises(config):
    """OperatorError, unless the machine does."""
    need(config.has(Feature.REQUANTISE), f"configuration {config.name!r} has no feature requantise: use shift and clip "
                                         f"instead, or a machine that has it")


def packed_words(words, channels, blocks, config, every=False):
    """M, B and S of channels, (1, blocks, WORDS, 1, batch, block); `every` lane the same."""
    lanes = blocks * config.block
    words = [np.broadcast_to(word, channels) for word in words]
    rows = [np.repeat(word, lanes) if every else np.pad(word, (0, lanes - channels)) for word in words]
    tiles = [pack_bias(row.astype(np.int32), config) for row in rows]         # (1, blocks, 1, 1, batch, block)
    return np.concatenate(tiles, axis=2)
