"""Pass threads: the thread loop moves inward."""

from small_schedules import convolution, lowered, nodes, refuse

from vta.compiler.te.ir import For, ModuleScope, Token


def test_threads_take_turns_at_every_scope():
    s, args, _ = convolution(threads=True)
    function = lowered(s, args, "threads")
    loops = [node for node in nodes(function, For) if node.thread]
    assert len(loops) == 5 and all(isinstance(loop.body, ModuleScope) for loop in loops)
    outside = [node for node in function.body.body if isinstance(node, Token)]
    assert len(outside) == 4          # two pushed before the loop, two popped after it


def test_threads_refuse_a_stage_outside():
    s, args, n = convolution(threads=True)
    s[n.conv].compute_at(s[n.res], n.res.op.axis[0])
    s[n.kernel_buf].attach = None
    refuse(s, args, "stage kernel_buf is on chip but computed outside of the virtual threads' loop")
