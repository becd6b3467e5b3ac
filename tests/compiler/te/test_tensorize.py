"""Pass tensorize: the loops of a product become one micro-op."""

from small_schedules import convolution, env, lowered, nodes, refuse

from vta.compiler.te.ir import Push


def test_tensorize_makes_tiles():
    s, args, _ = convolution()
    pushes = [push for push in nodes(lowered(s, args), Push) if push.opcode is None]
    assert [push.reset for push in pushes] == [True, False]


def test_tensorize_refuses_an_operand_in_the_wrong_memory():
    s, args, n = convolution()
    s[n.data_buf].set_scope(env.wgt_scope)
    refuse(s, args, "tensorize of stage conv: one operand must live in env.inp_scope")


def test_tensorize_refuses_half_tiles():
    s, args, n = convolution()
    _outer, inner = s[n.conv].split(n.conv.op.axis[5], factor=8)
    s[n.conv].tensorize(inner, env.gemm)
    refuse(s, args, r"tensorize of stage conv: operand conv runs over \(step, count\)")


def test_left_as_loops():
    s, args, _ = convolution(tensorize=False)
    refuse(s, args, "stage conv is left as plain loops .* tensorize")
