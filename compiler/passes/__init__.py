"""The passes from loops to the machine, one per file: `PASSES` in order, then `emit`, which makes the stream."""

from collections.abc import Callable
from dataclasses import dataclass

from vta.compiler.passes import alu, dma, fold, inplace, lift, place, threads, tokens
from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import AluNest, Dma, DmaNest, For, ModuleScope, Push, Seq, Statement, Store, Token, UopScope
from vta.compiler.te.nests import lower_loops
from vta.compiler.te.nodes import walk
from vta.compiler.te.printer import show
from vta.hw.config import Config


@dataclass(frozen=True)
class Pass:
    """`run(function, config)` returns a new function; `allowed`: its classes of statement, apart from For and Seq."""

    name: str
    run: Callable
    allowed: tuple

    def __call__(self, function, config):
        """The new function, checked against `allowed`."""
        function = self.run(function, config)
        for node in walk(function.body):
            if isinstance(node, Statement) and not isinstance(node, (For, Seq, *self.allowed)):
                what = f"stage {node.stage}" if getattr(node, "stage", "") else repr(node)
                raise CompileError(f"{what} is left as plain loops after pass {self.name!r}: map it with pragma(..., "
                                   f"env.dma_copy), pragma(..., env.alu) or tensorize(..., env.gemm)")
        return function


PASSES = (
    Pass("inplace", inplace.run, (DmaNest, AluNest, Store, UopScope, Push)),
    Pass("dma", dma.run, (Dma, AluNest, Store, UopScope, Push)),
    Pass("alu", alu.run, (Dma, UopScope, Push)),
    Pass("lift", lift.run, (Dma, UopScope, Push)),
    Pass("place", place.run, (Dma, UopScope, Push)),
    Pass("tokens", tokens.run, (Dma, UopScope, Push, ModuleScope, Token)),
    Pass("threads", threads.run, (Dma, UopScope, Push, ModuleScope, Token)),
    Pass("fold", fold.run, (Dma, UopScope, Push, ModuleScope, Token)),
)


def lower_until(schedule, args, last, config, name="main"):
    """The Function of `schedule` after the pass called `last`."""
    function = lower_loops(schedule, args, name)
    for stage in schedule.stages.values():
        if stage.intrinsic and stage.intrinsic[1].config.hash != config.hash:
            raise CompileError(f"tensorize of stage {stage.name} is for configuration "
                               f"{stage.intrinsic[1].config.name!r}, the program for {config.name!r}: give "
                               f"vta.get_env and vta.build the same one")
    for array in function.arrays:
        if array.scope == "global":
            raise CompileError(f"stage {array.name} lives in DRAM but is no argument: give it a place on "
                               f"chip with set_scope")
    for step in PASSES[:[step.name for step in PASSES].index(last) + 1]:
        function = step(function, config)
    return function


def lower(schedule, args, config="default"):
    """The program for the machine, as text: what the stream will be made from."""
    return show(lower_until(schedule, args, PASSES[-1].name, Config.load(config)))
