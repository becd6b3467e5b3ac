"""Streams: TVM's streams call by call, queue rules, relocation, and what is rejected."""

import runpy

import golden_streams
import numpy as np
import pytest
from repository import EXAMPLES
from vector_files import ABSENT, FOLDER

from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.stream import COMPUTE, LOAD, STORE, Stream, StreamError
from vta.hw.config import PRESETS
from vta.hw.isa import MEMORY, AluOp, EncodingError, MemType, Opcode, extract, from_words, layouts, parse_hex

CONFIG = PRESETS["default"]


def shared_vector(name):
    if not FOLDER.is_dir():
        pytest.skip(ABSENT)
    return np.load(FOLDER / f"{name}.npz")


def golden(name):
    return [parse_hex(row[0]) for row in golden_streams.rows(golden_streams.STREAMS[name])]


def words(stream, uops=0x3000):
    """The finished stream as integers, its micro-op image at TVM's address."""
    return [from_words(row) for row in stream.code().place([uops, *[0] * (len(stream.buffers) - 1)])]


def alu(s, site, op, imm, extent):
    with s.uop_kernel(site), s.uop_loop(extent, 1, 1, 0):
        s.uop_push(KernelMode.ALU, 0, 0, 0, 0, op, 1, imm)


def finish(s, target, x_size):
    s.dep_push(COMPUTE, STORE)
    s.dep_pop(COMPUTE, STORE)
    s.store_buffer_2d(0, MemType.OUT, target, 0, x_size, 1, x_size)
    s.sync()


def test_copy_is_the_golden_stream():
    s = Stream(CONFIG)
    s.load_buffer_2d(0x1000, 0, 4, 1, 4, (0, 0, 0, 0), 0, MemType.ACC)
    alu(s, "copy", AluOp.SHR, 0, 4)
    finish(s, 0x2000, 4)
    assert words(s) == golden("copy")


def test_padded_load_is_the_golden_stream():
    s = Stream(CONFIG)
    s.load_buffer_2d(0x1000, 0, 2, 2, 2, (1, 1, 1, 1), 0, MemType.ACC)
    alu(s, "copy", AluOp.SHR, 0, 16)
    finish(s, 0x4006000, 16)
    assert words(s) == golden("padded")


def test_gemm_is_the_golden_stream():
    s = Stream(CONFIG)
    with s.uop_kernel("reset"), s.uop_loop(4, 4, 0, 0), s.uop_loop(4, 1, 0, 0):
        s.uop_push(KernelMode.GEMM, 1, 0, 0, 0, 0, 0, 0)
    s.dep_push(COMPUTE, LOAD)
    s.dep_pop(COMPUTE, LOAD)
    s.load_buffer_2d(0x4003000, 0, 4, 1, 4, (0, 0, 0, 0), 0, MemType.INP)
    s.load_buffer_2d(0x4004000, 0, 4, 1, 4, (0, 0, 0, 0), 0, MemType.WGT)
    s.dep_push(LOAD, COMPUTE)
    s.dep_pop(LOAD, COMPUTE)
    with s.uop_kernel("gemm"), s.uop_loop(4, 4, 1, 0), s.uop_loop(4, 1, 0, 1):
        s.uop_push(KernelMode.GEMM, 0, 0, 0, 0, 0, 0, 0)
    alu(s, "shift", AluOp.SHR, 8, 16)
    alu(s, "low", AluOp.MAX, 0, 16)
    alu(s, "high", AluOp.MIN, 127, 16)
    finish(s, 0x4005000, 16)
    assert words(s) == golden("gemm")


def test_convolution_by_hand_is_tvms_stream():
    theirs = shared_vector("tut_conv_vt2")["insns"]
    code = runpy.run_path(str(EXAMPLES / "conv2d_by_hand.py"))["build"]().code
    assert code.insns.shape == theirs.shape == (3366, 2)
    assert len(code.uops) * 4 == 1144
    compare_fields(code.insns, theirs)


def compare_fields(ours, theirs):
    """Every field of every instruction except DRAM addresses."""
    formats = layouts(CONFIG)
    opcodes = extract(theirs, formats.control["opcode"])
    for opcode in Opcode:
        rows = np.flatnonzero(opcodes == opcode)
        for name, field in formats.of(opcode):
            if name != "dram_base":
                same = np.array_equal(extract(ours[rows], field), extract(theirs[rows], field))
                assert same, (opcode, name)


def test_relative_dram_addresses_are_tvms():
    """In each buffer, TVM's addresses minus that of the first access are ours minus the first."""
    theirs = shared_vector("tut_conv_vt2")["insns"]
    code = runpy.run_path(str(EXAMPLES / "conv2d_by_hand.py"))["build"]().code
    ours = extract(code.insns, MEMORY["dram_base"])
    theirs = extract(theirs, MEMORY["dram_base"])
    for owner in range(len(code.buffers)):
        rows = code.relocations[code.relocations[:, 1] == owner, 0]
        assert len(rows) and np.array_equal(ours[rows] - ours[rows[0]], theirs[rows] - theirs[rows[0]])


def test_second_pop_of_a_kind_makes_a_nop():
    s = Stream(CONFIG)
    for _ in range(2):
        s.dep_pop(STORE, COMPUTE)
    s.sync()
    # pop_next; STORE and LOAD NOPs that push; pop_next again, as the sync pops that queue too; both
    assert words(s) == [0x10, 0x21, 0x140, 0x10, 0x18, 3]


def test_push_joins_the_last_instruction_of_its_unit_only():
    s = Stream(CONFIG)
    s.load_buffer_2d(0x1000, 0, 1, 1, 1, (0, 0, 0, 0), 0, MemType.INP)
    s.dep_push(LOAD, COMPUTE)
    s.dep_push(LOAD, COMPUTE)           # the flag is taken: a NOP
    s.dep_push(LOAD, COMPUTE)           # a LOAD NOP never takes a push
    s.dep_push(STORE, COMPUTE)
    s.dep_push(COMPUTE, STORE)
    kinds = [word & 0x7f for word in s._insns]
    assert kinds == [0x40, 0x40, 0x40, 0x21, 0x40]
    assert [word >> 80 & 0xffff for word in s._insns] == [1, 0, 0, 0, 0]


def test_push_first_takes_pending_pops():
    s = Stream(CONFIG)
    s.load_buffer_2d(0x1000, 0, 1, 1, 1, (0, 0, 0, 0), 0, MemType.INP)
    s.dep_pop(COMPUTE, LOAD)
    s.dep_push(LOAD, COMPUTE)
    assert [word & 0x7f for word in s._insns] == [0, 0x10, 0x40]


def test_one_loop_is_outer_for_gemm_and_inner_for_alu():
    s = Stream(CONFIG)
    with s.uop_kernel("gemm"), s.uop_loop(5, 1, 2, 3):
        s.uop_push(KernelMode.GEMM, 0, 0, 0, 0, 0, 0, 0)
    alu(s, "alu", AluOp.ADD, 1, 5)
    formats = layouts(CONFIG)
    fields = [(extract(np.array([[word & (1 << 64) - 1, word >> 64]], np.uint64), formats.gemm[name])[0])
              for word in (s._insns[1], s._insns[3]) for name in ("iter_out", "iter_in")]
    assert fields == [5, 1, 1, 5]


def test_kernels_load_once_per_site_and_content():
    s = Stream(CONFIG)
    for _ in range(3):
        alu(s, "a", AluOp.ADD, 1, 2)
    alu(s, "b", AluOp.ADD, 1, 2)
    s.sync()
    code = s.code()
    sized = extract(code.insns, MEMORY["x_size"]) > 0
    assert (sized & (extract(code.insns, MEMORY["opcode"]) == Opcode.LOAD)).sum() == len(code.uops) == 2


def test_eviction_never_changes_what_was_loaded():
    """Twice as many kernels as fit, then the first again: it is loaded again, from the same address."""
    s = Stream(PRESETS["tiny"])
    depth = s.config.depth["UOP"]

    def kernel(n):
        with s.uop_kernel(f"k{n}"):
            for m in range(depth // 4):
                s.uop_push(KernelMode.GEMM, 0, n, m % 4, 0, 0, 0, 0)

    for n in [*range(8), 0, 7]:
        kernel(n)
    s.sync()
    code = s.code()
    is_load = (code.insns[:, 0] & np.uint64(0x387)) == 0
    loads = np.flatnonzero(is_load & (extract(code.insns, MEMORY["x_size"]) > 0))
    offsets = extract(code.insns[loads], MEMORY["dram_base"]).tolist()
    assert offsets == [n * depth // 4 for n in [*range(8), 0]] and len(code.uops) == 2 * depth
    assert extract(code.insns[loads], MEMORY["sram_base"]).tolist() == [n % 4 * depth // 4 for n in range(9)]
    dst = extract(code.uops, layouts(s.config).uop["dst"])
    assert dst[::depth // 4].tolist() == list(range(8))


def test_placing_moves_each_buffer():
    s = Stream(CONFIG)
    a, b = s.buffer("a", (64,), "int8", "input"), s.buffer("b", (64,), "int8", "output")
    s.load_buffer_2d(a, 1, 2, 1, 2, (0, 0, 0, 0), 0, MemType.INP)
    s.store_buffer_2d(0, MemType.OUT, b, 3, 1, 1, 1)
    s.sync()
    placed = s.code().place([0x3000, 0x1000, 0x2000])
    assert extract(placed[:2], MEMORY["dram_base"]).tolist() == [0x1000 // 16 + 1, 0x2000 // 16 + 3]
    with pytest.raises(StreamError, match="'b' at 0x2008 is not aligned to its tiles of 16 bytes"):
        s.code().place([0x3000, 0x1000, 0x2008])
    with pytest.raises(StreamError, match="beyond the 32 bits"):
        s.code().place([0x3000, 0x1000, 1 << 36])
    with pytest.raises(StreamError, match="2 addresses for 3 buffers"):
        s.code().place([0, 0])


def load(s, **changes):
    call = {"buffer": 0x1000, "offset": 0, "x_size": 1, "y_size": 1, "x_stride": 1, "pads": (0, 0, 0, 0),
            "sram_index": 0, "mem_type": MemType.INP} | changes
    s.load_buffer_2d(**call)


REFUSED = [
    (lambda s: load(s, x_size=0), StreamError, "1 x 0 tiles: each must be at least 1"),
    (lambda s: load(s, y_size=0), StreamError, "0 x 1 tiles"),
    (lambda s: load(s, sram_index=2047, x_size=2), StreamError, "2047 to 2048 exceed the memory's 2048"),
    (lambda s: load(s, buffer=0x1008), StreamError, "0x1008 is not aligned to tiles of 16 bytes"),
    (lambda s: load(s, pads=(16, 0, 0, 0)), EncodingError, r"x_pad_0 = 16 does not fit 4 bits \(0 to 15\)"),
    (lambda s: load(s, x_stride=65536), EncodingError, "x_stride = 65536 does not fit 16 bits"),
    (lambda s: load(s, buffer=1 << 36), EncodingError, "dram_base = 4294967296 does not fit 32 bits"),
    (lambda s: load(s, buffer=s.buffer("a", (32,), "int8", "input"), x_size=3), StreamError,
     "tiles 0 to 2 exceed buffer 'a' of 2 tiles"),
    (lambda s: load(s, buffer=Stream(CONFIG).buffer("a", (32,), "int8", "input")), StreamError,
     "'a' belongs to another stream"),
    (lambda s: s.store_buffer_2d(0, MemType.ACC, 0x1000, 0, 1, 1, 1), StreamError, "STORE of ACC: only OUT"),
    (lambda s: s.store_buffer_2d(0, MemType.OUT, s.buffer("a", (16,), "int8", "const"), 0, 1, 1, 1),
     StreamError, "STORE to buffer 'a', which is of kind 'const'"),
    (lambda s: s.buffer("uop", (1,), "int8", "input"), StreamError, "declared twice"),
    (lambda s: s.buffer("../x", (1,), "int8", "input"), StreamError, "must be letters"),
    (lambda s: s.buffer("x", (1,), "int8", "inputs"), StreamError, "kind 'inputs' must be one of"),
    (lambda s: s.buffer("x", (1,), "float32", "input"), StreamError, "no array of integers"),
    (lambda s: s.dep_push(LOAD, STORE), StreamError, "no token queue leads from unit 1 to unit 3"),
    (lambda s: s.uop_push(0, 0, 0, 0, 0, 0, 0, 0), StreamError, "uop_push outside a kernel"),
    (lambda s: s.code(), StreamError, "call sync first"),
]


@pytest.mark.parametrize("call, error, words", REFUSED, ids=[words[:30] for _, _, words in REFUSED])
def test_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(Stream(CONFIG))


def test_nothing_follows_sync():
    s = Stream(CONFIG)
    s.sync()
    with pytest.raises(StreamError, match="nothing follows sync"):
        s.dep_push(LOAD, COMPUTE)
