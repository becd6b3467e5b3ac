"""TVM's way to drive the accelerator still works: its control registers only, polled, without the interrupt."""

from types import SimpleNamespace

import pytest
from small_programs import Program

from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType
from vta.runtime.memory import Memory
from vta.sim.cosim.build import build
from vta.sim.cosim.simulation import Simulation

CONFIG = PRESETS["tiny"]
POLLS = 1000


@pytest.fixture
def memory():
    memory = Memory(1 << 20)
    yield memory
    memory.close()


@pytest.mark.rtl
def test_launch_and_poll(memory):
    """Count to 0x08, stream to 0x0C, zeros to 0x10-0x20, 1 to 0x00; bit 1 of 0x00; cycles in 0x04."""
    with Simulation(build(CONFIG), memory) as vta:
        for run in range(3):
            program = Program(SimpleNamespace(config=CONFIG, memory=memory))
            program.fill(MemType.ACC, [10 + run, -6])
            program.uops((0, 0, 0), (1, 1, 0))
            program.alu(AluOp.ADD, 5, uop=(0, 2))
            target = program.store(2)
            stream = program.data(program.words(), "u8")
            vta.write(0x08, len(program.words()))
            vta.write(0x0C, stream.address)
            for offset in range(0x10, 0x24, 4):
                vta.write(offset, 0)
            vta.write(0x00, 1)
            assert vta.read(0x00) == 1, "finish is not left over from the run before"
            polls = next(n for n in range(POLLS) if vta.read(0x00) & 2)
            assert polls > 0 and vta.read(0x00) == 2
            assert target[:, 0].tolist() == [15 + run, -1]
            assert 0 < vta.read(0x04) < 1000
            assert vta.read(0x24) == 2, "micro-op steps that wrote the accumulator"
