"""The checker: clean streams pass, and every fault planted in one is found and named."""

import runpy

import numpy as np
import pytest
from repository import EXAMPLES
from vector_files import ABSENT, FILES

from vta.compiler.check.checker import CheckError, check
from vta.compiler.stream.assembler import assemble
from vta.hw.config import PRESETS, Config
from vta.hw.isa import AluOp, Opcode
from vta.sources import open_source

CONFIG = PRESETS["default"]
UNKNOWN = max(AluOp) + 1
FLAGS = {"pop_prev": 8, "pop_next": 16, "push_prev": 32, "push_next": 64}

CLEAN = """
    LOAD UOP dram=0 y=1 x=1 stride=1
    GEMM reset uop=0:1 iter=4x1 dst=1/0 src=0/0 wgt=0/0 push_prev
    LOAD INP sram=0 dram=0x100 y=1 x=4 stride=4 pop_next
    LOAD WGT sram=0 dram=0x20 y=1 x=1 stride=1 push_next
    GEMM uop=0:1 iter=4x1 dst=1/0 src=1/0 wgt=0/0 pop_prev push_prev
    LOAD INP sram=2 dram=0x104 y=1 x=4 stride=4 pop_next push_next
    GEMM uop=0:1 iter=1x4 dst=0/1 src=0/1 wgt=0/0 pop_prev
    ALU SHR uop=0:1 iter=1x4 dst=0/1 src=0/1 imm=8 push_next
    STORE OUT sram=0 dram=0x300 y=1 x=4 stride=4 pop_prev push_prev
    LOAD INP push_next
    LOAD UOP pop_prev pop_next
    FINISH
"""


def report(text, config=CONFIG, **facts):
    insns, uops = assemble(text, config)
    image = np.zeros(64, np.uint8)                      # micro-ops 0 at address 0
    image[:uops.nbytes] = uops.view(np.uint8)

    def memory(address, nbytes):
        return image[address:address + nbytes] if address + nbytes <= image.size else None

    return check(insns, config, **{"memory": memory} | facts)


def planted(old, new, **facts):
    """The report on CLEAN with one text replaced."""
    assert CLEAN.count(old) == 1
    return report(CLEAN.replace(old, new), **facts)


def kinds(found):
    return sorted({fault.kind for fault in found.faults})


def test_clean():
    found = report(CLEAN)
    assert found.ok and found.uops_known and not any(found.tokens_left.values())
    assert str(found) == "12 instructions, no faults"
    assert found.require() is found


def test_load_races_with_gemm():
    """The second load no longer waits for the first GEMM; it overwrites two tiles that the GEMM reads."""
    found = planted("x=4 stride=4 pop_next push_next", "x=4 stride=4 push_next")
    assert kinds(found) == ["race", "tokens"]
    race = found.faults[0]
    assert (race.insn, race.other) == (5, 4) or (race.insn, race.other) == (4, 5)
    assert "INP[2..3]" in race.message and "no token orders the two" in race.message


def test_gemm_reads_before_its_load():
    found = planted("dst=0/1 src=0/1 wgt=0/0 pop_prev", "dst=0/1 src=0/1 wgt=0/0")
    assert "race" in kinds(found) and "tokens" in kinds(found)


def test_store_races_with_compute():
    text = CLEAN.replace("stride=4 pop_prev push_prev\n",
                         "stride=4 pop_prev push_prev\nALU MAX uop=0:1 iter=1x2 dst=0/1 src=0/1 imm=0\n")
    found = report(text)
    assert kinds(found) == ["race"] and "OUT[0..1]" in found.faults[0].message


def test_deadlock_names_who_waits_where():
    found = planted("dst=1/0 src=0/0 wgt=0/0 push_prev", "dst=1/0 src=0/0 wgt=0/0")
    assert kinds(found) == ["deadlock"]
    assert "load waits at instruction" in str(found) and "for a token of G2L" in str(found)
    assert "compute waits at instruction" in str(found) and "store waits at instruction 8" in str(found)


def test_token_left_over():
    found = planted("LOAD INP push_next", "LOAD INP push_next\nLOAD INP push_next")
    assert kinds(found) == ["tokens"] and "1 token left in L2G, 0 expected" in str(found)
    assert found.tokens_left["l2g"] == 1
    assert planted("LOAD INP push_next", "LOAD INP push_next\nLOAD INP push_next", tokens_left={"l2g": 1}).ok


def test_tokens_before():
    text = CLEAN.replace("iter=4x1 dst=1/0 src=0/0 wgt=0/0 push_prev",
                         "iter=4x1 dst=1/0 src=0/0 wgt=0/0 pop_next push_prev")
    assert kinds(report(text)) == ["deadlock"]
    assert report(text, tokens_before={"s2g": 1}).ok


@pytest.mark.parametrize("old, new, words", [
    ("sram=2 dram=0x104", "sram=4 dram=0x104", None),
    ("LOAD WGT sram=0", "LOAD WGT sram=1", "instruction 4: reads WGT[0], which nothing has written"),
    ("src=1/0", "src=2/0", "instruction 4: reads INP[4], which nothing has written"),
    ("iter=1x4 dst=0/1 src=0/1 imm=8", "iter=1x5 dst=0/1 src=0/1 imm=8",
     "instruction 7: reads ACC[4], which nothing has written"),
    ("STORE OUT sram=0", "STORE OUT sram=1", "instruction 8: reads OUT[4], which nothing has written"),
    ("GEMM reset uop=0:1", "GEMM reset uop=0:2", "instruction 1: reads UOP[1], which nothing has written"),
])
def test_unwritten(old, new, words):
    found = planted(old, new)
    if words is None:
        assert found.ok
    else:
        assert "unwritten" in kinds(found) and words in str(found)


def test_stream_that_stores_nothing_may_read_anything():
    """TVM's benchmark of GEMM alone does; its results cannot depend on it."""
    found = report("LOAD UOP y=1 x=1 stride=1\nGEMM uop=0:1 iter=4x1 dst=1/0 src=1/0 wgt=0/0\nFINISH")
    assert found.ok


@pytest.mark.parametrize("old, new, words", [
    ("sram=2 dram=0x104", "sram=2045 dram=0x104", "reaches INP index 2048, the memory has 2048"),
    ("STORE OUT sram=0", "STORE OUT sram=2047", "reaches OUT index 2050"),
    ("iter=1x4 dst=0/1 src=0/1 wgt=0/0", "iter=1x4 dst=0/1 src=0/1000 wgt=0/0", "reaches INP index 3000"),
    ("iter=1x4 dst=0/1 src=0/1 imm=8", "iter=1x4 dst=0/800 src=0/0 imm=8", "reaches ACC index 2400"),
    ("ALU SHR uop=0:1", "ALU SHR uop=8191:8193", "reaches UOP index 8192"),
])
def test_bounds(old, new, words):
    found = planted(old, new)
    assert "bounds" in kinds(found) and words in str(found)


@pytest.mark.parametrize("old, new, words", [
    ("LOAD UOP pop_prev pop_next", "OP6 pop_prev pop_next", "instruction 10: unknown opcode 6"),
    ("ALU SHR", f"ALU ALU{UNKNOWN}", f"instruction 7: unknown ALU operation {UNKNOWN}"),
    ("LOAD INP sram=2", "LOAD OUT sram=2", "instruction 5: LOAD of memory type 4"),
    ("STORE OUT", "STORE ACC", "instruction 8: STORE of memory type 3"),
    ("stride=4 pop_prev push_prev", "stride=4 pad=0,1,0,0 pop_prev push_prev", "STORE with padding"),
    ("LOAD INP push_next", "LOAD INP push_prev push_next", "push_prev on an instruction of load"),
    ("stride=4 pop_prev push_prev", "stride=4 pop_prev push_prev push_next",
     "instruction 8: push_next on an instruction of store, which has no such queue"),
])
def test_fields(old, new, words):
    found = planted(old, new)
    assert "field" in kinds(found) and words in str(found)


def test_finish():
    assert "no FINISH" in str(planted("FINISH", "LOAD UOP"))
    found = report(CLEAN + "LOAD UOP\n")
    assert kinds(found) == ["finish"] and "instruction 12: follows FINISH (instruction 11)" in str(found)
    found = planted("LOAD UOP pop_prev pop_next", "LOAD UOP pop_prev", tokens_left={"s2g": 1})
    assert kinds(found) == ["finish"]
    assert "instruction 8: no token makes FINISH wait for it" in str(found)


def test_dram_regions():
    regions = [(0, 64), (0x1000, 0x80), (0x2000, 256), (0x3000, 64)]
    assert report(CLEAN, regions=regions).ok
    found = report(CLEAN, regions=regions[:3])
    assert kinds(found) == ["dram"] and "instruction 8: byte 0x3000 lies outside" in str(found)
    found = report(CLEAN, regions=[*regions[:3], (0x3000, 63)])
    assert kinds(found) == ["dram"] and "byte 0x303f lies outside" in str(found)


def test_dram_defined():
    defined = [(0, 64), (0x1000, 0x80), (0x2000, 256)]
    assert report(CLEAN, defined=defined).ok
    found = report(CLEAN, defined=[*defined[:1], (0x1000, 0x70), defined[2]])
    assert kinds(found) == ["unwritten"] and "instruction 5: reads DRAM at 0x1070" in str(found)


def test_store_into_the_stream():
    found = report(CLEAN, stream_address=0x3020)
    assert kinds(found) == ["dram"] and "instruction 8: STORE into the instruction stream" in str(found)
    assert report(CLEAN, stream_address=0x3040).ok


def test_dram_order_of_store_and_load():
    """A load of what an earlier STORE wrote: fine behind a token, else a race."""
    reload = "LOAD ACC_8BIT sram=8 dram=0x301 y=1 x=2 stride=2"
    before, after = CLEAN.split("    LOAD INP push_next")
    found = report(f"{before}{reload}\n    LOAD INP push_next{after}")
    assert kinds(found) == ["race"] and "DRAM at 0x3010" in str(found) and "instruction 8" in str(found)
    ordered = f"{before}{reload} pop_next\nLOAD INP push_next\nLOAD UOP pop_prev\nFINISH"
    assert report(ordered).ok
    early = report(f"{reload}\n{CLEAN}")                # read before written, ordered by L2G and G2S tokens
    assert early.ok


def test_more_tokens_than_a_queue_holds():
    few = Config(token_depth=2, name="few")
    pushes = "LOAD INP push_next\n" * 3
    pops = "LOAD UOP pop_prev\n" * 3
    found = report(f"{pushes}{pops}FINISH", few)
    assert kinds(found) == ["tokens"]
    assert "queue L2G may come to hold 3 tokens, its depth is 2: larger pieces" in str(found)
    assert report(f"{pushes}{pops}FINISH").ok
    # with one instruction waiting at most, fetch cannot run ahead of the pops far enough
    short = Config(token_depth=4, compute_queue_depth=2, name="short")
    assert report("LOAD INP push_next\nLOAD UOP pop_prev\n" * 20 + "FINISH", short).ok
    wide = Config(token_depth=4, compute_queue_depth=4, name="wide")
    assert kinds(report("LOAD INP push_next\nLOAD UOP pop_prev\n" * 20 + "FINISH", wide)) == ["tokens"]


def test_full_command_queue_stops_fetch():
    """A token given only behind more instructions than a queue holds never comes."""
    small = Config(compute_queue_depth=4, name="small")
    text = "LOAD UOP pop_prev\n" + "LOAD UOP\n" * 3 + "{}LOAD INP push_next\nFINISH"
    assert report(text.format(""), small).ok
    found = report(text.format("LOAD UOP\n"), small)
    assert kinds(found) == ["deadlock"] and "compute waits at instruction 0" in str(found)


def test_unknown_micro_ops_are_reported():
    found = report(CLEAN, memory=None)
    assert found.ok and not found.uops_known and "micro-ops unknown" in str(found)


def test_require_raises_the_first_fault():
    with pytest.raises(CheckError, match=r"unknown opcode 6 \(and \d+ more\)|unknown opcode 6") as caught:
        planted("LOAD UOP pop_prev pop_next", "OP6 pop_prev").require()
    assert caught.value.report.faults[0].insn == 10


def by_hand():
    program = runpy.run_path(str(EXAMPLES / "conv2d_by_hand.py"))["build"]()
    return program, program.code.insns


def test_every_token_of_the_convolution_matters():
    """Removing any single token flag of the convolution is found, and so is adding one."""
    program, insns = by_hand()
    addresses, _ = program.layout()
    placed = program.code.place(addresses)
    uops = program.code.uops.view(np.uint8)

    def memory(address, nbytes):
        return uops[address - addresses[0]:][:nbytes]

    flagged = [(n, flag) for n in range(len(insns)) for flag in FLAGS.values() if int(insns[n, 0]) & flag]
    random = np.random.default_rng(1)
    for at in random.permutation(len(flagged))[:40]:
        n, flag = flagged[at]
        broken = placed.copy()
        broken[n, 0] ^= np.uint64(flag)
        assert not check(broken, CONFIG, memory=memory).ok, (n, flag)


def test_vectors_are_clean():
    if not FILES:
        pytest.skip(ABSENT)
    for path in FILES:
        if path.stat().st_size < 900_000:
            found = open_source(path).check()
            assert found.ok and found.uops_known, f"{path.name}: {found}"


@pytest.mark.parametrize("seed", range(20))
def test_nonsense_gets_a_report(seed):
    """Random words, with the widest loops and transfers there are: quickly judged, and never clean."""
    random = np.random.default_rng(seed)
    insns = random.integers(0, 1 << 64, (20, 2), np.uint64)
    insns[:, 0] &= np.uint64(0xffff_ffff_ffff_ff83)                     # opcodes 0 to 3, no tokens
    insns[-1, 0] = Opcode.FINISH
    config = list(PRESETS.values())[seed % len(PRESETS)]
    found = check(insns, config, memory=lambda _, nbytes: random.integers(0, 256, nbytes, np.uint8),
                  regions=[(0, 1 << 30)], defined=[(0, 1 << 20)])
    assert found.count and found.faults


def test_shared_bytes_are_compared_row_by_row():
    """Strided stores between strided loads do not overlap them; one tile further they do."""
    text = """
        LOAD UOP y=1 x=1 stride=1
        GEMM reset uop=0:1 iter=4x1 dst=1/0 src=0/0 wgt=0/0 push_next
        LOAD INP sram=0 dram={} y=4 x=1 stride=2
        STORE OUT sram=0 dram=0x301 y=4 x=1 stride=2 pop_prev push_prev
        LOAD INP push_next
        LOAD UOP pop_prev pop_next
        FINISH
    """
    assert report(text.format(0x300)).ok
    found = report(text.format(0x303))
    assert kinds(found) == ["race"] and "DRAM at 0x3030" in str(found)
