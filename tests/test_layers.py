"""Layers point one way: who may import whom, as docs/architecture.md has it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACTS = {"vta.hw.config", "vta.hw.isa", "vta.hw.counters", "vta.hw.registers"}
# folder -> what its modules may import of ours: whole packages (with a dot at the end) or single modules
ALLOWED = {
    "hw": {"vta.hw."},
    "compiler": FACTS | {"vta.compiler.", "vta.runtime.layout"},
    "sim": FACTS | {"vta.sim.", "vta.hw."},
    "runtime": FACTS | {"vta.runtime.", "vta.sim.", "vta.compiler.checker", "vta.hw.boards", "vta"},
}


def imports(path):
    """The modules of ours that a file imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
            if node.module in ("vta.hw", "vta.compiler", "vta.sim", "vta.runtime", "vta"):
                modules = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        yield from (module for module in modules if module.split(".")[0] == "vta" and module != "vta.__version__")


@pytest.mark.parametrize("folder", ALLOWED)
def test_layers(folder):
    wrong = [f"{path.relative_to(ROOT)} imports {module}"
             for path in sorted((ROOT / folder).rglob("*.py")) for module in imports(path)
             if not any(module == one or (one.endswith(".") and f"{module}.".startswith(one))
                        for one in ALLOWED[folder])]
    assert not wrong, "\n".join(wrong)
