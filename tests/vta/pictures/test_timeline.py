"""vta.pictures.timeline: the bars are the timing model's, drawn at their cycles."""

import itertools
import re
import runpy
import xml.etree.ElementTree as ET

import pytest
from repository import EXAMPLES

from vta.cli import main
from vta.compiler.stream.assembler import assemble
from vta.compiler.timing import TimingError, predict
from vta.hw.config import Config
from vta.hw.isa import Unit
from vta.pictures.timeline import KINDS, LEFT, RIGHT, WIDTH, Bar, Panel, bars, merged, summary, timeline

CONFIG = Config()
UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
STREAM = """
LOAD INP sram=0 dram=0x100 y=1 x=64 stride=64
LOAD WGT sram=0 dram=0x100 y=1 x=1 stride=1 push_next
LOAD UOP sram=0 dram=0 y=1 x=1 stride=1
GEMM reset uop=0:1 iter=1x64 dst=0/1
GEMM uop=0:1 iter=1x64 dst=0/1 src=0/1 pop_prev
ALU MAX uop=0:1 iter=1x64 dst=0/1 imm=0 push_next
STORE OUT sram=0 dram=0x400 y=1 x=64 stride=64 pop_prev push_prev
LOAD UOP pop_next
FINISH
"""


@pytest.fixture(scope="module")
def panel():
    return Panel("a & b", assemble(STREAM, CONFIG)[0], CONFIG)


def test_bars_are_the_work_of_each_unit(panel):
    cycles, found = bars(panel)
    busy = predict(panel.insns, CONFIG, 16).busy
    for unit in UNITS:
        mine = [bar for bar in found if bar.unit is unit]
        assert sum(bar.end - bar.begin for bar in mine if bar.kind != "wait") == busy[unit.name.lower()]
        assert all(one.end <= two.begin for one, two in itertools.pairwise(mine))
        assert all(0 <= bar.begin < bar.end <= cycles for bar in mine)


def test_bars_have_their_kinds(panel):
    _, found = bars(panel)
    seen = {unit: [bar.kind for bar in found if bar.unit is unit] for unit in UNITS}
    assert seen[Unit.LOAD] == ["load", "load"]
    assert seen[Unit.COMPUTE] == ["uop", "reset", "wait", "gemm", "alu", "wait"]   # for the store
    assert seen[Unit.STORE] == ["wait", "store"]
    store, alu = (next(bar for bar in found if bar.kind == kind) for kind in ("store", "alu"))
    assert store.begin > alu.end and store.end - store.begin == 64 * 16 / CONFIG.bus_bytes


def test_tokens_of_the_start():
    insns, _ = assemble("LOAD UOP pop_next\nFINISH", CONFIG)
    with pytest.raises(TimingError, match="instruction 0 pops a token of S2G"):
        bars(Panel("x", insns, CONFIG))
    assert bars(Panel("x", insns, CONFIG, {"s2g": 1}))[0] > 0


def test_merged_joins_what_touches():
    found = [Bar(Unit.STORE, "store", 10 * n, 10 * n + 9, n, 1) for n in range(5)]
    assert merged(found, 2) == [Bar(Unit.STORE, "store", 0, 49, 0, 5)]
    assert merged(found, 1) == found
    other = Bar(Unit.STORE, "wait", 49, 49.5, 5, 1)
    assert merged([*found, other], 2)[-1].kind == "store"


def test_picture_has_the_bars_in_place(panel):
    root = ET.fromstring(timeline([panel, panel]).svg())
    cycles, found = bars(panel)
    scale = (WIDTH - LEFT - RIGHT) / cycles
    gemm = [bar for bar in found if bar.kind == "gemm"]
    drawn = [rect for rect in root.iter("{http://www.w3.org/2000/svg}rect")
             if rect.get("class") == "gemm" and len(rect)]
    assert len(drawn) == 2 * len(gemm)
    assert float(drawn[0].get("x")) == pytest.approx(LEFT + gemm[0].begin * scale, abs=0.01)
    assert float(drawn[0].get("width")) == pytest.approx(64 * scale, abs=0.01)
    assert drawn[0][0].text.startswith("GEMM: instruction 4, cycles ")


def test_window(panel):
    whole = timeline([panel]).svg()
    part = timeline([panel], 100, 150).svg()
    assert part != whole and ">100</text>" in part and ">150</text>" in part
    for first, last in ((-1, 5), (9, 9), (10**9, None)):
        with pytest.raises(ValueError, match=f"cycles {first} to .*0 or more.*cycles of the run"):
            timeline([panel], first, last)


def test_summary(panel):
    lines = summary(panel)
    assert lines[0].endswith(" cycles") and [line.split()[0] for line in lines[1:]] == ["load", "compute", "store"]
    shares = [float(share) for share in re.findall(r"([\d.]+)%", lines[2])]
    assert 0 < sum(shares) <= 100 and "GEMM reset" in lines[2] and KINDS["wait"] in lines[2]


def test_command(tmp_path, capsys):
    source = tmp_path / "one.asm"
    source.write_text(STREAM)
    out = tmp_path / "one.svg"
    assert main(["timeline", str(source), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("one: ") and printed.endswith(f"{out}\n")
    assert ET.fromstring(out.read_text()) is not None


@pytest.mark.parametrize("arguments, words", [
    ("--from 900000", "cycles 900000 to"), ("--config huge", "no configuration 'huge'"),
    ("--out nowhere/x.svg", "nowhere/x.svg: No such file")])
def test_command_refuses(arguments, words, tmp_path, capsys):
    source = tmp_path / "one.asm"
    source.write_text(STREAM)
    assert main(["timeline", str(source), *arguments.split()]) == 1
    assert capsys.readouterr().err.startswith(f"vta: {words}")


def test_command_reads_programs_in_python(tmp_path, capsys):
    example, out = EXAMPLES / "conv2d_by_hand.py", tmp_path / "conv.svg"
    assert main(["timeline", str(example), "--to", "5000", "--out", str(out)]) == 0
    assert "GEMM 9" in capsys.readouterr().out and "GEMM reset" in out.read_text()


def test_virtual_threads_hide_the_loads():
    """The committed picture is what examples/pictures.py draws, and it shows what the page says."""
    pictures = runpy.run_path(str(EXAMPLES / "pictures.py"))
    drawn = pictures["virtual_threads"]()
    assert pictures["PICTURE"].read_text() == drawn, "run examples/pictures.py: the picture is out of date"
    found = re.findall(r"threads?: ([\d,]+) cycles predicted</text>", drawn)
    one, two = (int(words.replace(",", "")) for words in found)
    assert two < 0.75 * one
