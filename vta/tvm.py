"""Compatibility with scripts written against Apache TVM: `from vta import tvm` and the arguments of TVM's calls.

`vta.build`, `vta.lower` and `vta.build_config` are those of this file too. New code needs none of it:
`te.lower(s, args)` prints the loops, `vta.build(s, args)` takes no target.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from vta.compiler import build as core
from vta.compiler import passes, te
from vta.compiler.te import Schedule, Tensor, topi
from vta.compiler.te.errors import CompileError
from vta.hw.config import Config

__all__ = ["build", "build_config", "lower", "lower_to_vta", "te", "topi"]

# passes of TVM that a script may disable: this compiler does not have them
ABSENT_PASSES = ("tir.CommonSubexprElimTIR",)


def lower(schedule: Schedule, args: Sequence[Tensor], simple_mode: bool = True) -> str:
    """`tvm.lower`: the loops of `schedule` as text, before any mapping to the machine. `simple_mode` is ignored."""
    return te.lower(schedule, args)


def lower_to_vta(schedule: Schedule, args: Sequence[Tensor], simple_mode: bool = True,
                 config: Config | str = "default") -> str:
    """`vta.lower`: the program that the stream is made from, as text. `simple_mode` is ignored."""
    return passes.lower(schedule, args, config=config)


def build(schedule: Schedule, args: Sequence[Tensor], target: str | None = None, name: str = "main",
          config: Config | str = "default") -> core.Module:
    """`vta.build`: the checked Module of `schedule` with the tensors `args` as arguments.

    target: None or "ext_dev". config: a Config, a preset's name or the path of a `vta_config.json`.
    """
    if target not in (None, "ext_dev"):
        raise CompileError(f"target {target!r}: only \"ext_dev\", this accelerator, can be built for")
    return core.build(schedule, args, name, config)


@contextmanager
def build_config(disabled_pass: Iterable[str] = ()) -> Iterator[None]:
    """A context in which TVM's passes `disabled_pass` are disabled: CompileError unless they do not exist here."""
    for name in disabled_pass:
        if name not in ABSENT_PASSES:
            raise CompileError(f"pass {name!r} cannot be disabled: every pass of this compiler is needed "
                               f"({', '.join(ABSENT_PASSES)} do not exist)")
    yield
