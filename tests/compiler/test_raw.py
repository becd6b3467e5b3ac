"""Raw binaries of programs: they come back equal, or are refused with a reason."""

import json
import runpy

import numpy as np
import pytest
from program_files import DEEP, add_constant, data, expected
from repository import EXAMPLES

from vta.compiler.program import ProgramError
from vta.compiler.raw import export_raw, import_raw
from vta.runtime.device import open_device

BY_HAND = EXAMPLES / "conv2d_by_hand.py"


@pytest.fixture
def program():
    return add_constant()


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
