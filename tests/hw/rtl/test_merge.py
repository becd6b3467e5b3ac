"""hw/rtl/merge.py: tiles and steps become ops in the order of their tickets, at the promised cost."""

import dataclasses
from random import Random

import pytest
from merge_bench import CONFIG, INSIDE, Program, run
from stream_bench import each_stall

from vta.hw.isa import AluOp, Opcode
from vta.hw.rtl.compute_decoder import Kind

REQUANTISES = dataclasses.replace(CONFIG, features=frozenset(["requantise", "window"]))
MACHINES = pytest.mark.parametrize("config", [CONFIG, REQUANTISES], ids=["stock", "requantise"])


def programs(seed, count=80, tiles=6, **options):
    program = Program(Random(seed), tiles, **options)
    program.load(range(tiles))
    for _ in range(count):
        program.random_instruction()
    return program


@each_stall
@MACHINES
@pytest.mark.parametrize("tiles", [2, 6])
def test_program_order(tiles, config, stalls):
    program = programs(tiles, tiles=tiles, config=config)
    _, hazards = run(program, stalls)
    assert hazards == program.hazards


def test_costs():
    """Without stalls there is an op every cycle, and their number is as promised; one cycle more for each operand that
    the op just before wrote."""
    program = programs(9)
    cycles, hazards = run(program)
    assert hazards == program.hazards and len(cycles) == program.cost + program.hazards
    assert cycles[-1] - cycles[0] == len(cycles) - 1 + program.stalls and program.stalls > 10


@pytest.mark.parametrize("fields, cost", [
    ({"is_alu": 0, "wgt": 1}, 1), ({"is_alu": 0, "reset": 1, "wgt": 0}, 1),
    ({"alu_opcode": AluOp.ADD, "use_imm": 1}, 1), ({"alu_opcode": AluOp.MUL, "use_imm": 1}, 4),
    ({"alu_opcode": AluOp.ADD, "src": 2}, 2), ({"alu_opcode": AluOp.ADD, "src": 3}, 1),
    ({"alu_opcode": AluOp.ADD, "src": 1}, 1), ({"alu_opcode": AluOp.MUL, "src": 4}, 5),
    ({"alu_opcode": AluOp.MUL, "src": 3}, 4), ({"alu_opcode": AluOp.PAR, "src": 5}, 3),
    ({"alu_opcode": AluOp.REQ}, 1), ({"alu_opcode": AluOp.REQ, "imm": 2}, 1), ({"alu_opcode": AluOp.REQ, "imm": 1}, 3),
    ({"is_alu": 0, "wgt": 1, "requantise": 1}, 1)], ids=str)
def test_cost_of_one_step(fields, cost):
    """dst is tile 1, of bank 1 like 2 and 4; 3 is of bank 0."""
    program = Program(Random(0), config=REQUANTISES)
    alu = fields.get("is_alu", 1)
    program.nest(Opcode.ALU if alu else Opcode.GEMM, {"imm": 2, "use_imm": 0} | fields, [(1, fields.get("src", 0), 1)])
    cycles, _ = run(program)
    assert len(cycles) == cost


def test_stock_programs_cost_the_same_beside_a_requantiser():
    assert run(programs(9, config=REQUANTISES, stock=True)) == run(programs(9))


def requantising(*instructions):
    """The cycles of the ops of some instructions (opcode, fields, tiles), the first one in cycle 0."""
    program = Program(Random(0), config=REQUANTISES)
    for opcode, fields, *rest in instructions:
        program.nest(opcode, fields, *rest)
    return relative(program)


def relative(program):
    cycles, _ = run(program)
    return [cycle - cycles[0] for cycle in cycles]


WAIT = INSIDE + 2     # from an op that enters the requantiser to one that waits until its tile has left
GEMM = Opcode.GEMM, {"reset": 1, "requantise": 1}
REQ = {"alu_opcode": AluOp.REQ, "use_imm": 0, "imm": 0, "dst_factor_in": 1}
PLAIN = Opcode.ALU, {"alu_opcode": AluOp.ADD, "use_imm": 1, "imm": 1}, [(9, 0, 0)]
PAR = Opcode.ALU, {"alu_opcode": AluOp.PAR, "use_imm": 0, "imm": 0}, [(0, 9, 0)]


def tiles(count, first=0):
    return [(first + n, 0, 0) for n in range(count)]


def test_requantised_steps_follow_each_other():
    """A step a cycle, with one cycle between instructions while there are tiles in the requantiser."""
    assert requantising((*GEMM, tiles(40)), (*GEMM, tiles(6, 40), 2)) == [*range(40), *range(41, 47)]


@pytest.mark.parametrize("fields, steps", [
    ({}, [0, 1, 2, 3]), ({"imm": 1}, [*range(12)]), ({"dst_factor_in": 2}, [n * WAIT for n in range(4)]),
    ({"iter_out": 2}, [n * WAIT for n in range(4)])], ids=["quick", "wide", "even", "two loops"])
def test_steps_of_req(fields, steps):
    """Those whose tiles differ for long follow each other; others wait until the tile before is written."""
    assert requantising((Opcode.ALU, REQ | fields, tiles(4))) == steps


@pytest.mark.parametrize("instruction, waits", [
    (PLAIN, True), (PAR, True), ((Opcode.GEMM, {"reset": 1}, tiles(1)), True),
    ((Opcode.WINDOW, {"reset": 1}, tiles(1)), True), ((*GEMM, tiles(1)), False), ((Opcode.ALU, REQ, tiles(1)), False)],
    ids=["ADD", "PAR", "reset", "WINDOW", "requantised GEMM", "REQ"])
def test_a_step_behind_requantised_ones(instruction, waits):
    """What does not requantise waits until the last tile has left."""
    assert requantising((*GEMM, tiles(3)), instruction)[3] == (2 + WAIT if waits else 4)


@pytest.mark.parametrize("instruction, waits", [
    (PLAIN, True), ((*GEMM, tiles(1)), True), ((Opcode.ALU, REQ, tiles(1)), True)],
    ids=["ADD", "requantised GEMM", "REQ"])
def test_a_step_behind_req(instruction, waits):
    """It may read, or write, what has not been written yet."""
    assert requantising((Opcode.ALU, REQ, tiles(3, 20)), instruction)[3] == 2 + WAIT


@pytest.mark.parametrize("kind, tag, waits", [
    (Kind.NOTHING, {}, False), (Kind.NOTHING, {"push_prev": 1}, False), (Kind.NOTHING, {"push_next": 1}, True),
    (Kind.NOTHING, {"finish": 1}, True), (Kind.UOPS, {}, False), (Kind.TILES, {}, True)], ids=str)
def test_other_instructions_behind_requantised_steps(kind, tag, waits):
    program = Program(Random(0), config=REQUANTISES)
    program.nest(*GEMM, tiles(3))
    if kind == Kind.TILES:
        program.load([5], **tag)
    else:
        program.ticket(kind, **tag)
    assert relative(program)[3] == (2 + WAIT if waits else 4)
