"""The instruction formats: golden encodings, golden masks of every field, ranges, other configurations."""

import dataclasses

import golden_streams
import numpy as np
import pytest

from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES
from vta.hw.isa import (
    MAX_PAD,
    MAX_SIZE,
    MAX_TRIPS,
    TOKEN_FLAGS,
    TOKEN_MASK,
    UNIT_QUEUES,
    AluOp,
    EncodingError,
    MemType,
    Opcode,
    Queue,
    Unit,
    decode,
    encode,
    extract,
    field_range,
    from_words,
    layouts,
    opcode_of,
    parse_hex,
    to_words,
    unit_of,
)

DEFAULT = layouts(Config())
FULL = dataclasses.replace(Config(), features=frozenset(FEATURES))
HEX = "{0[1]:016x}_{0[0]:016x}"
SHIFT = {"opcode": Opcode.ALU, "pop_prev": 1, "uop_bgn": 5, "uop_end": 6, "iter_out": 2, "iter_in": 196,
         "dst_factor_out": 196, "dst_factor_in": 1, "src_factor_in": 1}
ENCODINGS = [
    ({"opcode": Opcode.LOAD, "pop_prev": 1, "push_prev": 1, "mem_type": MemType.ACC, "sram_base": 0x1234,
      "dram_base": 0x89ABCDEF, "y_size": 0x102, "x_size": 0x304, "x_stride": 0x506, "y_pad_0": 1,
      "y_pad_1": 2, "x_pad_0": 3, "x_pad_1": 4}, "4321050603040102_0226af37bc48d1a8"),
    ({"opcode": Opcode.STORE, "pop_prev": 1, "push_prev": 1, "mem_type": MemType.OUT, "sram_base": 0x7FF,
      "dram_base": 0x400123, "y_size": 7, "x_size": 14, "x_stride": 56}, "00000038000e0007_000100048c1ffe29"),
    ({"opcode": Opcode.GEMM, "pop_next": 1, "push_next": 1, "uop_bgn": 0x123, "uop_end": 0x456,
      "iter_out": 14, "iter_in": 3, "dst_factor_out": 14, "dst_factor_in": 1, "src_factor_out": 0x2AA,
      "src_factor_in": 2, "wgt_factor_out": 9, "wgt_factor_in": 0x155}, "55409004aa80080e_000600708ac12352"),
    ({"opcode": Opcode.GEMM, "reset": 1, "push_prev": 1, "uop_bgn": 8191, "uop_end": 8192, "iter_out": 16383,
      "iter_in": 1, "dst_factor_out": 2047}, "00000000000007ff_0003fffc001fffa2"),
    (SHIFT | {"alu_opcode": AluOp.SHR, "use_imm": 1, "imm": 8}, "0008b002000008c4_0188001000c0050c"),
    (SHIFT | {"alu_opcode": AluOp.SHR, "use_imm": 1, "imm": -4}, "fffcb002000008c4_0188001000c0050c"),
    (SHIFT | {"alu_opcode": AluOp.MIN, "use_imm": 1, "imm": 127}, "007f8002000008c4_0188001000c0050c"),
    (SHIFT | {"alu_opcode": AluOp.MAX, "use_imm": 1, "imm": -128}, "ff809002000008c4_0188001000c0050c"),
    (SHIFT | {"alu_opcode": AluOp.ADD}, "00002002000008c4_0188001000c0050c"),
    (SHIFT | {"alu_opcode": AluOp.MUL}, "00004002000008c4_0188001000c0050c"),
    ({"opcode": Opcode.FINISH}, "0000000000000000_0000000000000003"),
    ({"opcode": Opcode.LOAD, "mem_type": MemType.INP, "push_next": 1}, "0000000000000000_0000000000000140"),
    ({"opcode": Opcode.LOAD, "pop_prev": 1, "pop_next": 1}, "0000000000000000_0000000000000018"),
    ({"opcode": Opcode.STORE, "push_prev": 1}, "0000000000000000_0000000000000021"),
]


@pytest.mark.parametrize("fields, text", ENCODINGS, ids=[text for _, text in ENCODINGS])
def test_golden_encodings(fields, text):
    layout = DEFAULT.of(fields["opcode"])
    word = encode(layout, fields)
    assert HEX.format(to_words(word)) == text and parse_hex(text) == word
    assert decode(layout, word) == dict.fromkeys(layout.fields, 0) | fields


def test_golden_micro_op():
    assert encode(DEFAULT.uop, {"dst": 0x5A5, "src": 0x2D2, "wgt": 0x1E1}) == 0x785695A5


MASKS = {
    "memory": {"mem_type": "0_0000000000000380", "sram_base": "0_0000000003fffc00",
               "dram_base": "0_03fffffffc000000", "y_size": "ffff_0", "x_size": "ffff0000_0",
               "x_stride": "ffff00000000_0", "y_pad_0": "f000000000000_0", "y_pad_1": "f0000000000000_0",
               "x_pad_0": "f00000000000000_0", "x_pad_1": "f000000000000000_0"},
    "gemm": {"reset": "0_80", "uop_bgn": "0_00000000001fff00", "uop_end": "0_00000007ffe00000",
             "iter_out": "0_0001fff800000000", "iter_in": "0_7ffe000000000000", "dst_factor_out": "7ff_0",
             "dst_factor_in": "3ff800_0", "src_factor_out": "1ffc00000_0", "src_factor_in": "ffe00000000_0",
             "wgt_factor_out": "3ff00000000000_0", "wgt_factor_in": "ffc0000000000000_0"},
    "alu": {"alu_opcode": "700000000000_0", "use_imm": "800000000000_0", "imm": "ffff000000000000_0"},
    "control": {"opcode": "0_7", "pop_prev": "0_8", "pop_next": "0_10", "push_prev": "0_20",
                "push_next": "0_40"},
}


@pytest.mark.parametrize("layout, name", [(layout, name) for layout in MASKS for name in MASKS[layout]])
def test_golden_masks(layout, name):
    """Each field covers the bits it should and no other."""
    mask, layout = parse_hex(MASKS[layout][name]), getattr(DEFAULT, layout)
    field = layout[name]
    assert mask == ((1 << field.width) - 1) << field.offset
    assert decode(layout, mask)[name] == (-1 if field_range(field)[0] < 0 else mask >> field.offset)
    assert decode(layout, ~mask & (1 << 128) - 1)[name] == 0


@pytest.mark.parametrize("config", [Config(), *PRESETS.values(), Config(log_batch=2, log_block=3,
                                    log_inp_buff_size=16, log_wgt_buff_size=16, log_acc_buff_size=18)],
                         ids=lambda config: config.name)
def test_no_field_overlaps_another_or_straddles_a_word(config):
    table = layouts(config)
    for layout, limit in ((table.memory, 64), (table.gemm, 64), (table.alu, 64), (table.uop, 32)):
        taken = 0
        for _, field in layout:
            mask = ((1 << field.width) - 1) << field.offset
            assert not taken & mask
            assert field.offset // limit == (field.offset + field.width - 1) // limit
            taken |= mask


def test_block_of_32():
    """Widths follow the depths: I = 10, W = 8, A = 10."""
    def places(layout, *names):
        return [(layout[name].offset, layout[name].width) for name in names]

    table = layouts(Config(log_block=5))
    found = places(table.gemm, "dst_factor_out", "src_factor_in", "wgt_factor_in")
    assert found == [(64, 10), (94, 10), (112, 8)]
    assert places(table.alu, "alu_opcode", "use_imm", "imm") == [(104, 3), (107, 1), (108, 16)]
    assert places(table.uop, "dst", "src", "wgt") == [(0, 10), (10, 10), (20, 8)]


@pytest.mark.parametrize("fields, words", [
    ({"sram_base": 65536}, r"sram_base = 65536 does not fit 16 bits \(0 to 65535\)"),
    ({"x_pad_0": -1}, r"x_pad_0 = -1 does not fit 4 bits"), ({"colour": 1}, "no field 'colour'")])
def test_nothing_is_truncated(fields, words):
    with pytest.raises(EncodingError, match=words):
        encode(DEFAULT.memory, fields)


def test_limits_of_the_immediate():
    for imm in (-32768, 32767):
        assert decode(DEFAULT.alu, encode(DEFAULT.alu, {"imm": imm}))["imm"] == imm
    for imm in (-32769, 32768):
        with pytest.raises(EncodingError, match="-32768 to 32767"):
            encode(DEFAULT.alu, {"imm": imm})


def test_columns_equal_single_words():
    words = np.random.default_rng(0).integers(0, 1 << 64, (50, 2), np.uint64)
    for layout in (DEFAULT.memory, DEFAULT.gemm, DEFAULT.alu):
        single = [decode(layout, from_words(pair)) for pair in words]
        for name, field in layout:
            assert extract(words, field).tolist() == [fields[name] for fields in single]


@pytest.mark.parametrize("text", ["", "12", "1_2_3", "g_1", "1_" + "0" * 17])
def test_bad_hexadecimal(text):
    with pytest.raises(EncodingError, match="not of the form word1_word0"):
        parse_hex(text)


def test_routing():
    for config, inputs in ((PRESETS["stock"], {1, 2}), (FULL, {1, 2, 6, 7})):
        loads = {mem: unit_of(config, Opcode.LOAD, mem) for mem in range(8)}
        assert {mem for mem, unit in loads.items() if unit == Unit.LOAD} == inputs
        assert all(loads[mem] == Unit.COMPUTE for mem in set(range(8)) - inputs)
        assert {unit_of(config, Opcode.STORE, mem) for mem in range(8)} == {Unit.STORE}
        assert {unit_of(config, opcode) for opcode in range(2, 8)} == {Unit.COMPUTE}


def test_tokens_and_queues():
    """The flags of each unit, as docs/isa.md lists them, and both ends of each queue, come from one table."""
    assert UNIT_QUEUES == {
        Unit.LOAD: (None, Queue.G2L, None, Queue.L2G),
        Unit.COMPUTE: (Queue.L2G, Queue.S2G, Queue.G2L, Queue.G2S),
        Unit.STORE: (Queue.G2S, None, Queue.S2G, None)}
    for queue in Queue:
        assert UNIT_QUEUES[queue.producer][TOKEN_FLAGS.index(queue.push_flag)] is queue
        assert UNIT_QUEUES[queue.consumer][TOKEN_FLAGS.index(queue.pop_flag)] is queue
        assert Queue.between(queue.producer, queue.consumer) is queue and Queue(int(queue)) is queue
    assert Queue.between(Unit.LOAD, Unit.STORE) is None
    assert encode(DEFAULT.control, dict.fromkeys(TOKEN_FLAGS, 1)) == TOKEN_MASK == 0x78


def test_limits():
    """The limits that the compiler obeys are those of the fields."""
    assert (MAX_SIZE, MAX_PAD, MAX_TRIPS) == (65535, 15, 16383)
    for limit, names in ((MAX_SIZE, ("x_size", "y_size", "x_stride")),
                         (MAX_PAD, ("x_pad_0", "x_pad_1", "y_pad_0", "y_pad_1"))):
        assert {field_range(DEFAULT.memory[name]) for name in names} == {(0, limit)}
    assert {field_range(layout[name]) for layout in (DEFAULT.gemm, DEFAULT.alu)
            for name in ("iter_out", "iter_in")} == {(0, MAX_TRIPS)}


def test_golden_streams_survive_decoding():
    """Every golden instruction has only meaningful bits, and comes back from its fields."""
    for text in golden_streams.STREAMS.values():
        for row in golden_streams.rows(text):
            word = parse_hex(row[0])
            layout = DEFAULT.of(opcode_of(word))
            assert encode(layout, decode(layout, word)) == word
