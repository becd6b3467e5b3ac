"""The command line: its output, and that any error takes one line and no traceback."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from vector_files import write_vector

from vta.cli import main

FINISH = [[3, 0]]


@pytest.fixture
def vector(tmp_path):
    return str(write_vector(tmp_path / "v.npz", FINISH))


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for command in ("replay", "disasm", "check", "verilog"):
        assert command in text
    assert "_common" not in text


def test_help_imports_nothing_heavy():
    code = ("import sys, vta.cli\ntry: vta.cli.main(['--help'])\nexcept SystemExit: pass\n"
            "print(*{'numpy', 'amaranth', 'cocotb'} & set(sys.modules), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "\n"


def test_log_messages_are_lines_on_standard_error(capsys, vector):
    for _ in range(2):                   # once each, however often a command ran
        main(["replay", vector])
        logging.getLogger("vta.somewhere").info("%d %%", 50)
        assert capsys.readouterr().err == "50 %\n"


def test_replay_prints_tables(vector, capsys):
    assert main(["replay", vector, vector, "--latency", "0"]) == 0
    out = capsys.readouterr().out
    assert out.count("equal on sim") == 2 and "bound 2 cycles at latency 0" in out


def test_replay_prints_json(vector, capsys):
    assert main(["replay", "--json", vector, vector]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    report = json.loads(lines[0])
    assert report | {"file": vector, "device": "sim", "equal": True, "cycles": None, "efficiency": None,
                     "bound": 18, "config": "default"} == report
    assert report["counters"]["compute_insns"] == 1 and report["seconds"] >= 0
    assert report["tokens_left"] == {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": 0}


def test_replay_fails_at_a_difference(tmp_path, vector, capsys):
    other = str(write_vector(tmp_path / "w.npz", FINISH, [], [(0x5000, [1])]))
    assert main(["replay", "--json", other, vector]) == 1
    captured = capsys.readouterr()
    assert captured.err == f"vta: {other}: DRAM at 0x5000: expected 0x01, got 0x00 (1 bytes differ)\n"
    assert [json.loads(line)["equal"] for line in captured.out.splitlines()] == [False, True]


def test_replay_of_a_stream_that_gets_stuck(tmp_path, capsys):
    path = str(write_vector(tmp_path / "stuck.npz", [[0, 0]]))       # no FINISH
    assert main(["replay", path]) == 1
    assert "no bound: the stream gets stuck" in capsys.readouterr().out


def write(path, data):
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("arguments, words", [
    ("", "the following arguments are required: COMMAND"),
    ("frobnicate", "invalid choice: 'frobnicate'"),
    ("replay GOOD --fast", "unrecognized arguments: --fast"),
    ("replay GOOD --dev sim", "unrecognized arguments: --dev"),
    ("replay GOOD --latency x", "argument --latency: invalid whole number of cycles value: 'x'"),
    ("timeline GOOD --latency -1", "argument --latency: invalid whole number of cycles value: '-1'"),
    ("replay TMP/none.npz", "none.npz: No such file or directory"),
    ("replay TMP", "Is a directory"),
    ("replay TMP/truncated.npz", "truncated.npz: not a vector file, or a truncated one"),
    ("replay TMP/outside.npz", "outside.npz: DRAM range 0x10000000000 + 1 bytes lies outside of DRAM"),
    ("replay GOOD --device gpu", "no device 'gpu'"),
    ("sim --seed -1", "--seed -1: must be 0 or more"),
    ("sim --trace TMP", "Is a directory"),
    ("sim --trace TMP/none/x.vcd", "x.vcd: No such file or directory"),
    ("replay GOOD --config huge", "no configuration 'huge'"),
    ("replay GOOD --config tiny", "it needs LOG_BLOCK = 4, configuration 'tiny' has 2"),
    ("replay GOOD --config TMP/malformed.json", "malformed.json: Expecting property name"),
    ("replay GOOD --config TMP/deep.json", "deep.json: maximum recursion depth"),
    ("replay GOOD --config TMP/invalid.json", "log_block = 7: must be 2 to 6"),
    ("replay GOOD --config TMP/unknown.json", "unknown key 'LOG_BLOK'"),
])
def test_one_line_for_everything_wrong(arguments, words, tmp_path, vector, capsys):
    with open(vector, "rb") as file:
        write(tmp_path / "truncated.npz", file.read()[:99])
    write_vector(tmp_path / "outside.npz", FINISH, [(1 << 40, [1])])
    write(tmp_path / "malformed.json", b"{,")
    write(tmp_path / "deep.json", b"[" * 100_000)
    write(tmp_path / "invalid.json", b'{"LOG_BLOCK": 7}')
    write(tmp_path / "unknown.json", b'{"LOG_BLOK": 4}')
    try:
        code = main(arguments.replace("TMP", str(tmp_path)).replace("GOOD", vector).split())
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert code not in (0, None) and captured.out == ""
    assert captured.err.startswith("vta: ") and captured.err.count("\n") == 1 and words in captured.err


def test_mistakes_in_the_program_are_not_hidden(monkeypatch, vector):
    def broken(path):
        raise AssertionError("a bug")
    monkeypatch.setattr("vta.runtime.vector.load_vector", broken)
    with pytest.raises(AssertionError):
        main(["replay", vector])


def run(*arguments, **environment):
    return subprocess.run([sys.executable, "-I", "-m", "vta", *arguments], capture_output=True, text=True,
                          env=os.environ | environment, check=False, timeout=60)


def test_as_a_process(vector):
    done = run("replay", vector)
    assert done.returncode == 0 and "equal on sim" in done.stdout and done.stderr == ""
    failed = run("replay", "nowhere.npz")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "vta: nowhere.npz: No such file or directory\n"
    assert "Traceback" in run("replay", "nowhere.npz", VTA_TRACEBACK="1").stderr


def test_a_name_that_is_no_text(tmp_path, vector):
    strange = os.fsencode(tmp_path) + b"/x\xff.npz"
    os.link(vector, strange)
    done = run("replay", os.fsdecode(strange))
    assert (done.returncode, done.stderr) == (0, "") and r"x\udcff.npz" in done.stdout


def test_closed_output():
    """`vta ... >&-`: Python has no sys.stdout then."""
    command = f"{sys.executable} -I -m vta bitstream --list >&-"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("error, words", [
    (MemoryError("Unable to allocate 4.50 TiB"), "Unable to allocate 4.50 TiB"),
    (OSError(28, "No space left on device"), "No space left on device")])
def test_no_room(monkeypatch, vector, capsys, error, words):
    def full(path):
        raise error
    monkeypatch.setattr("vta.runtime.vector.load_vector", full)
    assert main(["replay", vector]) == 1
    assert capsys.readouterr().err == f"vta: {words}\n"


def test_reader_that_goes_away(tmp_path):
    """`vta replay ... | head` ends quietly."""
    path = write_vector(tmp_path / "v.npz", np.array([[3, 0]], np.uint64))
    command = f"{sys.executable} -I -m vta replay {' '.join([str(path)] * 200)} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.count("\n") == 1 and done.stderr == ""
