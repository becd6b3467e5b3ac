"""Cases that also end in an error, each with its cause and unit: see isa_case.py."""

from isa_case import byte

from vta.hw.isa import AluOp, MemType, Opcode, Unit
from vta.hw.registers import ErrorCause

ACC, INP, WGT = MemType.ACC, MemType.INP, MemType.WGT
FAULTS = {}


def fault(cause, unit):
    def add(function):
        FAULTS[function.__name__] = (function, cause, unit)
        return function
    return add


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def accumulator_index_wraps(p):
    """Decision D6: dst = depth is tile 0."""
    depth = p.config.depth["ACC"]
    p.uops((depth - 1, depth - 1))
    p.fill(ACC, [1])
    p.fill(ACC, [2], sram=depth - 1)
    p.alu(AluOp.ADD, 10, loop=(1, 2), dst=(0, 1), src=(0, 1))
    return [(p.store(1), [11]), (p.store(1, sram=depth - 1), [12])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def negative_steps_wrap(p):
    """A factor of depth - 1 is a step of -1 modulo the depth."""
    depth = p.config.depth["ACC"]
    p.uops((2, 2))
    p.fill(ACC, [1, 2, 3])
    p.alu(AluOp.ADD, 10, loop=(1, 3), dst=(0, depth - 1), src=(0, depth - 1))
    return [(p.store(3), [11, 12, 13])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def input_index_wraps(p):
    depth = p.config.depth["INP"]
    p.uops((0, depth - 1, 0))
    p.fill(INP, [3])
    p.fill(INP, [5], sram=depth - 1)
    p.fill(WGT, [1])
    p.gemm(reset=1, loop=(1, 2), dst=(0, 1))
    p.gemm(loop=(1, 2), dst=(0, 1), src=(0, 1))
    return [(p.store(2), [byte(5 * p.config.block), byte(3 * p.config.block)])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def load_beyond_the_accumulator_wraps(p):
    depth = p.config.depth["ACC"]
    p.fill(ACC, [1, 2, 3], sram=depth - 1)
    return [(p.store(2), [2, 3]), (p.store(1, sram=depth - 1), [1])]


@fault(ErrorCause.INDEX, Unit.LOAD)
def load_beyond_the_weights_wraps(p):
    p.uops((0, 0, 0))
    p.fill(INP, [1])
    p.fill(WGT, [1, 2], sram=p.config.depth["WGT"] - 1)
    p.gemm(reset=1)
    p.gemm()
    return [(p.store(1), [byte(2 * p.config.block)])]


@fault(ErrorCause.INDEX, Unit.STORE)
def store_beyond_the_output_wraps(p):
    depth = p.config.depth["ACC"]
    p.fill(ACC, [1])
    p.fill(ACC, [2], sram=depth - 1)
    return [(p.store(2, sram=depth - 1), [2, 1])]


@fault(ErrorCause.OPCODE, Unit.COMPUTE)
def unknown_opcode_handles_tokens(p):
    """Decision D7: the tokens it pops and pushes keep the stream going."""
    p.fill(ACC, [4])
    p.fill(INP, [0])
    p.emit(6)
    return [(p.store(1), [4])]


@fault(ErrorCause.OPCODE, Unit.COMPUTE)
def unknown_operation_is_ignored(p):
    p.uops((0, 0))
    p.fill(ACC, [4])
    p.alu(max(AluOp) + 1, 3)
    return [(p.store(1), [4])]


@fault(ErrorCause.MEMORY_TYPE, Unit.COMPUTE)
def load_of_output_is_ignored(p):
    p.fill(ACC, [4])
    p.emit(Opcode.LOAD, mem_type=4, x_size=1, y_size=1)
    return [(p.store(1), [4])]


@fault(ErrorCause.MEMORY_TYPE, Unit.STORE)
def store_of_something_else_is_ignored(p):
    p.fill(ACC, [4])
    kept = p.store(1, mem=MemType.INP)
    return [(kept, [0x55]), (p.store(1), [4])]
