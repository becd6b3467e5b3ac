"""The public names of `vta`: all of them, nothing else, known to editors, with types."""

import ast
import inspect
import subprocess
import sys

import pytest
from repository import ROOT

import vta
from vta.compiler.build import Module
from vta.compiler.program import Placement
from vta.runtime.device import Device, RunResult
from vta.runtime.jobs import LoadedProgram
from vta.runtime.memory import Buffer, Memory
from vta.runtime.replay import Replay, replay

NAMES = set(vta._PUBLIC)


def test_editors_know_the_names_that_are_imported_on_first_use():
    tree = ast.parse((ROOT / "vta" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    shown = {}
    exec(compile(ast.Module(block.body, []), "vta", "exec"), shown)
    exported = {name for node in ast.walk(block) for name in (
        [alias.asname for alias in node.names] if isinstance(node, ast.ImportFrom) else
        [node.id] if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else [])}
    assert exported - {None} == NAMES
    assert all(shown[name] is getattr(vta, name) for name in NAMES)
    assert (ROOT / "vta" / "py.typed").exists()


def test_notebooks_complete_the_names():
    assert dir(vta) == sorted(NAMES | {"__version__"})
    with pytest.raises(AttributeError, match="module 'vta' has no attribute 'nothing'"):
        _ = vta.nothing


def test_import_costs_nothing():
    code = "import sys, vta; print(*(name for name in sys.modules if name.startswith(('vta.', 'numpy', 'amaranth'))))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def functions(name, value):
    """(name, function) of a function, or of everything public in a class."""
    if inspect.isfunction(value):
        yield name, value
    for key, member in vars(value).items() if inspect.isclass(value) else ():
        member = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if inspect.isfunction(member) and (not key.startswith("_") or key in ("__init__", "__call__")) \
                and inspect.getsourcefile(member) == inspect.getsourcefile(value):       # not what dataclass made
            yield f"{name}.{key}", member


PUBLIC = {name: getattr(vta, name) for name in NAMES} | {kind.__name__: kind for kind in (
    Buffer, Device, LoadedProgram, Memory, Module, Placement, Replay, RunResult, replay)}


@pytest.mark.parametrize("name, function", [pair for name, value in sorted(PUBLIC.items())
                                            for pair in functions(name, value)])
def test_signatures_have_types(name, function):
    signature = inspect.signature(function)
    missing = [key for key, parameter in signature.parameters.items()
               if parameter.annotation is parameter.empty and key not in ("self", "cls")]
    assert not missing, f"{name}: no type for {', '.join(missing)}"
    assert function.__name__ == "__init__" or signature.return_annotation is not signature.empty, f"{name}: no result"


def test_fields_have_types():
    for kind in (RunResult, Replay, vta.Program):
        assert object not in inspect.get_annotations(kind, eval_str=True).values()
