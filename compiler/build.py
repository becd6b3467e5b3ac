"""`vta.build`: from a schedule to a program that takes numpy arrays.

    module = vta.build(s, [data, kernel, res], name="my_conv")
    module(device, data_array, kernel_array, res_array)        # res_array is filled in
    module.save("my_conv.vta")

Every stream goes through the checker: what it finds wrong is raised, never returned.
"""

from contextlib import contextmanager

import numpy as np

from vta.compiler.check.checker import CheckError
from vta.compiler.passes import PASSES, emit, lower_until
from vta.compiler.program import Program
from vta.compiler.te.errors import CompileError
from vta.hw.config import Config

# passes of TVM that a script may name in `build_config(disabled_pass=...)`; this compiler has no need of them
ABSENT_PASSES = ("tir.CommonSubexprElimTIR",)


class Module:
    """A `Program` and the order of its arguments."""

    def __init__(self, program, args, outputs):
        self.program, self.args, self.outputs = program, tuple(args), set(outputs)

    @property
    def config(self):
        return self.program.config

    def __call__(self, device, *arrays):
        """Run on `device` with one array for each argument, in order; outputs are written in place.

        Returns the device's RunResult. ValueError for arrays that do not fit.
        """
        if len(arrays) != len(self.args):
            raise CompileError(f"{self.program.name} takes {len(self.args)} arrays ({', '.join(self.args)}), "
                               f"{len(arrays)} given")
        given = dict(zip(self.args, arrays, strict=True))
        for name in self.outputs:
            want = self.program.buffer(name)
            if not isinstance(given[name], np.ndarray) or not given[name].flags.writeable:
                raise CompileError(f"{self.program.name}: {name} is filled in: it must be a numpy array that can be "
                                   f"written to")
            if given[name].shape != want.shape or given[name].dtype != np.dtype(want.dtype):
                raise CompileError(f"{self.program.name}: {name} is {given[name].dtype} {given[name].shape}, "
                                   f"expected {want.dtype} {want.shape}")
        inputs = {name: array for name, array in given.items() if name not in self.outputs}
        results, result = self.program.run(device, **inputs)
        for name, array in results.items():
            given[name][...] = array
        return result

    def save(self, path):
        """Write the program file (`vta run` executes it)."""
        self.program.save(path)


def build(schedule, args, target=None, name="main", config="default"):
    """The checked Module of `schedule` with the tensors `args` as arguments.

    target: None or "ext_dev", the only one. config: a Config, a preset's name or a `vta_config.json`.
    """
    if target not in (None, "ext_dev"):
        raise CompileError(f"target {target!r}: only \"ext_dev\", this accelerator, can be built for")
    config = Config.load(config)
    code = emit.run(lower_until(schedule, args, PASSES[-1].name, config, name), config)
    try:
        program = Program.from_code(code, name)
    except CheckError as error:
        _refuse_reading_back(schedule, args, error)
        raise
    return Module(program, [tensor.name for tensor in args], [tensor.name for tensor in schedule.outputs])


def _refuse_reading_back(schedule, args, error):
    """Say what the checker's `error` comes from where a stage loads from DRAM what another one stores there."""
    for tensor, stage in schedule.stages.items():
        for load in tensor.body.loads():
            if load.source in schedule.stages and load.source in args:
                raise CompileError(f"stage {stage.name} reads {load.source.name}, which the program itself stores "
                                   f"({error}): build one program up to there and one from there") from error


@contextmanager
def build_config(disabled_pass=()):
    """Accepts TVM's way to switch off passes; those that it may name do not exist here."""
    for name in disabled_pass:
        if name not in ABSENT_PASSES:
            raise CompileError(f"pass {name!r} cannot be disabled: every pass of this compiler is needed "
                               f"({', '.join(ABSENT_PASSES)} do not exist)")
    yield
