"""Programs: they run, and refuse what does not fit them."""


import numpy as np
import pytest
from program_files import add_constant, data, expected

from vta.compiler.check.checker import CheckError
from vta.compiler.program import Program, ProgramError
from vta.compiler.stream.stream import Stream
from vta.hw.config import PRESETS
from vta.hw.isa import MemType
from vta.runtime.device import open_device


@pytest.fixture
def program():
    return add_constant()


@pytest.fixture
def device():
    with open_device("sim") as device:
        yield device


def test_runs(program, device):
    array = data(program)
    outputs, result = program.run(device, data=array)
    assert np.array_equal(outputs["result"], expected(program, array))
    assert result.stats["alu_counter"] == 8


def test_placed_once_runs_often(program, device):
    with program.place(device) as placed:
        for seed in range(3):
            array = data(program) + seed
            assert np.array_equal(placed.run(data=array)[0]["result"], expected(program, array))
    one = device.memory.alloc(1)
    assert one.address == 4096                          # all memory was given back


def test_wrong_configuration_is_refused(program):
    with (open_device("sim", "tiny") as device,
          pytest.raises(ProgramError, match="needs LOG_BLOCK = 4, configuration 'tiny' has 2")):
        program.run(device, data=data(program))


@pytest.mark.parametrize("arrays, words", [
    ({}, "its inputs are data; missing data$"),
    ({"data": np.zeros((4, 1, 16), np.int32), "bias": 0}, "its inputs are data; unknown bias$"),
    ({"data": np.zeros((4, 16), np.int32)},
     r"data is int32 \(4, 16\), expected int32 \(4, 1, 16\) \(tile b c\)"),
    ({"data": np.zeros((4, 1, 16), np.int64)}, "data is int64"),
])
def test_wrong_inputs_are_refused(program, device, arrays, words):
    with pytest.raises(ProgramError, match=words):
        program.run(device, **arrays)


def test_constants_must_fit(program):
    with pytest.raises(ProgramError, match=r"constants \[\] given, \['bias'\] declared"):
        Program.from_code(program.code, "p")


def test_a_stream_with_faults_is_no_program():
    s = Stream(PRESETS["default"])
    out = s.buffer("out", (16,), "int8", "output")
    s.store_buffer_2d(0, MemType.OUT, out, 0, 1, 1, 1)
    s.sync()
    with pytest.raises(CheckError, match=r"unwritten: instruction 0: reads OUT\[0\]"):
        Program.from_code(s.code(), "p")
