"""Pass lift: kernels as large as possible."""

from small_schedules import convolution, lowered, nodes

from vta.compiler.passes import lift
from vta.compiler.te.ir import For, Push, UopScope
from vta.compiler.te.nodes import walk
from vta.hw.config import PRESETS
from vta.hw.isa import Opcode


def test_lift_never_joins_reset_and_update():
    s, args, _ = convolution()
    assert [scope.opcode for scope in nodes(lowered(s, args, "lift"), UopScope)] == [Opcode.GEMM, Opcode.GEMM,
                                                                                     Opcode.ALU]


def test_lift_stops_before_the_micro_op_memory_is_full():
    s, args, _ = convolution(size=12, rows=12, pad=1)
    body = nodes(lift.run(lowered(s, args, "alu"), PRESETS["tiny"]), UopScope)[1].body
    assert isinstance(body, (For, Push)) and sum(isinstance(node, (For, Push)) for node in walk(body)) < 6
