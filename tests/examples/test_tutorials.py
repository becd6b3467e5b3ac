"""The tutorials: their pages are up to date, their statistics and streams equal TVM's."""

import json
import runpy

import numpy as np
import pytest
from repository import DOCS, EXAMPLES
from vector_files import FOLDER

from vta.hw.config import PRESETS
from vta.hw.isa import Opcode, decode, from_words, layouts

render = runpy.run_path(str(EXAMPLES / "render.py"))

# tutorial -> name of its module
MODULES = {"get_started": "my_vadd", "matmul": "my_gemm", "matmul_opt": "my_gemm", "conv2d": "my_conv"}
STATISTICS = """Execution statistics:
	inp_load_nbytes :           114688
	wgt_load_nbytes :          1179648
	acc_load_nbytes :                0
	uop_load_nbytes :             1144
	out_store_nbytes:            50176
	gemm_counter    :           451584
	alu_counter     :             9408
Successful 2D convolution test!
"""


def run(name, monkeypatch, capsys):
    """(the tutorial's names after it ran, what it printed)."""
    monkeypatch.setattr("sys.argv", [name])
    names = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    return names, capsys.readouterr().out


def vector(name):
    path = FOLDER / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"the vector folder has no {path.name} (set VTA_VECTORS)")
    with np.load(path) as file:
        return file["insns"], json.loads(str(file["stats"]))


def fields(insns):
    """The fields of each instruction, except DRAM addresses and the unused bits of FINISH."""
    known = layouts(PRESETS["default"])
    words = [from_words(pair) for pair in insns]
    rows = [decode(known.of(word & 7), word) for word in words]
    for row in rows:
        row.pop("dram_base", None)
    return [row if row["opcode"] != Opcode.FINISH else {"opcode": row["opcode"]} for row in rows]


@pytest.mark.parametrize("name", MODULES)
def test_page(name):
    page = DOCS / "tutorials" / f"{name}.md"
    assert page.read_text() == render["render"](name), f"run examples/render.py: {page.name} is out of date"


def test_statistics_of_conv2d(monkeypatch, capsys):
    _, printed = run("conv2d", monkeypatch, capsys)
    assert printed.endswith(STATISTICS)


@pytest.mark.parametrize(("name", "recorded"), [("get_started", "tut_get_started"), ("matmul", "tut_matmul"),
                                                ("conv2d", "tut_conv_vt2")])
def test_stream_equals_tvms(name, recorded, monkeypatch, capsys):
    insns, stats = vector(recorded)
    names, _ = run(name, monkeypatch, capsys)
    code = names[MODULES[name]].program.code
    assert fields(code.insns) == fields(insns)
    used = names["device"].stats()
    assert used == {key: stats[key] for key in used}


def test_matmul_opt_leaks_no_token(monkeypatch, capsys):
    """TVM's stream leaves one store-to-compute token behind; ours pops it, with one more NOP."""
    insns, stats = vector("tut_matmul_opt")
    names, _ = run("matmul_opt", monkeypatch, capsys)
    code = names["my_gemm"].program.code
    ours, theirs = fields(code.insns), fields(insns)
    assert len(ours) == len(theirs) + 1
    assert ours[:136] == theirs[:136]
    used = names["device"].stats()
    assert used == {key: stats[key] for key in used}
    assert stats["tokens_left"]["s2g"] == 1


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_on_the_rtl(name, monkeypatch, capsys):
    """The tutorials check their results against numpy themselves."""
    monkeypatch.setattr("sys.argv", [name, "tsim"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"))
    printed = capsys.readouterr().out
    assert "Successful" in printed and "cycle_count" in printed
    if name == "conv2d":
        assert all(line in printed for line in STATISTICS.splitlines())
