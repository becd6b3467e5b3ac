"""Lowering: the passes in their order. Each has its contract at the top of its file in `compiler/passes`."""

from vta.compiler.passes import alu, dma, fold, inplace, lift, place, threads, tokens
from vta.compiler.te.expr import CompileError
from vta.compiler.te.ir import Dma, Push, Store, Token, verify
from vta.compiler.te.nests import lower_loops
from vta.compiler.te.printer import show
from vta.hw.config import Config


def lower_program(schedule, args, config, name="main"):
    """The Program just before `emit`: all passes of the compiler but the last."""
    program = lower_loops(schedule, args, name)
    for stage in schedule.stages.values():
        if stage.intrinsic and stage.intrinsic[1].config.hash != config.hash:
            raise CompileError(f"tensorize of stage {stage.name} is for configuration "
                               f"{stage.intrinsic[1].config.name!r}, the program for {config.name!r}: give "
                               f"vta.get_env and vta.build the same one")
    for buffer in program.buffers:
        if buffer.scope == "global":
            raise CompileError(f"stage {buffer.name} lives in DRAM but is no argument: give it a place on "
                               f"chip with "
                               f"set_scope")
    program = inplace.run(program)
    program = verify(dma.run(program, config), "dma", (Dma, Store, Push))
    program = verify(alu.run(program, config), "alu", (Dma, Push))
    program = lift.run(program, config)
    program = place.run(program, config)
    program = verify(tokens.run(program), "tokens", (Dma, Push, Token))
    program = threads.run(program)
    return fold.run(program, config)


def lower(schedule, args, simple_mode=True, config="default"):
    """The program for the machine, as text: what the stream will be made from."""
    del simple_mode          # always
    return show(lower_program(schedule, args, Config.load(config)))
