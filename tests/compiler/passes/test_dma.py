"""Pass dma: copies as 2-D transfers."""

from small_schedules import convolution, env, lowered, nodes, refuse, vector_add

from vta import te, topi
from vta.compiler.te.index import Lin
from vta.compiler.te.ir import Dma


def copied(A_buf):
    """(schedule, output): what `A_buf` loads into the accumulator is stored again."""
    B_buf = te.compute(A_buf.shape, lambda *i: A_buf(*i) >> 0, "B_buf")
    B = te.compute(A_buf.shape, lambda *i: B_buf(*i).astype("int8"), "B")
    s = te.create_schedule(B)
    for stage, pragma in ((A_buf, env.dma_copy), (B_buf, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[B].pragma(B.op.axis[0], env.dma_copy)
    return s, B


def test_dma_folds_dense_dimensions():
    s, args, _ = vector_add(tiles=4)
    load = nodes(lowered(s, args, "dma"), Dma)[0]
    assert (load.x_size, load.y_size, load.x_stride) == (Lin(const=4), Lin(const=1), 4)


def test_dma_padding_follows_the_loops_outside():
    s, args, _n = convolution(rows=3)
    load = next(node for node in nodes(lowered(s, args), Dma) if node.stage == "data_buf")
    before, after = load.pads[1], load.pads[3]
    (var,) = before.variables
    assert [before.value({var: i}) for i in range(2)] == [1, 0]
    assert [after.value({var: i}) for i in range(2)] == [0, 1]
    assert [load.y_size.value({var: i}) for i in range(2)] == [4, 4]


def test_dma_loops_around_a_transfer_move_it():
    """Three dimensions that do not fold: the outermost is a loop, and both addresses follow it."""
    A = te.placeholder((3, 4, 5, 1, 16), name="A", dtype="int32")
    A_buf = te.compute((3, 2, 2, 1, 16), lambda a, b, c, d, e: A[a, b, c, d, e], "A_buf")
    s, B = copied(A_buf)
    load = nodes(lowered(s, [A, B], "dma"), Dma)[0]
    assert list(load.dram.index.terms.values()) == [20] and list(load.sram.index.terms.values()) == [4]


def test_dma_refuses_too_much_padding():
    A = te.placeholder((1, 2, env.BATCH, env.BLOCK_OUT), name="A", dtype="int32")
    A_buf = topi.nn.pad(A, [0, 16, 0, 0], name="A_buf")
    s, B = copied(A_buf)
    refuse(s, [A, B], "dma_copy of stage A_buf: 16 tiles of padding: a transfer adds at most 15")


def test_dma_refuses_to_compute():
    s, args, n = vector_add()
    s[n.C_buf].pragma(n.C_buf.op.axis[0], env.dma_copy)
    refuse(s, args, "dma_copy of stage C_buf: it computes add")
