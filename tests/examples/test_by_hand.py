"""The convolution by hand: correct on the functional simulator, with the statistics of TVM's stream."""

import runpy

import pytest
from repository import EXAMPLES

from vta.hw.config import PRESETS
from vta.runtime.device import open_device

STATISTICS = """Execution statistics:
\tinp_load_nbytes :           114688
\twgt_load_nbytes :          1179648
\tacc_load_nbytes :                0
\tuop_load_nbytes :             1144
\tout_store_nbytes:            50176
\tgemm_counter    :           451584
\talu_counter     :             9408
Successful 2D convolution test!
"""
example = runpy.run_path(str(EXAMPLES / "conv2d_by_hand.py"))


@pytest.mark.parametrize("seed", range(2))
def test_equal_to_numpy_with_tvms_statistics(capsys, seed):
    with open_device("sim") as device:
        example["main"](device, seed=seed)
    assert capsys.readouterr().out == STATISTICS


def test_a_wrong_result_is_reported(monkeypatch):
    monkeypatch.setitem(example["main"].__globals__, "HIGH", 126)
    program = example["build"]()
    monkeypatch.setitem(example["main"].__globals__, "HIGH", 127)
    monkeypatch.setitem(example["main"].__globals__, "build", lambda config: program)
    with open_device("sim") as device, pytest.raises(AssertionError, match="results differ from numpy"):
        example["main"](device)


def test_other_tiles_are_refused():
    with pytest.raises(ValueError, match="written for tiles of 1x16, not 1x4"):
        example["build"](PRESETS["tiny"])
