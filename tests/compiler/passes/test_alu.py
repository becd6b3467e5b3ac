"""Pass alu: one operation as ALU micro-ops."""

import pytest
from small_schedules import convolution, env, lowered, nodes, refuse

from vta import te
from vta.compiler.te.ir import For, Push, UopScope
from vta.hw.isa import AluOp, Opcode


def test_alu_merges_loops():
    s, args, _ = convolution(rows=6)
    (scope,) = [scope for scope in nodes(lowered(s, args, "alu"), UopScope) if scope.opcode is Opcode.ALU]
    assert isinstance(scope.body, For) and scope.body.var.extent == 4 * 36 and isinstance(scope.body.body, Push)
    assert scope.body.body.opcode is AluOp.SHR and scope.body.body.imm == 4


@pytest.mark.parametrize(("value", "message"), [
    (lambda a: a + 40000, "immediate 40000 does not fit 16 bits"),
    (lambda a: a << (a >> 1), "the ALU has no shl"),
    (lambda a: 5 - a, "the ALU has no sub .*: negate what is taken away in a stage of its own, and add"),
    (lambda a: (a >> 1) >> 1, "alu of stage B: it computes shr of shr, .*: give the shr a stage of its own"),
    (lambda a: te.min(te.max(a, 0), 9), "it computes min of max, .*: give the max a stage of its own"),
])
def test_alu_refuses(value, message):
    shape = (1, 2, env.BATCH, env.BLOCK_OUT)
    A = te.placeholder(shape, name="A", dtype="int32")
    A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
    B = te.compute(shape, lambda *i: value(A_buf(*i)), "B")
    C = te.compute(shape, lambda *i: B(*i).astype("int8"), "C")
    s = te.create_schedule(C)
    for stage, pragma in ((A_buf, env.dma_copy), (B, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[C].pragma(C.op.axis[0], env.dma_copy)
    refuse(s, [A, C], message)
