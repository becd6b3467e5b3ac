"""Pass lift: kernels as large as possible."""

from small_schedules import DEFAULT, convolution, nodes

from vta.compiler.passes import alu, dma, inplace, lift
from vta.compiler.passes.lowering import lower_program
from vta.compiler.te.ir import For, Push, Scope, walk
from vta.compiler.te.nests import lower_loops
from vta.hw.config import PRESETS


def test_lift_never_joins_reset_and_update():
    s, args, _ = convolution()
    scopes = [node for node in nodes(lower_program(s, args, DEFAULT), Scope) if node.kind == "uop"]
    assert [scope.value for scope in scopes] == ["GEMM", "GEMM", "ALU"]


def test_lift_stops_before_the_micro_op_memory_is_full():
    s, args, _ = convolution(size=12, rows=12, pad=1)
    program = lift.run(alu.run(dma.run(inplace.run(lower_loops(s, args)), DEFAULT), DEFAULT), PRESETS["tiny"])
    gemm = [node for node in nodes(program, Scope) if node.kind == "uop" and node.value == "GEMM"]
    assert isinstance(gemm[1].body, (For, Push)) and len(list(walk(gemm[1].body))) < 6
