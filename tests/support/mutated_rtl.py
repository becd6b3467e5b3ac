"""The accelerator's Verilog with one planted bug: a unit's source text, changed in one place."""

import importlib
import inspect
import types
from pathlib import Path

from vta.hw.export.verilog import vta_verilog


def mutated_verilog(config, monkeypatch, unit, old, new):
    """The Verilog of `config` where, in vta.hw.`unit`, the text `old`, found once, reads `new`.

    Methods of the unit's components are replaced by those compiled from the changed text; classes and functions of
    the module stay, so that the rest of the hardware meets the same ones.
    """
    module = importlib.import_module(f"vta.hw.rtl.{unit}")
    source = Path(module.__file__).read_text()
    assert source.count(old) == 1, f"vta.hw.rtl.{unit}: {old!r} occurs {source.count(old)} times"
    changed = dict(vars(module))
    exec(compile(source.replace(old, new), f"{unit} with a bug", "exec"), changed)
    for name, component in inspect.getmembers(module, inspect.isclass):
        if component.__module__ != module.__name__:
            continue
        for method, function in vars(changed[name]).items():
            if isinstance(function, types.FunctionType) and method != "__init__" and "elaborate" in vars(component):
                monkeypatch.setattr(component, method, function)
        changed[name] = component
    return vta_verilog(config)
