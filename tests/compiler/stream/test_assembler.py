"""Assembly text: golden lines, an exact round trip for every bit pattern, and errors with line and column."""

import golden_streams
import numpy as np
import pytest

from vta.compiler.stream.assembler import AssemblyError, assemble, disassemble, disassemble_uops
from vta.hw.config import PRESETS, Config
from vta.hw.isa import parse_hex, to_words

CONFIG = PRESETS["default"]
DEEP_ACC = Config(log_uop_buff_size=13, log_inp_buff_size=13, name="deep")      # micro-ops with unused bits


@pytest.mark.parametrize("name", golden_streams.STREAMS)
def test_golden(name):
    rows = golden_streams.rows(golden_streams.STREAMS[name])
    insns = np.array([to_words(parse_hex(word)) for word, _ in rows], np.uint64)
    assert disassemble(insns, CONFIG) == [text for _, text in rows]
    assert np.array_equal(assemble("\n".join(text for _, text in rows), CONFIG)[0], insns)


@pytest.mark.parametrize("config", [*PRESETS.values(), DEEP_ACC], ids=lambda config: config.name)
def test_round_trip_of_any_bits(config):
    """Random words have unknown opcodes and types, wild fields, and unused bits that are set."""
    random = np.random.default_rng(5)
    insns = random.integers(0, 1 << 64, (1000, 2), np.uint64, endpoint=False)
    uops = random.integers(0, 1 << 32, 200, np.uint32)
    text = "\n".join([*disassemble(insns, config), *disassemble_uops(uops, config)])
    again = assemble(text, config)
    assert np.array_equal(again[0], insns) and np.array_equal(again[1], uops)


def test_each_bit_alone_round_trips():
    for opcode in range(8):
        bits = [opcode | 1 << bit for bit in range(3, 128)]
        insns = np.array([to_words(word) for word in bits], np.uint64)
        assert np.array_equal(assemble("\n".join(disassemble(insns, CONFIG)), CONFIG)[0], insns)


def test_unused_bits_show():
    insns = np.array([[3 | 1 << 63, 0xbde]], np.uint64)
    assert disassemble(insns, CONFIG) == ["FINISH unused=bde_8000000000000000"]


def test_comments_numbers_and_empty_lines():
    insns, uops = assemble("# a comment\n\n  12: FINISH   ; the end\nUOP dst=3 wgt=0x2\n", CONFIG)
    assert insns.tolist() == [[3, 0]] and uops.tolist() == [3 | 2 << 22]


def test_order_of_operands_is_free():
    one, _ = assemble("LOAD INP x=2 y=1 pop_next sram=5", CONFIG)
    other, _ = assemble("LOAD INP pop_next sram=5 y=1 x=2", CONFIG)
    assert np.array_equal(one, other)


ERRORS = [
    ("LAOD INP", 1, 1, "expected a mnemonic of LOAD, STORE, GEMM, FINISH, ALU, WINDOW, UOP, found 'LAOD'"),
    ("FINISH\nLOAD IMP x=1", 2, 6, "expected one of UOP, WGT, INP, ACC, OUT, ACC_8BIT, INP_PAD, WGT_DIAG, found 'IMP'"),
    ("LOAD", 1, 5, "expected one of UOP, WGT"),
    ("LOAD MEM3", 1, 6, "found 'MEM3'"),
    ("OP3", 1, 1, "found 'OP3'"),
    ("LOAD INP x=", 1, 12, "expected a number for x_size, found ''"),
    ("LOAD INP  x=1o", 1, 13, "expected a number for x_size, found '1o'"),
    ("LOAD INP pad=1,2,16,0", 1, 18, "expected x_pad_0 from 0 to 15, found 16"),
    ("LOAD INP pad=1,2", 1, 14, "expected pad=N,N,N,N, found '1,2'"),
    ("LOAD INP x=1 x=2", 1, 14, "x is given twice"),
    ("LOAD INP wgt=1", 1, 10, "expected one of sram=, dram=, y=, x=, stride=, pad=, pop_prev"),
    ("LOAD INP pop_next=1", 1, 10, "found 'pop_next=1'"),
    ("GEMM uop=0:16384", 1, 12, "expected uop_end from 0 to 16383, found 16384"),
    ("ALU SHR imm=-32769", 1, 13, "expected imm from -32768 to 32767"),
    ("ALU SHR imm=1 unused_imm=1", 1, None, "imm and unused_imm exclude each other"),
    ("FINISH reset", 1, 8, "found 'reset'"),
    ("FINISH unused=8", 1, 15, "expected word1_word0 in hexadecimal, found '8'"),
    ("FINISH unused=0_7", 1, 15, "expected bits that no field of FINISH names"),
    ("UOP dst=0 unused=1", 1, 18, "expected bits that no field of UOP names"),
    ("UOP unused=zz", 1, 12, "expected a hexadecimal word"),
]


@pytest.mark.parametrize("text, line, column, words", ERRORS, ids=[row[0].strip() for row in ERRORS])
def test_errors_point(text, line, column, words):
    with pytest.raises(AssemblyError) as caught:
        assemble(text, CONFIG)
    assert words in str(caught.value) and caught.value.line == line
    if column is not None:
        assert str(caught.value).startswith(f"line {line}, column {column}: ")
