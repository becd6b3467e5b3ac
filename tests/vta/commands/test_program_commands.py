"""The commands for programs: compile, run, disasm, check."""

from pathlib import Path

import numpy as np
import pytest
from program_files import add_constant, buffer, endless, head, rewritten
from repository import EXAMPLES

from vta.cli import main
from vta.compiler.program import Program
from vta.hw.config import PRESETS

BY_HAND = EXAMPLES / "conv2d_by_hand.py"


@pytest.fixture
def program():
    return add_constant()


def test_compile_run_disasm_check(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["compile", str(BY_HAND), "-o", "conv.vta", "--raw", "raw"]) == 0
    out = capsys.readouterr().out
    assert "conv.vta: 3366 instructions, 286 micro-ops" in out
    assert "output res          int8   1x16x14x14x1x16 NCHWnc" in out
    assert main(["compile", "raw", "-o", "again.vta"]) == 0
    assert Path("again.vta").read_bytes() == Path("conv.vta").read_bytes()
    assert main(["check", "conv.vta", "raw"]) == 0
    capsys.readouterr()

    assert main(["disasm", "conv.vta"]) == 0
    text = capsys.readouterr().out
    Path("conv.s").write_text(text)
    assert main(["disasm", "conv.s"]) == 0
    assert capsys.readouterr().out == text
    assert main(["disasm", "conv.vta", "--uops", "--numbers"]) == 0
    assert "# UOP dst=13 src=0 wgt=0" in capsys.readouterr().out

    random = np.random.default_rng(4)
    np.save("d.npy", random.integers(-128, 128, (1, 16, 14, 14, 1, 16), np.int8))
    assert main(["run", "conv.vta", "--input", "data=d.npy", "--random", "1", "--output", "res=r.npy"]) == 0
    assert "gemm_counter    :           451584" in capsys.readouterr().out
    assert np.load("r.npy").shape == (1, 16, 14, 14, 1, 16)


@pytest.mark.parametrize("arguments, words", [
    (["check", "none.npz"], "none.npz"),
    (["check", "bad.s"], "bad.s: line 1, column 1: expected a mnemonic"),
    (["check", "empty.s"], "has no instructions"),
    (["check", "cut.vta"], "is not a program file"),
    (["disasm", "binary"], "is neither a vector, a program, raw binaries nor assembly text"),
    (["compile", "none.py"], "no file none.py"),
    (["compile", "nothing.py"], "has no function build(config)"),
    (["compile", "seven.py"], "build returned a int, not a program"),
    (["compile", "broken.py"], "broken.py: SyntaxError: "),
    (["compile", "raises.py"], "raises.py: KeyError: 3"),
    (["compile", "exits.py"], "exits.py: SystemExit: ['exits.py']"),
    (["run", "p.vta"], "input 'data' has no data"),
    (["run", "p.vta", "--random", "1", "--output", "x=y"], "has no buffer 'x'"),
    (["run", "p.vta", "--random", "1", "--output", "data=y"], "'data' is no output"),
    (["run", "p.vta", "--random", "-1"], "--random -1: must be 0 or more"),
    (["run", "p.vta", "--input", "data"], "--input data: expected NAME=FILE"),
    (["run", "p.vta", "--input", "data=bad.s"], "bad.s is no .npy file"),
    (["run", "p.vta", "--input", "data=bad.npy"], "bad.npy is no .npy file"),
    (["run", "big.vta", "--random", "1"], "no room for 17592186044416 bytes: the largest free range of DRAM"),
    (["check", "endless.vta"], "Unable to allocate"),
    (["compile", "up.vta"], "program name '../up' is no file name: say where to with -o FILE"),
    (["run", "p.vta", "--input", "data=a", "--input", "data=b"], "--input data is given twice"),
    (["run", "p.vta", "--random", "1", "--config", "tiny"], "needs LOG_BLOCK = 4, configuration 'tiny' has 2"),
    (["run", "p.vta", "--random", "1", "--device", "fpga"], "no device 'fpga'"),
])
def test_commands_say_what_is_wrong_in_one_line(program, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("bad.s").write_text("hello\n")
    Path("empty.s").write_text("# nothing\n")
    Path("binary").write_bytes(bytes(range(256)))
    Path("nothing.py").write_text("")
    Path("seven.py").write_text("def build(config):\n    return 7\n")
    Path("broken.py").write_text("def build(config:\n")
    Path("raises.py").write_text("def build(config):\n    return {}[3]\n")
    Path("exits.py").write_text("import sys\nsys.exit(str(sys.argv))\n")
    program.save("p.vta")
    np.save("bad.npy", np.zeros(4))
    Path("bad.npy").write_bytes(Path("bad.npy").read_bytes().replace(b"'fortran_order'", b"'fortran_order["))
    Path("big.vta").write_bytes(rewritten(program, buffer(shape=[1 << 42])))
    Path("endless.vta").write_bytes(rewritten(program, endless))
    Path("up.vta").write_bytes(rewritten(program, head(name="../up")))
    Path("cut.vta").write_bytes(Path("p.vta").read_bytes()[:500])
    assert main(arguments) == 1
    out, error = capsys.readouterr()
    assert error.startswith("vta: ") and words in error and error.count("\n") == 1
    assert out == ""                             # refused before anything ran


SCHEDULED = """
import vta
from vta import te

def build(config):
    env = vta.get_env(config)
    a = te.placeholder((4, 2, env.BATCH, env.BLOCK_OUT), name="a", dtype=env.acc_dtype)
    on_chip = te.compute(a.shape, lambda *i: a(*i), "on_chip")
    shifted = te.compute(a.shape, lambda *i: on_chip(*i) >> 1, "shifted")
    out = te.compute(a.shape, lambda *i: shifted(*i).astype(env.inp_dtype), name="out")
    s = te.create_schedule(out.op)
    for stage in (on_chip, shifted):
        s[stage].set_scope(env.acc_scope)
    s[on_chip].pragma(s[on_chip].op.axis[0], env.dma_copy)
    s[shifted].pragma(s[shifted].op.axis[0], env.alu)
    s[out].pragma(s[out].op.axis[0], env.dma_copy)
    return vta.build(s, [a, out], name="halve", config=config)
"""


def test_compile_takes_a_schedule(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("halve.py").write_text(SCHEDULED)
    assert main(["compile", "halve.py", "--config", "tiny"]) == 0
    assert "output out          int8   4x2x1x4" in capsys.readouterr().out
    assert Program.load("halve.vta").config.hash == PRESETS["tiny"].hash
    assert main(["run", "halve.vta", "--random", "0"]) == 0


def test_check_fails_on_faults(tmp_path, capsys):
    path = tmp_path / "faulty.s"
    path.write_text("LOAD INP pop_next\nFINISH\n")
    assert main(["check", str(path)]) == 1
    out = capsys.readouterr().out
    assert "2 instructions, 1 fault\n  deadlock: instruction 0: load waits at instruction 0" in out
