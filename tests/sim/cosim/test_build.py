"""The cache of builds: its key and how long entries last; building itself is tested in test_simulation.py."""

import errno
import os
import time

import pytest

from vta.hw.config import PRESETS
from vta.sim.cosim import build as module
from vta.sim.cosim.build import KEPT_DAYS, build
from vta.sim.cosim.toolchain import ToolchainError


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folders that builds went to, none of them compiled."""
    monkeypatch.setenv("VTA_CACHE", str(tmp_path))
    folders = []

    def make(folder, *_):
        folder.mkdir()
        folders.append(folder)

    monkeypatch.setattr(module, "_make", make)
    return folders


def test_a_build_is_found_again_until_something_changes(made, monkeypatch):
    config = PRESETS["default"]
    for _ in range(2):
        build(config, "module vta; endmodule")
    assert len(made) == 1
    build(config, "module vta; wire x; endmodule")
    build(PRESETS["ultra96"], "module vta; endmodule")
    build(config, "module vta; endmodule", trace=True)
    build(config, "module vta; endmodule", top="axi_memory_port")
    monkeypatch.setattr(module, "OPTIMISE", "-O1")
    build(config, "module vta; endmodule")
    assert len(set(made)) == 6


def test_unused_builds_are_removed(made, tmp_path):
    build(PRESETS["default"], "module vta; endmodule")
    build(PRESETS["ultra96"], "module vta; endmodule")
    old = time.time() - (KEPT_DAYS + 1) * 86400
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    build(PRESETS["default"], "module vta; endmodule")        # used again
    module._remove_old_builds()
    assert made[0].exists() and not made[1].exists()


def test_unused_verilog_is_removed(made, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "vta_verilog", lambda config: "module vta; endmodule")
    build(PRESETS["default"])
    build(PRESETS["ultra96"])
    old = time.time() - (KEPT_DAYS + 1) * 86400
    for path in tmp_path.glob("verilog-*.v"):
        os.utime(path, (old, old))
    build(PRESETS["default"])                                 # used again
    module._remove_old_builds()
    assert len(list(tmp_path.glob("verilog-*.v"))) == 1


def test_a_full_cache_is_named_and_nothing_left(made, tmp_path, monkeypatch):
    def full(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "vta_verilog", lambda config: "module vta; endmodule")
    monkeypatch.setattr(module.Path, "write_text", full)
    with pytest.raises(ToolchainError, match=rf"cannot write {tmp_path}/verilog-\w+\.v: No space left on device"):
        build(PRESETS["default"])
    assert not list(tmp_path.iterdir())


def test_another_compiler_makes_another_build(made, monkeypatch):
    config = PRESETS["default"]
    build(config, "module vta; endmodule")
    real = module.subprocess.run

    def newer(command, **options):
        result = real(command, **options)
        if command == ["g++", "--version"]:
            result.stdout = "g++ 99.1"
        return result

    monkeypatch.setattr(module.subprocess, "run", newer)
    build(config, "module vta; endmodule")
    assert len(made) == 2
