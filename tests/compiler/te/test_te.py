"""The language: what it declares, and what it refuses with a clear message."""

import numpy as np
import pytest
from small_schedules import convolution, env, vector_add

from vta import te, topi
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Max, Var
from vta.compiler.te.values import Op

K = te.reduce_axis((0, 4), name="k")


def test_linear_forms():
    i, j = Var("i", 4), Var("j", 8)
    form = i * np.int64(3) + j - 2 + i
    assert form == Lin({i: 4, j: 1}, -2) and form.range() == (-2, 17)
    assert form.value({i: 1, j: 5}) == 7 and (form - form) == Lin()
    assert form.substitute({i: j + 1}) == Lin({j: 5}, 2)
    assert str(Lin({i: -1, j: 2}, 5)) == "j * 2 + 5 - i"


def test_max_is_decided_where_the_ranges_decide_it():
    i = Var("i", 4)
    assert Max.of(i + 1, 0) == i + 1
    assert Max.of(i - 7, 0) == Lin()
    open_form = Max.of(i - 1, 0)
    assert [open_form.value({i: n}) for n in range(4)] == [0, 0, 1, 2] and open_form.range() == (0, 2)


@pytest.mark.parametrize(("wrong", "message"), [
    (lambda: te.placeholder((2, 0), name="A"), "shape .2, 0. must consist of integers of at least 1"),
    (lambda: te.placeholder((2,), name="A", dtype="float32"), "'float32' must be one of int8, int32"),
    (lambda: te.compute((2, 2), lambda i: te.placeholder((2,))[i]), "2 dimensions but its function takes 1"),
    (lambda: te.compute((2,), lambda i: 3), "returns 3, which is no value"),
    (lambda: te.placeholder((2, 2), name="A")[0], "2 dimensions, 1 indices given"),
    (lambda: te.placeholder((2,), name="A")[1.5], "1.5 is no index"),
    (lambda: te.compute((2,), lambda i: te.placeholder((4,))[i * i]), "multiplied by integers only"),
    (lambda: te.reduce_axis((1, 4), name="k"), r"\(1, 4\) must be \(0, n\)"),
    (lambda: te.sum(te.placeholder((2,))[0], axis=Var("i", 2)), "only axes made by te.reduce_axis"),
    (lambda: te.thread_axis("blockIdx.x"), "only .cthread., virtual threads"),
    (lambda: te.placeholder((2,), dtype="int8")[0] + te.placeholder((2,), dtype="int32")[0], "cast one of "
                                                                                             "them"),
    (lambda: topi.nn.pad(te.placeholder((2, 2), name="A"), [1], name="p"), r"\[1\] must be 2 integers"),
    (lambda: topi.nn.pad(te.placeholder((2, 2), name="A"), None, name="p"), "None must be 2 integers"),
    (lambda: topi.nn.pad(te.placeholder((2, 2), name="A"), [1.5, 0], name="p"), "1.5, 0. must be 2 integers"),
    (lambda: te.placeholder(3, name="A"), "shape 3 must be a tuple of integers"),
    (lambda: te.placeholder((2,))[0] + 1.5, "1.5 is no int8"),
    (lambda: te.placeholder((2,))[0] + 300, "300 is no int8: .* from -128 to 127"),
    (lambda: te.max(3, 4), "one of them must be a value of a tensor"),
    (lambda: te.reduce_axis(5, name="k"), r"bounds 5 must be \(0, n\)"),
    (lambda: te.reduce_axis((0, 2.5), name="k"), "with an integer n of at least 1"),
    (lambda: te.compute((2,), lambda i: te.placeholder((2, 4), name="A")[i, K], "B"), "tensor B: A is read along k, "
                                                                                      "which is summed over only by"),
    (lambda: te.compute((2,), lambda i: te.sum(te.placeholder((2, 4), name="A")[i, K], axis=K) + 1, "B"),
     "around the whole value: give what follows a tensor of its own"),
    (lambda: te.compute((2,), lambda i: te.placeholder((2, 4), name="A")[i, Var("x", 4)], "B"), "along x, which is no "
                                                                                               "axis of B"),
    (lambda: te.sum(te.placeholder((2,), name="A"), axis=K), "te.sum of Tensor.* sums a value of a tensor"),
    (lambda: te.sum(te.placeholder((4,), name="A")[K], axis=[K, K]), "over each axis once"),
    (lambda: te.create_schedule(te.placeholder((2,))), "ends in tensors made by te.compute"),
])
def test_refused(wrong, message):
    with pytest.raises(CompileError, match=message):
        wrong()


@pytest.mark.parametrize(("function", "message"), [
    (lambda A, i: A[i // 2], "// of i: an index is built from axes and integers with"),
    (lambda A, i: A[(i + 1) % 2], "% of i . 1: an index"),
    (lambda A, i: A[i] if i < 2 else -A[i], "< of i"),
    (lambda A, i: A[i] if i == 0 else -A[i], "== of i"),
    (lambda A, i: A[i] if i + 1 != np.int64(3) else -A[i], "== of i . 1"),
    (lambda A, i: A[i] / 2, "/ of int8 load: values are computed with"),
    (lambda A, i: 2 // A[i], "// of int8 load"),
    (lambda A, i: 1 << A[i], "<< of int8 load"),
    (lambda A, i: A[i] & 1, "& of int8 load"),
    (lambda A, i: max(A[i], 0), "of int8 load: values are computed with .*te.max"),
    (lambda A, i: A[i] if A[i] == 3 else -A[i], "== of int8 load"),
    (lambda A, i: A[i] if A[i] else -A[i], "the truth of int8 load"),
])
def test_operators_that_the_language_has_not(function, message):
    A = te.placeholder((4,), name="A")
    with pytest.raises(CompileError, match=message):
        te.compute((4,), lambda i: function(A, i), "B")


def test_negation():
    i = Var("i", 4)
    assert -i == i * -1 and -(i - 2) == 2 - i
    value = te.compute((4,), lambda i: -te.placeholder((4,), name="A")[3 - i], "B").body
    assert value.op is Op.MUL and value.right.number == -1 and str(value.left.indices[0]) == "3 - i"


def test_names_are_unique():
    A = te.placeholder((2,), name="A")
    B = te.compute((2,), lambda i: A[i], "same")
    with pytest.raises(CompileError, match="two tensors are called 'same'"):
        te.create_schedule(te.compute((2,), lambda i: B[i], "same"))


def test_schedule_errors_name_stage_and_loop():
    s, _, n = convolution()
    with pytest.raises(CompileError, match=r"split in stage conv: .* is not one of its loops"):
        s[n.conv].split(n.res.op.axis[0], factor=2)
    with pytest.raises(CompileError, match="reorder in stage conv: a loop is named twice"):
        s[n.conv].reorder(n.ic, n.ic)
    with pytest.raises(CompileError, match="give either factor or nparts"):
        s[n.conv].split(n.ic)
    with pytest.raises(CompileError, match="split of ic in stage conv: 0 must be an integer of at least 1"):
        s[n.conv].split(n.ic, factor=0)
    with pytest.raises(CompileError, match="must be dma_copy or alu"):
        s[n.conv].pragma(n.ic, "unroll")
    with pytest.raises(CompileError, match="tensorize in stage conv: 'gemm' must be env"):
        s[n.conv].tensorize(n.ic, "gemm")
    with pytest.raises(CompileError, match="not computed in this schedule"):
        s[te.placeholder((2,), name="elsewhere")]


def test_default_schedule_is_loops_over_numbers():
    s, args, _ = vector_add()
    text = te.lower(s, args)
    assert "C_buf[i1 * 16 + i3] = A_buf[i1 * 16 + i3] + B_buf[i1 * 16 + i3]" in text
    assert env.acc_scope in text
