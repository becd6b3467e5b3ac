"""The Verilator overlay, and the messages for what is missing."""

import subprocess

import pytest

from vta.sim.cosim import toolchain
from vta.sim.cosim.toolchain import CORRECTIONS, ToolchainError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VTA_CACHE", str(tmp_path / "cache"))
    toolchain.verilator.cache_clear()
    yield
    toolchain.verilator.cache_clear()


def program(folder, name, output):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


def test_overlay_is_made_once_and_works(monkeypatch):
    monkeypatch.setattr(toolchain.shutil, "which",
                        lambda name: None if name == "verilator" else f"/usr/bin/{name}")
    tool = toolchain.verilator()
    assert tool.folder.is_relative_to(toolchain.cache_folder())
    makefile = tool.folder.parent / "include" / "verilated.mk"
    for name, value in CORRECTIONS.items():
        assert f"\n{name} = {value}\n" in makefile.read_text()
    made = makefile.stat().st_mtime_ns
    toolchain.verilator.cache_clear()
    assert toolchain.verilator() == tool and makefile.stat().st_mtime_ns == made
    result = subprocess.run([tool.folder / "verilator", "--getenv", "VERILATOR_ROOT"], text=True,
                            capture_output=True, check=True)
    assert result.stdout.strip() == str(tool.folder.parent)


def test_new_system_verilator_is_taken(tmp_path, monkeypatch):
    path = program(tmp_path / "bin", "verilator", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert toolchain.verilator().folder == path.parent


def test_old_system_verilator_is_not(tmp_path, monkeypatch):
    path = program(tmp_path / "bin", "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    assert toolchain.verilator().folder.is_relative_to(toolchain.cache_folder())


def test_missing_programs_are_named(tmp_path, monkeypatch):
    program(tmp_path / "bin", "make", "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(ToolchainError, match=r"missing: g\+\+, perl;.*apt-get install g\+\+ perl"):
        toolchain.verilator()


def test_missing_libpython_is_named(monkeypatch):
    import find_libpython
    monkeypatch.setattr(find_libpython, "find_libpython", lambda: None)
    with pytest.raises(ToolchainError, match="no shared libpython"):
        toolchain.check_programs()


def test_cache_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VTA_CACHE", str(tmp_path / "file"))
    with pytest.raises(ToolchainError, match=r"cache folder .*file.*set VTA_CACHE"):
        toolchain.cache_folder()
    monkeypatch.setenv("VTA_CACHE", str(tmp_path / "a b"))
    with pytest.raises(ToolchainError, match="spaces"):
        toolchain.cache_folder()


def test_unknown_wheel():
    with pytest.raises(ToolchainError, match="does not set AR"):
        toolchain.corrected("CXX = c++\n")
