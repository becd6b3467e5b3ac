"""The bound: numbers worked out by hand, and properties that hold for every stream."""

import numpy as np
import pytest
from small_programs import Program
from vector_files import each_vector

from vta.hw.config import Config
from vta.hw.isa import AluOp, MemType, Opcode
from vta.runtime.device import open_device
from vta.runtime.vector import load_vector
from vta.sim.bound import BoundError, bound


@pytest.fixture
def program():
    with open_device("sim", memory_size=1 << 20) as device:
        yield Program(device)


def cycles(program, **options):
    return bound(program.words(), program.config, **options).cycles


def test_finish_alone(program):
    """One instruction of 16 bytes over 8-byte beats, one latency after the start."""
    assert cycles(program) == 2
    assert cycles(program, latency=10) == 12
    assert cycles(program, latency=10, bus_bytes=16) == 11


def test_steps_follow_each_other(program):
    """Fetched at 2, 4 and 6; each waits for the one before it, not for its fetch."""
    program.serial = False
    program.gemm(reset=1, loop=(10, 10))
    program.alu(AluOp.ADD, 1, loop=(5, 5))
    assert cycles(program) == 2 + 100 + 25
    assert cycles(program, latency=16) == 16 + 2 + 100 + 25


def test_transfers_run_ahead_of_steps(program):
    """The load is requested while the steps before it are executed; it is done a latency after its beats."""
    program.serial = False
    program.gemm(reset=1, loop=(1, 100))                       # done at 16 + 2 + 100
    program.fill(MemType.ACC, [0] * 4)                         # 32 beats from 16 + 4, done 16 later: in time
    program.alu(AluOp.ADD, 1, loop=(1, 50))
    assert cycles(program, latency=16) == 16 + 2 + 100 + 50


def test_tokens_hold_requests_back(program):
    """An input is loaded only after the compute instruction that frees its tiles."""
    program.serial = False
    program.gemm(reset=1, loop=(1, 100), push_prev=1)          # done at 2 + 100
    program.fill(MemType.INP, [0] * 5, pop_next=1, push_next=1)      # 10 beats, then the latency
    program.gemm(loop=(1, 7), pop_prev=1)
    assert cycles(program) == 2 + 100 + 10 + 7
    assert cycles(program, latency=20) == 20 + 2 + 100 + 10 + 20 + 7


def test_bus_bounds_all_reads_together(program):
    """Three streams of reads have a bus each, but no machine reads all of it faster than one bus."""
    program.serial = False
    program.fill(MemType.ACC, [0] * 100)
    program.fill(MemType.WGT, [0] * 100)
    assert cycles(program) == (3 * 16 + 6400 + 25600) // 8


def test_micro_ops_count_by_the_byte(program):
    """Three micro-ops are 12 bytes: a beat and a half."""
    program.serial = False
    program.uops((0,), (0,), (0,))
    program.gemm(reset=1, loop=(1, 4))
    assert bound(program.words(), program.config).read_bytes == 12
    assert cycles(program) == 4 + 4
    assert cycles(program, latency=1) == 1 + 4 + 4
    program.insns[1][0]["iter_in"] = 1
    assert cycles(program) == (3 * 16 + 12) // 8


def test_tokens_before(program):
    program.serial = False
    program.gemm(reset=1, pop_next=1)
    assert cycles(program, tokens_before={"s2g": 1}) == 4
    with pytest.raises(BoundError, match=r"compute waits .* for a token from s2g"):
        cycles(program)


def test_what_it_was_made_from(program):
    program.uops((0, 0))
    program.fill(MemType.ACC, [1, 2])
    program.gemm(reset=1, loop=(2, 3))
    program.gemm(loop=(2, 4))
    program.alu(AluOp.ADD, 1, loop=(2, 5))
    program.store(3)
    found = bound(program.words(), program.config)
    assert (found.reset_steps, found.gemm_steps, found.alu_steps) == (6, 8, 10)
    assert (found.read_bytes, found.write_bytes) == (4 + 128, 48)


@each_vector
def test_bound_of_vectors(path):
    """More latency never helps, a wider bus never hurts; no bound is below the steps."""
    vector = load_vector(path)
    options = {"tokens_before": vector.tokens_before}
    slow, fast, wide = (bound(vector.insns, vector.config, latency=latency, bus_bytes=width, **options)
                        for latency, width in ((64, 8), (0, 8), (0, 64)))
    assert slow.cycles >= fast.cycles >= wide.cycles
    assert wide.cycles >= wide.gemm_steps + wide.reset_steps + wide.alu_steps
    assert slow.tokens_left == vector.tokens_left


def test_finish_must_be_there():
    with pytest.raises(BoundError, match="there was no FINISH"):
        bound(np.array([[int(Opcode.ALU), 0]], np.uint64), Config())
