"""What is installed is what is here: every package and every data file that the code reads."""

from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")         # from Python 3.11 on

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = {"vta": "vta", "vta.hw": "hw", "vta.compiler": "compiler", "vta.runtime": "runtime", "vta.sim": "sim"}


def test_every_package_is_installed_from_its_folder():
    found = {}
    for name, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found[".".join((name, *inside))] = init.parent.relative_to(ROOT).as_posix()
    assert set(SETUPTOOLS["packages"]) == set(found)
    for name, folder in SETUPTOOLS["package-dir"].items():
        assert found[name] == folder


def test_every_data_file_is_installed():
    patterns = SETUPTOOLS["package-data"]
    for name, folder in FOLDERS.items():
        here = ROOT / folder
        installed = {path for pattern in patterns.get(name, ()) for path in here.glob(pattern)}
        data = {path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts
                and path.suffix != ".py"}
        assert data <= installed, f"not in package-data of {name}"
