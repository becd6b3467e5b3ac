"""VTA, the Versatile Tensor Accelerator: RTL, compiler, runtime and cosimulation in Python."""

import importlib

# public name -> where it lives; imported when first used, so that `import vta` costs nothing
_PUBLIC = {
    "Config": "vta.hw.config:Config",
    "device": "vta.runtime.device:open_device",
    "DeviceError": "vta.runtime.device:DeviceError",
    "stats": "vta.runtime.device:stats",
    "clear_stats": "vta.runtime.device:clear_stats",
    "Jobs": "vta.runtime.jobs:Jobs",
    "te": "vta.compiler.te:",
    "topi": "vta.compiler.te.topi:",
    "ops": "vta.compiler.ops:",
    "get_env": "vta.compiler.te.environment:get_env",
    "lower": "vta.compiler.passes:lower",
    "build": "vta.compiler.build:build",
    "build_config": "vta.compiler.build:build_config",
    "pack_activations": "vta.compiler.layout:pack_activations",
    "unpack_activations": "vta.compiler.layout:unpack_activations",
    "pack_weights": "vta.compiler.layout:pack_weights",
    "unpack_weights": "vta.compiler.layout:unpack_weights",
    "pack_bias": "vta.compiler.layout:pack_bias",
    "replay": "vta.runtime.replay:replay",
    "load_vector": "vta.runtime.vector:load_vector",
}


def __getattr__(name):
    if name == "__version__":
        from importlib import metadata
        return metadata.version("amaranth-vta")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vta' has no attribute {name!r}")
    module, attribute = _PUBLIC[name].split(":")
    value = importlib.import_module(module)
    if attribute:
        value = getattr(value, attribute)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_PUBLIC, "__version__"])
