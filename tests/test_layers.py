"""Layers point one way: the table of folders in docs/architecture.md says who may import whom."""

import ast
import graphlib
import re

import pytest
from repository import DOCS, ROOT

ROW = re.compile(r"^\| `([a-z/]+)/` \|[^|]+\| ([^|]*)\|$", re.MULTILINE)
# folder -> the folders that its modules may import from, its own included
ALLOWED = {folder: {folder, *re.findall(r"`([a-z/]+)/`", allowed)} if allowed.strip() != "everything" else None
           for folder, allowed in ROW.findall((DOCS / "architecture.md").read_text())}
MODULES = {path.relative_to(ROOT).with_suffix("").as_posix(): path
           for top in ("hw", "compiler", "sim", "runtime", "vta") for path in sorted((ROOT / top).rglob("*.py"))}


def module(name):
    """The module (its path without ".py") that the dotted name, or the name of something in it, stands for."""
    parts = name.split(".")
    if parts[0] == "vta":
        for end in range(len(parts), 0, -1):
            for top in ("", "vta/"):
                path = top + "/".join(parts[1:end])
                if path in MODULES:
                    return path
                if f"{path.rstrip('/')}/__init__" in MODULES:
                    return f"{path.rstrip('/')}/__init__"
    return None


def imports(path):
    """The modules of this project that a file imports, at its top or inside of functions."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[path].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {module(f"{node.module}.{alias.name}") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {module(alias.name) for alias in node.names}
    return found - {None, path}


def folder(path):
    return path.rpartition("/")[0]


def test_the_table_has_every_folder():
    assert set(ALLOWED) == {folder(path) for path in MODULES}


@pytest.mark.parametrize("name", [name for name, allowed in ALLOWED.items() if allowed])
def test_layers(name):
    wrong = [f"{path}.py imports {other}" for path in MODULES if folder(path) == name for other in sorted(imports(path))
             if folder(other) not in ALLOWED[name]]
    assert not wrong, "\n".join(wrong)


def test_folders_have_no_cycle():
    """Nor do modules import each other in a cycle."""
    graphlib.TopologicalSorter({name: allowed - {name} for name, allowed in ALLOWED.items() if allowed}).prepare()
    graphlib.TopologicalSorter({path: imports(path) for path in MODULES}).prepare()


def test_imports_are_seen():
    assert "hw/isa" in imports("hw/rtl/fetch") and "hw/rtl/top" in imports("hw/export/verilog")
    assert module("vta.hw.isa.Opcode") == "hw/isa" and module("vta.compiler.te") == "compiler/te/__init__"
