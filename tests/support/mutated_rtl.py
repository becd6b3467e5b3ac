"""The accelerator's Verilog with a planted bug: one text in a unit's source is replaced."""

import importlib
import inspect
import types
from pathlib import Path

from vta.hw.export.verilog import vta_verilog


def mutated_verilog(config, monkeypatch, unit, old, new):
    """The Verilog of `config` with the text `old`, which must occur once in vta.hw.rtl.`unit`, replaced by `new`.

    Only methods of the unit's components are recompiled from the changed text; the module's classes and functions
    stay, so that the rest of the hardware uses the same ones.
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
