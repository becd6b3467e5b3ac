"""Machines that requantise, random arrays and rules, and a check of an operator against both."""

from dataclasses import replace

import integer_rules
import numpy as np
import pytest

from vta.compiler.ops.requantisation import Requantise
from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES
from vta.runtime.device import open_device

ALL = frozenset(FEATURES)
FULL = replace(PRESETS["default"], features=ALL, name="full")
CONFIGS = [FULL, replace(PRESETS["tiny"], features=ALL),
           Config(log_batch=1, log_inp_buff_size=12, log_wgt_buff_size=15, log_acc_buff_size=14, features=ALL),
           Config(log_block=3, log_inp_buff_size=12, log_wgt_buff_size=12, log_acc_buff_size=13, features=ALL)]
CASES = [(config, seed) for seed, config in enumerate(CONFIGS)]
each_config = pytest.mark.parametrize("config, seed", CASES, ids=["default", "tiny", "batch", "block"])
BOTH = {"double": integer_rules.double_rounded, "single": integer_rules.single_rounded}


class Numbers:
    """Random arrays and requantisations."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def bytes(self, shape):
        return self.rng.integers(-128, 128, shape).astype(np.int8)

    def bias(self, channels):
        return self.rng.integers(-30_000, 30_000, channels).astype(np.int32)

    def rule(self, channels, largest, **options):
        """Sums of about `largest` fill the bytes; the first channel has one output only."""
        shifts = np.full(channels, -max(0, int(np.log2(largest / 150))))
        shifts[0] = -31
        options = dict(zero_point=int(self.rng.integers(-30, 30)), clip=(-120, 100)) | options
        return Requantise(self.rng.integers(1 << 30, 1 << 31, channels), shifts, **options)


def requantised(rule, sums):
    """int8 of sums (N, C, ...), bias included."""
    across = (-1, *[1] * (sums.ndim - 2))
    multipliers, shifts = (np.reshape(np.int64(part), across) for part in (rule.multipliers, rule.shifts))
    return np.clip(BOTH[rule.rounding](sums, multipliers, shifts) + rule.zero_point, *rule.clip).astype(np.int8)


def check(layer, arrays, wanted, device="sim", **options):
    assert len(np.unique(wanted)) > 3, "a result that tells nothing"
    np.testing.assert_array_equal(layer.reference(*arrays), wanted)
    with open_device(device, layer.config, **options) as opened:
        np.testing.assert_array_equal(layer(opened, *arrays), wanted)
    return layer
