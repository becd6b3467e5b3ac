"""The RTL as a device: its options. What runs on it is tested against the functional simulator elsewhere."""

import pytest

from vta.hw.config import PRESETS
from vta.runtime.tsim import memory_settings

ORDINARY = {"latency": 16, "write_latency": 16, "outstanding": None, "bandwidth": 1.0, "stall": 0.0,
            "seed": 1, "order": "in_order", "early": 0.0}


def test_settings_name_the_promises_of_the_accelerator():
    config = PRESETS["tiny"]
    settings = memory_settings(config, **ORDINARY | {"stall": 0.25, "order": "interleave", "outstanding": 3})
    assert settings["max_reads"] == config.read_outstanding and settings["read_ids"] == config.read_ids
    assert settings["max_burst"] == config.max_burst and settings["max_writes"] == config.write_outstanding
    assert settings["stall_r"] == settings["stall_aw"] == 0.25 and settings["order"] == 2
    assert settings["reads"] == settings["writes"] == 3


@pytest.mark.parametrize("option, value, words", [
    ("latency", 0, "latency = 0: must be a number from 1"),
    ("latency", 2.5, "latency = 2.5: must be a whole"),
    ("latency", "16", "latency = '16'"), ("write_latency", 10**9, "write_latency = 1000000000"),
    ("bandwidth", 0, "bandwidth = 0"), ("bandwidth", 1.5, "bandwidth = 1.5"), ("stall", 1, "stall = 1"),
    ("outstanding", 0, "outstanding = 0"), ("seed", -1, "seed = -1"), ("order", "random", "order = 'random'"),
    ("early", True, "early = True")])
def test_options_out_of_range(option, value, words):
    with pytest.raises(ValueError, match=words):
        memory_settings(PRESETS["default"], **ORDINARY | {option: value})
