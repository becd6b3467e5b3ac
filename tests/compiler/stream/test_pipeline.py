"""Pipelines: tokens follow from reads and writes, exactly as many as needed."""

import numpy as np
import pytest

from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline, PipelineError
from vta.compiler.stream.stream import StreamError
from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType, Opcode, decode, from_words, layouts
from vta.runtime.device import open_device

CONFIG = PRESETS["default"]


def flags(code):
    """(opcode, flags set) of each instruction that is not a NOP."""
    known, found = layouts(CONFIG), []
    for pair in code.insns:
        word = from_words(pair)
        fields = decode(known.of(word & 7), word)
        if word & 7 in (Opcode.GEMM, Opcode.ALU) or fields.get("x_size"):
            found.append((Opcode(word & 7).name, [name for name in ("pop_prev", "pop_next", "push_prev", "push_next")
                                                  if fields[name]]))
    return found


def copier(slots, rounds, tiles=4):
    """Loads, shifts and stores `rounds` blocks in `slots` buffers, in rotation."""
    p = Pipeline(CONFIG)
    source = p.buffer("source", (rounds * tiles, 1, 16), "int32", "input")
    out = p.buffer("out", (rounds * tiles, 1, 16), "int8", "output")
    for n in range(rounds):
        base = n % slots * tiles
        p.load(MemType.ACC, base, source, n * tiles, tiles)
        p.alu(AluOp.SHR, [(tiles, 1)], [(base,)], 1)
        p.store(base, out, n * tiles, tiles)
    return p.code()


def test_tokens_where_memory_is_used_again():
    alone = [("LOAD", []), ("LOAD", []), ("ALU", ["push_next"]), ("STORE", ["pop_prev"])]
    found = flags(copier(slots=2, rounds=2))
    assert found[:4] == alone            # the second buffer is independent of the first
    again = flags(copier(slots=1, rounds=2))
    assert again[3][1][:2] == ["pop_prev", "push_prev"]           # the store frees the buffer
    assert again[4] == ("LOAD", ["pop_next"])                     # and the next load waits for it


@pytest.mark.parametrize("slots", [1, 2, 3])
def test_runs_and_leaves_no_token(slots):
    program = Program.from_code(copier(slots, rounds=7), "copier")      # the checker finds no fault
    data = np.random.default_rng(slots).integers(-200, 200, (28, 1, 16), dtype=np.int32)
    with open_device("sim", CONFIG) as device:
        outputs, result = program.run(device, source=data)
        assert not any(result.tokens_left.values())
    assert np.array_equal(outputs["out"], (data >> 1).astype(np.int8))


def test_kernels_of_one_site_share_their_micro_ops():
    p = Pipeline(CONFIG)
    out = p.buffer("out", (8, 1, 16), "int8", "output")
    p.reset(0, 8)
    for opcode, imm in ((AluOp.ADD, 5), (AluOp.MAX, 7), (AluOp.MIN, 9)):
        p.alu(opcode, [(8, 1)], [(0,)], imm)
    p.store(0, out, 0, 8)
    assert len(p.code().uops) == 2       # reset's and the ALU's


def test_every_output_is_stored_once():
    p = Pipeline(CONFIG)
    out = p.buffer("out", (8, 1, 16), "int8", "output")
    p.reset(0, 8)
    p.store(0, out, 0, 4)
    with pytest.raises(PipelineError, match="tile 4 of output 'out' is stored 0 times, 4 of 8 tiles"):
        p.code()
    p.store(0, out, 3, 5)
    with pytest.raises(PipelineError, match="tile 3 of output 'out' is stored 2 times, 1 of 8 tiles"):
        p.code()


@pytest.mark.parametrize(("call", "message"), [
    (lambda p, data, out: p.load(MemType.INP, 2047, data, 0, 2), "2 tiles from 2047 of INP: .* none beyond its 2048"),
    (lambda p, data, out: p.load(MemType.ACC, -1, data, 0, 1), "1 tiles from -1 of ACC"),
    (lambda p, data, out: p.load(MemType.UOP, 0, data, 0, 1), "INP, WGT, WGT_DIAG, ACC and ACC_8BIT can be loaded"),
    (lambda p, data, out: p.load(MemType.OUT, 0, data, 0, 1), "INP, WGT, WGT_DIAG, ACC and ACC_8BIT can be loaded"),
    (lambda p, data, out: p.reset(3000, 10), "10 tiles from 3000 of ACC"),
    (lambda p, data, out: p.store(0, out, 0, 0), "0 tiles from 0 of ACC: at least one"),
    (lambda p, data, out: p.gemm("g", [(8, 1, 1, 0)], [(0, 5000, 0)]), "8 tiles from 5000 of INP"),
    (lambda p, data, out: p.gemm("g", [], []), "there must be a step"),
    (lambda p, data, out: p.alu(AluOp.ADD, [(8, 1)], [(0, 0)]), "must have 2 and 3 numbers each"),
    (lambda p, data, out: p.alu(AluOp.ADD, [(8, 1)], [(0, 0)], 5), "must have 1 and 2 numbers each"),
    (lambda p, data, out: p.alu(AluOp.ADD, [(8, -1)], [(7,)], 5), "must not go backwards"),
    (lambda p, data, out: p.reset(0, 20000), "reset of 1 x 20000 tiles: one loop runs at most"),
])
def test_calls_are_checked_where_they_are_made(call, message):
    p = Pipeline(CONFIG)
    data, out = p.buffer("data", (4, 1, 16), "int8", "input"), p.buffer("out", (8, 1, 16), "int8", "output")
    with pytest.raises(ValueError, match=message):
        call(p, data, out)


def test_one_row_has_no_stride():
    p = Pipeline(CONFIG)
    data, out = p.buffer("data", (4, 1, 16), "int8", "input"), p.buffer("out", (4, 1, 16), "int8", "output")
    p.load(MemType.ACC_8BIT, 0, data, 0, 4, 1, 70000)
    p.alu(AluOp.ADD, [(4, 1)], [(0,)], 5)
    p.store(0, out, 0, 4, 1, 70000)
    assert Program.from_code(p.code(), "row").check().ok


def test_stores_beyond_the_output_are_refused():
    p = Pipeline(CONFIG)
    out = p.buffer("out", (8, 1, 16), "int8", "output")
    p.store(0, out, 0, 16)
    with pytest.raises(PipelineError, match="tiles 0 to 15 of output 'out' are stored, it has 8"):
        p.code()


def test_other_refusals_come_from_the_stream():
    p = Pipeline(CONFIG)
    data = p.buffer("data", (4, 1, 16), "int8", "input")
    p.load(MemType.INP, 0, data, 3, 2)
    with pytest.raises(StreamError, match="tiles 3 to 4 exceed buffer 'data'"):
        p.code()
