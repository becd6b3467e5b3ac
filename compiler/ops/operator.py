"""What every operator is: a checked program, the conversion of numpy arrays to and from it, and a numpy reference."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vta.compiler.ops.checks import Shape, as_pads, extents, need
from vta.compiler.ops.post import Post
from vta.compiler.ops.window import Window
from vta.compiler.program import Program
from vta.compiler.timing import predict
from vta.hw.config import Config


@dataclass(frozen=True)
class About:
    """How an operator is scheduled, and the cycles that it takes."""

    predicted: int                          # cycles by the timing model
    tilings: tuple                          # a `Tiling` for each window; of an ALU operator one tuple, described there
    windows: tuple[Window, ...] = ()        # what the tensor core multiplies, one after another
    post: Post | None = None                # what follows; None for max pooling
    floor: int | None = None                # the cycles that any tiling takes; None for an ALU operator
    fold: str = "none"                      # how the image was folded (`first_layer.py`)


@dataclass(frozen=True)
class Operator:
    """`program` takes packed arrays; calling the operator takes plain ones.

    inputs: argument name -> (shape, function from the caller's array to the packed one), in the order of the
    arguments; a function that is None makes none. derived: name of another packed array -> function of
    all arguments. output: function from the packed result to the caller's. reference: what a call returns, by numpy.
    """

    name: str
    program: Program
    inputs: dict[str, tuple[Shape, Callable[[np.ndarray], np.ndarray]]]
    output: Callable[[np.ndarray], np.ndarray]
    reference: Callable[..., np.ndarray]
    about: About
    derived: dict[str, Callable[..., np.ndarray]] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        return self.program.config

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each argument, by name."""
        return {name: tuple(shape) for name, (shape, _) in self.inputs.items()}

    def pack(self, *arrays: np.ndarray) -> dict[str, np.ndarray]:
        """The program's inputs by name. OperatorError for wrong shapes, LayoutError for values beyond the type."""
        need(len(arrays) == len(self.inputs), f"{self.name} takes {len(self.inputs)} arrays "
                                              f"({', '.join(self.inputs)}), {len(arrays)} given")
        packed = {}
        for (name, (shape, pack)), array in zip(self.inputs.items(), arrays, strict=True):
            need(np.shape(array) == tuple(shape), f"{self.name}: {name} has shape {np.shape(array)}, "
                                                  f"expected {tuple(shape)}")
            if pack is not None:
                packed[name] = pack(array)
        return packed | {name: pack(*arrays) for name, pack in self.derived.items()}

    def __call__(self, device, *arrays: np.ndarray) -> np.ndarray:
        """The int8 result on `device`."""
        return self.output(self.run(device, *arrays)[0])

    def run(self, device, *arrays: np.ndarray, **options):
        """(packed result, the device's RunResult)."""
        outputs, result = self.program.run(device, **self.pack(*arrays), **options)
        return outputs["out"], result


def predicted_cycles(code) -> int:
    """The cycles of a `Code` by the timing model."""
    return predict(code.insns, code.config, uops=lambda first, count: code.uops[first:first + count]).cycles


def fastest(candidates: Iterable, emit: Callable, enough: float = 0) -> tuple[Any, Any, int]:
    """(candidate, code, predicted cycles) of the fastest, the first of equals; `emit` makes the code of a candidate. A
    candidate of at most `enough` cycles ends the search."""
    best = None
    for candidate in candidates:
        code = emit(candidate)
        timed = candidate, code, predicted_cycles(code)
        best = min(best or timed, timed, key=lambda each: each[2])
        if best[2] <= enough:
            break
    return best


def sliding_windows(data, kernel, stride, pad, dilation=(1, 1), fill=0):
    """(N, C, H, W) data padded with `fill` -> its windows, (N, C, rows, cols, kh, kw). pad: any form of `Pads`."""
    padded = np.pad(data, ((0, 0), (0, 0), *as_pads(pad)), constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, extents(kernel, dilation), (2, 3))
    return windows[:, :, ::stride[0], ::stride[1], ::dilation[0], ::dilation[1]]
