"""Pass fold: hardware loops."""

from small_schedules import DEFAULT, convolution, nodes

from vta.compiler.passes.lowering import lower_program
from vta.compiler.te.ir import Scope


def test_fold_takes_the_two_outermost_loops():
    s, args, _ = convolution()
    program = lower_program(s, args, DEFAULT)
    update = [node for node in nodes(program, Scope) if node.kind == "uop"][1]
    assert update.loops == ((4, 18, 0, 9), (3, 6, 8, 0))
