"""`vta.build`: from a schedule to a program that takes numpy arrays.

    module = vta.build(s, [data, kernel, res], name="my_conv")
    module(device, data_array, kernel_array, res_array)        # res_array is filled in
    module.save("my_conv.vta")

Every stream goes through the checker; a fault raises CheckError.
"""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from vta.compiler.check.checker import CheckError
from vta.compiler.passes import PASSES, emit, lower_until
from vta.compiler.program import Program
from vta.compiler.stream.prefetch import prefetch as prefetch_uops
from vta.compiler.te import Schedule, Tensor
from vta.compiler.te.errors import CompileError
from vta.hw.config import Config


class Module:
    """A `Program` and the order of its arguments."""

    def __init__(self, program: Program, args: Sequence[str], outputs: Sequence[str]):
        self.program, self.args, self.outputs = program, tuple(args), set(outputs)

    @property
    def config(self) -> Config:
        return self.program.config

    def __call__(self, device: Any, *arrays: np.ndarray) -> Any:
        """Run on `device` with one array for each argument, in order; the outputs are filled in.

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

    def save(self, path: str | PathLike) -> None:
        """Write the program file (`vta run` executes it)."""
        self.program.save(path)


def build(schedule: Schedule, args: Sequence[Tensor], name: str = "main", config: Config | str = "default",
          prefetch: bool = False) -> Module:
    """The checked Module of `schedule` with the tensors `args` as arguments.

    config: a Config, a preset's name or the path of a `vta_config.json`. prefetch: micro-ops are loaded in advance,
    which takes fewer cycles; without, the instructions are exactly those of TVM's compiler.
    """
    config = Config.load(config)
    code = emit.run(lower_until(schedule, args, PASSES[-1].name, config, name), config)
    if prefetch:
        code = prefetch_uops(code)
    try:
        program = Program.from_code(code, name)
    except CheckError as error:
        _refuse_reading_back(schedule, args, error)
        raise
    return Module(program, [tensor.name for tensor in args], [tensor.name for tensor in schedule.outputs])


def _refuse_reading_back(schedule, args, error):
    """Raise a clearer error than the checker's `error` where a stage loads from DRAM what another one stores there."""
    for tensor, stage in schedule.stages.items():
        for load in tensor.body.loads():
            if load.source in schedule.stages and load.source in args:
                raise CompileError(f"stage {stage.name} reads {load.source.name}, which the program itself stores "
                                   f"({error}): build one program up to there and one from there") from error
