"""Random operators, expressions and schedules: correct on the functional simulator, or cleanly rejected."""

import numpy as np
import pytest
import random_schedules

from vta.compiler.check.checker import CheckError
from vta.hw.config import PRESETS
from vta.runtime.device import open_device

QUICK, ALL = 25, 500
CONFIG = PRESETS["default"]


@pytest.fixture(scope="module")
def devices():
    opened = {}

    def device_for(config):
        if config not in opened:
            opened[config] = open_device("sim", config)
        return opened[config]
    yield device_for
    for device in opened.values():
        device.close()


def run(kind, seeds, devices):
    right = 0
    for seed in seeds:
        try:
            what, case = getattr(random_schedules, kind)(seed)
        except CheckError as error:
            pytest.fail(f"{kind} {seed}: the compiler made a wrong stream: {error}")
        except ValueError as error:
            assert str(error) and "\n" not in str(error), f"{kind} {seed}: refused without a clear word"
            continue
        result, reference = case.run(devices(case.config))
        assert np.array_equal(result, reference), f"{kind} {seed} is wrong: {what}"
        right += 1
    return right


@pytest.mark.parametrize("kind", ["operator", "expression"])
def test_some(kind, devices):
    assert run(kind, range(QUICK), devices) > QUICK // 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["operator", "expression"])
def test_many(kind, devices):
    assert run(kind, range(QUICK, QUICK + ALL), devices) > ALL // 3


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["operator", "expression"])
def test_on_the_rtl(kind):
    """25 that are built, of one configuration: its simulator is compiled once."""
    right, seed = 0, 10_000
    with open_device("tsim", CONFIG) as device:
        while right < 25:
            seed += 1
            try:
                what, case = getattr(random_schedules, kind)(seed)
            except ValueError:
                continue
            if case.config == CONFIG:
                result, reference = case.run(device)
                assert np.array_equal(result, reference), f"{kind} {seed} is wrong on the RTL: {what}"
                right += 1
