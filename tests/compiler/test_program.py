"""Programs: files that load back equal or are rejected, runs, raw binaries, and the commands for them."""

import io
import json
import os
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from repository import EXAMPLES, SUPPORT

from vta.cli import main
from vta.compiler.check.checker import CheckError
from vta.compiler.program import Program, ProgramError
from vta.compiler.raw import export_raw, import_raw
from vta.compiler.stream.stream import COMPUTE, STORE, Stream
from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType
from vta.runtime.device import open_device

BY_HAND = EXAMPLES / "conv2d_by_hand.py"
CONFIG = PRESETS["default"]


def add_constant(config=CONFIG, tiles=4):
    """data (int32) + a constant, shifted right by 1: a program with each kind of buffer."""
    s = Stream(config)
    shape = (tiles, config.batch, config.block)
    data = s.buffer("data", shape, "int32", "input", "tile b c")
    bias = s.buffer("bias", shape, "int32", "const")
    result = s.buffer("result", shape, "int8", "output")
    s.load_buffer_2d(data, 0, tiles, 1, tiles, (0, 0, 0, 0), 0, MemType.ACC)
    s.load_buffer_2d(bias, 0, tiles, 1, tiles, (0, 0, 0, 0), tiles, MemType.ACC)
    for op, src, use_imm, imm in ((AluOp.ADD, tiles, 0, 0), (AluOp.SHR, 0, 1, 1)):
        with s.uop_kernel(op.name), s.uop_loop(tiles, 1, 1, 0):
            s.uop_push(1, 0, 0, src, 0, op, use_imm, imm)
    s.dep_push(COMPUTE, STORE)
    s.dep_pop(COMPUTE, STORE)
    s.store_buffer_2d(0, MemType.OUT, result, 0, tiles, 1, tiles)
    s.sync()
    constant = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return Program.from_code(s.code(), "add_constant", {"bias": constant})


@pytest.fixture
def program():
    return add_constant()


@pytest.fixture
def device():
    with open_device("sim") as device:
        yield device


def data(program):
    return np.random.default_rng(2).integers(-1000, 1000, program.buffer("data").shape, np.int32)


def expected(program, array):
    return ((array + program.constants["bias"]) >> 1).astype(np.int8)


def test_runs(program, device):
    array = data(program)
    outputs, result = program.run(device, data=array)
    assert np.array_equal(outputs["result"], expected(program, array))
    assert result.stats["alu_counter"] == 8


def test_placed_once_runs_often(program, device):
    with program.place(device) as placed:
        for seed in range(3):
            array = data(program) + seed
            assert np.array_equal(placed.run(data=array)[0]["result"], expected(program, array))
    one = device.memory.alloc(1)
    assert one.address == 4096                          # all memory was given back


def test_file_comes_back_equal(program, device, tmp_path):
    path = tmp_path / "p.vta"
    program.save(path)
    again = Program.load(path)
    assert again.to_bytes() == program.to_bytes() == path.read_bytes()
    array = data(program)
    assert np.array_equal(again.run(device, data=array)[0]["result"], expected(program, array))
    assert np.array_equal(np.load(path)["const.bias"], program.constants["bias"])


def test_another_process_makes_the_same_bytes(program, tmp_path):
    code = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_program as t; "
            "sys.stdout.buffer.write(t.add_constant().to_bytes())")
    environment = os.environ | {"PYTHONPATH": str(SUPPORT), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    made = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True,
                          check=True)
    assert made.stdout == program.to_bytes()


def rewritten(program, change):
    """The program's file with `change(members)` applied to its dict of name -> bytes."""
    with zipfile.ZipFile(io.BytesIO(program.to_bytes())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return data.getvalue()


def head(**changes):
    def change(members):
        values = json.loads(members["program.json"])
        values.update(changes)
        members["program.json"] = json.dumps(values).encode()
    return change


def array(name, value):
    def change(members):
        text = io.BytesIO()
        np.save(text, value, allow_pickle=True)
        members[name] = text.getvalue()
    return change


def buffer(**changes):
    def change(members):
        values = json.loads(members["program.json"])
        values["buffers"][0].update(changes)
        members["program.json"] = json.dumps(values).encode()
    return change


def header(name, old, new):
    """The text of a .npy header, changed."""
    return lambda members: members.update({name: members[name].replace(old, new)})


def endless(members):
    """Instructions beyond any memory, by their header."""
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": "<u8", "fortran_order": False, "shape": (1 << 50, 2)})
    members["insns.npy"] = text.getvalue()


DEEP = b"[" * 100_000            # more than Python's JSON reader follows
DAMAGED = [
    (lambda m: m.pop("program.json"), "is not a program file"),
    (lambda m: m.pop("insns.npy"), "insns is missing"),
    (lambda m: m.update({"insns.npy": m["insns.npy"][:-5]}), "is not a program file"),
    (lambda m: m.update({"program.json": b"{"}), "is not a program file"),
    (head(format=2), "program format 2, this version reads 1"),
    (head(config_hash=1), "configuration hash 1 does not belong to its configuration"),
    (head(config={"LOG_BLOCK": 9}), "log_block = 9: must be 2 to 6"),
    (head(buffers=[{}]), "bad header: KeyError: 'name'"),
    (head(name=None), "program name None must be text"),
    (buffer(shape=[4.5, 1, 16]), r"bad header: .*shape \[4.5, 1, 16\] of buffer 'data' must be a list of integers"),
    (buffer(shape=["4", 1, 16]), "must be a list of integers"),
    (buffer(layout=None), "layout None of a buffer must be text"),
    (buffer(dtype=None), "dtype None of a buffer must be text"),
    (buffer(name="progress"), "buffer name 'progress': self, device, .* have a meaning where programs are run"),
    (buffer(shape=[1 << 62, 1 << 62]), "bytes, dram_base reaches 17592186044416"),
    (header("uops.npy", b"'fortran_order'", b"b'ortran_order'"), "is not a program file"),
    (header("uops.npy", b"'fortran_order'", b"'fortran_order["), "is not a program file"),
    (head(buffers=[{"name": "a", "shape": [1 << 44, 2], "dtype": "int8", "kind": "input", "layout": ""}]),
     f"has {1 << 45} bytes, dram_base reaches {1 << 44}"),
    (lambda m: m.update({"program.json": DEEP}), "is not a program file"),
    (head(buffers=[]), "a relocation points to no LOAD or STORE, or to no buffer"),
    (array("insns.npy", np.zeros((3, 3), np.uint64)), r"insns is uint64 \(3, 3\)"),
    (array("insns.npy", np.zeros((3, 2), np.int32)), r"insns is int32 \(3, 2\)"),
    (array("uops.npy", np.array([{}], object)), "allow_pickle=False|is not a program file"),
    (array("relocations.npy", np.array([[99, 1]])), "a relocation points to no LOAD or STORE"),
    (array("relocations.npy", np.array([[0, 9]])), "a relocation points to no LOAD or STORE"),
    (array("const.bias.npy", np.zeros(3, np.int32)), r"bias is int32 \(3,\), expected int32 \(4, 1, 16\)"),
]


@pytest.mark.parametrize("change, words", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_files_are_refused(program, tmp_path, change, words):
    path = tmp_path / "p.vta"
    path.write_bytes(rewritten(program, change))
    with pytest.raises(ProgramError, match=words):
        Program.load(path)


def test_truncated_anywhere_is_refused(program, tmp_path):
    path, content = tmp_path / "p.vta", program.to_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(ProgramError, match="is not a program file"):
            Program.load(path)


def test_wrong_configuration_is_refused(program):
    with (open_device("sim", "tiny") as device,
          pytest.raises(ProgramError, match="needs LOG_BLOCK = 4, configuration 'tiny' has 2")):
        program.run(device, data=data(program))


@pytest.mark.parametrize("arrays, words", [
    ({}, "its inputs are data; missing data$"),
    ({"data": np.zeros((4, 1, 16), np.int32), "bias": 0}, "its inputs are data; unknown bias$"),
    ({"data": np.zeros((4, 16), np.int32)},
     r"data is int32 \(4, 16\), expected int32 \(4, 1, 16\) \(tile b c\)"),
    ({"data": np.zeros((4, 1, 16), np.int64)}, "data is int64"),
])
def test_wrong_inputs_are_refused(program, device, arrays, words):
    with pytest.raises(ProgramError, match=words):
        program.run(device, **arrays)


def test_constants_must_fit(program):
    with pytest.raises(ProgramError, match=r"constants \[\] given, \['bias'\] declared"):
        Program.from_code(program.code, "p")


def test_a_stream_with_faults_is_no_program():
    s = Stream(CONFIG)
    out = s.buffer("out", (16,), "int8", "output")
    s.store_buffer_2d(0, MemType.OUT, out, 0, 1, 1, 1)
    s.sync()
    with pytest.raises(CheckError, match="unwritten: instruction 0: reads ACC"):
        Program.from_code(s.code(), "p")


def test_raw_binaries_come_back_equal(program, tmp_path):
    export_raw(program, tmp_path / "raw")
    assert import_raw(tmp_path / "raw").to_bytes() == program.to_bytes()
    hand = runpy.run_path(str(BY_HAND))["build"]()
    export_raw(hand, tmp_path / "hand", base=0x200000)
    assert import_raw(tmp_path / "hand").to_bytes() == hand.to_bytes()


def test_raw_binaries_are_placed(program, tmp_path):
    """What another simulator sees: the images at the manifest's addresses are all a device needs."""
    export_raw(program, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    buffers = {row["name"]: row for row in manifest["buffers"]}
    with open_device("sim") as device:
        for row in (*manifest["buffers"], manifest["insns"]):
            if row["file"]:
                device.memory.write(row["address"], (tmp_path / row["file"]).read_bytes())
        values = data(program)
        device.memory.write(buffers["data"]["address"], values)
        device.run(manifest["insns"]["address"], manifest["insns"]["count"])
        got = device.memory.read(buffers["result"]["address"], buffers["result"]["bytes"]).view(np.int8)
    assert np.array_equal(got, expected(program, values).reshape(-1))


@pytest.mark.parametrize("change, words", [
    (lambda folder, m: (folder / "uop.bin").unlink(), "uop.bin is missing"),
    (lambda folder, m: (folder / "uop.bin").write_bytes(b"123"), "3 bytes, the manifest says 8"),
    (lambda folder, m: m["buffers"].pop(), "lies in no buffer of the manifest"),
    (lambda folder, m: m["buffers"].reverse(), "the first buffer must be 'uop'"),
    (lambda folder, m: m["insns"].update(count=-1), "manifest"),
    (lambda folder, m: m.pop("config"), "KeyError: 'config'"),
    (lambda folder, m: m["config"].update(LOG_BLOCK=5), "manifest.json: configuration hash .* does not belong to its"),
    (lambda folder, m: m["buffers"][1].update(kind="x"), "kind 'x' must be one of"),
])
def test_damaged_raw_folders_are_refused(program, tmp_path, change, words):
    export_raw(program, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    change(tmp_path, manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ProgramError, match=words):
        import_raw(tmp_path)


def test_a_manifest_too_deep_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_bytes(DEEP)
    with pytest.raises(ProgramError, match="RecursionError"):
        import_raw(tmp_path)


# the commands
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
