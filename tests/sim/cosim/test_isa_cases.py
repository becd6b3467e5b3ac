"""The RTL runs the programs that define the semantics, and agrees with the functional simulator on others."""

import numpy as np
import pytest
from isa_cases import CASES, FAULTS, check
from small_programs import CONFIGS, Program, random_program

from vta.runtime.device import DeviceError, open_device

pytestmark = pytest.mark.rtl


@pytest.fixture(scope="module", params=["default", "tiny"])
def device(request):
    with open_device("tsim", CONFIGS[request.param], memory_size=4 << 20) as device:
        yield device


@pytest.fixture
def program(device):
    """An empty program; what it allocates is given back."""
    program = Program(device)
    device.reset()
    yield program
    for buffer in program.buffers:
        buffer.free()


@pytest.mark.parametrize("name", CASES)
def test_semantics(program, name):
    results = CASES[name](program)
    program.run()
    check(results)


@pytest.mark.parametrize("name", FAULTS)
def test_faults(program, name):
    build, cause, unit = FAULTS[name]
    results = build(program)
    with pytest.raises(DeviceError) as error:
        program.run()
    check(results)
    assert (error.value.cause, error.value.unit) == (cause, unit)


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_equal_the_functional_simulator(device, seed):
    """DRAM, tokens, counters and errors of serial programs with every index legal or not."""
    outcomes = []
    with open_device("sim", device.config, memory_size=device.memory.size) as other:
        for each in (device, other):
            each.reset()
            each.memory.clear()
            program = Program(each)
            random_program(program, np.random.default_rng(seed), 30)
            program.store(device.config.depth["ACC"])
            error = None
            try:
                result = program.run()
            except DeviceError as caught:
                error, result = (caught.cause, caught.unit, caught.insn), caught.result
            outcomes.append((error, result.tokens_left, result.stats, each.memory.bytes.tobytes()))
            for buffer in program.buffers:
                buffer.free()
    assert outcomes[0][:3] == outcomes[1][:3]
    assert outcomes[0][3] == outcomes[1][3]
