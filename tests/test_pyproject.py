"""The installed package is complete: every package, and every data file that the code reads."""

import re

import pytest
from repository import ROOT

tomllib = pytest.importorskip("tomllib")         # from Python 3.11 on

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
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


def test_editors_see_every_package():
    """The folder that [tool.pyright] names is made by the Makefile, with a link to each folder of FOLDERS."""
    links = re.search(r'ln -s "\$\$PWD"/vta/\* "\$\$PWD"/{([a-z,]+)} (\S+)/vta/', (ROOT / "Makefile").read_text())
    assert {"vta", *links[1].split(",")} == set(FOLDERS.values())
    assert PROJECT["tool"]["pyright"]["extraPaths"] == [links[2]]


def test_every_data_file_is_installed():
    installed = {path for name, patterns in SETUPTOOLS["package-data"].items() for pattern in patterns
                 for path in (ROOT / SETUPTOOLS["package-dir"][name]).glob(pattern)}
    for name, folder in FOLDERS.items():
        here = ROOT / folder
        data = {path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts
                and path.suffix != ".py"}
        assert data <= installed, f"not in package-data of {name}"
