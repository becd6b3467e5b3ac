"""Pass threads: the thread loop moves inward."""

from small_schedules import DEFAULT, convolution, nodes, refuse

from vta.compiler.passes.lowering import lower_program
from vta.compiler.te.ir import For, Scope, Token


def test_threads_take_turns_at_every_scope():
    s, args, _ = convolution(threads=True)
    program = lower_program(s, args, DEFAULT)
    scopes = [node for node in nodes(program, For) if node.kind == "vthread"]
    assert len(scopes) == 5 and all(isinstance(scope.body, Scope) and scope.body.kind == "module"
                                    for scope in scopes)
    outside = [node for node in program.body.body if isinstance(node, Token)]
    assert len(outside) == 4          # two pushed before the loop, two popped after it


def test_threads_refuse_a_stage_outside():
    s, args, n = convolution(threads=True)
    s[n.conv].compute_at(s[n.res], n.res.op.axis[0])
    s[n.kernel_buf].attach = None
    refuse(s, args, "stage kernel_buf is on chip but computed outside of the virtual threads' loop")
