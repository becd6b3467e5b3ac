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


@dataclass(frozen=True)
class Rescale:
    """Sums become outputs by `rules`: one for all windows, or one for each. shared: a rule is the same for all channels.

    zero_point: of the input, which is folded into the bias: sums are those of raw bytes, and padding is `zero_point`.
    """

    rules: tuple[Requantise | Average, ...]
    bias: bool = False
    zero_point: int = 0
    shared: bool = False
    parameter_tiles = WORDS
    passes = 0

    def check(self, config: Config, channels: int):
        """OperatorError, unless the machine requantises, and there are rules for so many channels."""
        need(config.has(Feature.REQUANTISE), f"configuration {config.name!r} has no feature requantise: use shift and "
                                             f"clip instead, or a machine that has it")
        need(isinstance(self.bias, bool), f"bias must be True or False, not {type(self.bias).__name__}")
        for rule in self.rules:
            for name in ("multipliers", "shifts"):
                values = getattr(rule, name, 0)
                need(not isinstance(values, tuple) or len(values) in (1, channels),
                     f"{name}: {len(values) if isinstance(values, tuple) else 1} given, the output has {channels} "
                     f"channels")

    @property
    def clip(self):
        return self.rules[0].clip

    @classmethod
    def of(cls, requantise, bias, zero_point, **plain):
        """The Post of the `plain` options, or with `requantise` the Rescale; OperatorError for a mixture of both."""
        if requantise is None:
            need(zero_point == 0, f"zero_point = {zero_point}: inputs have a zero point only with requantise")
            return Post(bias, **plain)
        for name, value in plain.items():
            default = Post.__dataclass_fields__[name].default
            need(value == default, f"{name} = {value!r}: with requantise, it says {name}")
        need(isinstance(requantise, Requantise), f"requantise = {requantise!r} must be a Requantise")
        check_int(zero_point, "zero_point", -128, 127)
        return cls((requantise,), bias, zero_point)

    def parameters(self, weights, bias, blocks, config):
        """The packed tiles of `blocks` blocks of channels: (rules, blocks, WORDS, 1, batch, block) int32. weights:
        for each rule, (channels, ...) int8."""
        return np.concatenate([packed_words(
            rule.words(folded_bias(bias, weight, self.zero_point), sum_bounds(weight)), len(weight), blocks, config)
            for rule, weight in zip(self.rules, weights, strict=True)])

    def reference(self, sums, bias=0):
        """int8 of the sums of inputs without their zero point, where all rules are the same."""
        return self.rules[0].reference(sums, bias)


def packed_words(words, channels, blocks, config, every=False):
    """M, B and S of channels, (1, blocks, WORDS, 1, batch, block); `every` lane the same."""
    lanes = blocks * config.block
    words = [np.broadcast_to(word, channels) for word in words]
    rows = [np.repeat(word, lanes) if every else np.pad(word, (0, lanes - channels)) for word in words]
    tiles = [pack_bias(row.astype(np.int32), config) for row in rows]         # (1, blocks, 1, 1, batch, block)
    return np.concatenate(tiles, axis=2)
