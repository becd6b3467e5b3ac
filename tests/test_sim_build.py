"""What a build is kept under, and for how long; building itself is tested in test_sim_simulation.py."""

import os
import time

import pytest

from vta.hw.config import PRESETS
from vta.sim import build as module
from vta.sim.build import KEPT_DAYS, build


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


def test_builds_nobody_uses_go(made, tmp_path):
    build(PRESETS["default"], "module vta; endmodule")
    build(PRESETS["ultra96"], "module vta; endmodule")
    old = time.time() - (KEPT_DAYS + 1) * 86400
    for path in tmp_path.iterdir():
        os.utime(path, (old, old))
    build(PRESETS["default"], "module vta; endmodule")        # used again
    module._forget_old_builds()
    assert made[0].exists() and not made[1].exists()
