"""Pass inplace: results reuse the memory of dead operands."""

import pytest
from small_schedules import env, lowered, refuse, vector_add

from vta import te


def test_inplace_shares_the_dead_operand():
    s, args, _ = vector_add()
    assert [array.name for array in lowered(s, args, "inplace").arrays] == ["A_buf", "B_buf"]


def test_inplace_leaves_what_is_read_twice():
    shape = (1, 2, env.BATCH, env.BLOCK_OUT)
    A = te.placeholder(shape, name="A", dtype="int32")
    A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
    B = te.compute(shape, lambda *i: A_buf(*i) >> 1, "B")
    C = te.compute(shape, lambda *i: B(*i) + A_buf(*i), "C")
    D = te.compute(shape, lambda *i: C(*i).astype("int8"), "D")
    s = te.create_schedule(D)
    for stage, pragma in ((A_buf, env.dma_copy), (B, env.alu), (C, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[D].pragma(D.op.axis[0], env.dma_copy)
    refuse(s, [A, D], "alu of stage B: its first operand must be .* read only here")


@pytest.mark.parametrize("other", [lambda B, i, j, *k: B(j, i, *k), lambda B, i, j, *k: B(i, 0, *k),
                                   lambda B, i, j, *k: B(3 - i, j, *k)], ids=["transposed", "first", "backwards"])
def test_inplace_leaves_what_is_read_at_another_index_too(other):
    shape = (4, 4, env.BATCH, env.BLOCK_OUT)
    A = te.placeholder(shape, name="A", dtype="int32")
    B = te.compute(shape, lambda *i: A(*i), "B")
    C = te.compute(shape, lambda i, j, n, c: B(i, j, n, c) + other(B, i, j, n, c), "C")
    D = te.compute(shape, lambda *i: C(*i).astype("int8"), "D")
    s = te.create_schedule(D)
    for stage, pragma in ((B, env.dma_copy), (C, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[D].pragma(D.op.axis[0], env.dma_copy)
    refuse(s, [A, D], "alu of stage C: its first operand must be .* read only here and at the same index")
