"""Program files: they load back equal, or are refused with a reason."""

import os
import subprocess
import sys

import numpy as np
import pytest
from program_files import DEEP, add_constant, array, buffer, data, expected, head, header, rewritten
from repository import SUPPORT

from vta.compiler.program import Program, ProgramError
from vta.runtime.device import open_device

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


@pytest.fixture
def program():
    return add_constant()


@pytest.fixture
def device():
    with open_device("sim") as device:
        yield device


def test_file_comes_back_equal(program, device, tmp_path):
    path = tmp_path / "p.vta"
    program.save(path)
    again = Program.load(path)
    assert again.to_bytes() == program.to_bytes() == path.read_bytes()
    array = data(program)
    assert np.array_equal(again.run(device, data=array)[0]["result"], expected(program, array))
    assert np.array_equal(np.load(path)["const.bias"], program.constants["bias"])


def test_another_process_makes_the_same_bytes(program, tmp_path):
    code = "import sys, program_files; sys.stdout.buffer.write(program_files.add_constant().to_bytes())"
    environment = os.environ | {"PYTHONPATH": str(SUPPORT), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    made = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True,
                          check=True)
    assert made.stdout == program.to_bytes()


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
