"""VTA, the Versatile Tensor Accelerator: RTL, compiler, runtime and cosimulation in Python."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:                # the names of _PUBLIC, for editors and type checkers
    from vta import tvm as tvm
    from vta.compiler import layout as layout
    from vta.compiler import ops as ops
    from vta.compiler import te as te
    from vta.compiler.program import Program as Program
    from vta.compiler.stream.pipeline import Pipeline as Pipeline
    from vta.compiler.te import topi as topi
    from vta.compiler.te.environment import get_env as get_env
    from vta.hw import isa as isa
    from vta.hw.config import Config as Config
    from vta.runtime.device import DeviceError as DeviceError
    from vta.runtime.device import clear_stats as clear_stats
    from vta.runtime.device import open_device
    from vta.runtime.device import stats as stats
    from vta.runtime.jobs import Jobs as Jobs
    from vta.tvm import build as build
    from vta.tvm import build_config as build_config
    from vta.tvm import lower_to_vta
    device, lower = open_device, lower_to_vta

# public name -> module:attribute, imported on first use, so that `import vta` costs nothing
_PUBLIC = {
    "Config": "vta.hw.config:Config",
    "DeviceError": "vta.runtime.device:DeviceError",
    "Jobs": "vta.runtime.jobs:Jobs",
    "Pipeline": "vta.compiler.stream.pipeline:Pipeline",
    "Program": "vta.compiler.program:Program",
    "build": "vta.tvm:build",
    "build_config": "vta.tvm:build_config",
    "clear_stats": "vta.runtime.device:clear_stats",
    "device": "vta.runtime.device:open_device",
    "get_env": "vta.compiler.te.environment:get_env",
    "isa": "vta.hw.isa",
    "layout": "vta.compiler.layout",
    "lower": "vta.tvm:lower_to_vta",
    "ops": "vta.compiler.ops",
    "stats": "vta.runtime.device:stats",
    "te": "vta.compiler.te",
    "topi": "vta.compiler.te.topi",
    "tvm": "vta.tvm",
}


def __getattr__(name):
    if name == "__version__":
        from importlib import metadata
        return metadata.version("amaranth-vta")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vta' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = importlib.import_module(module)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*_PUBLIC, "__version__"])
