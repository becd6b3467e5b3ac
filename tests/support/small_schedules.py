"""Small schedules for the tests of the compiler: each returns (schedule, arguments, its tensors and loops by name)."""

from types import SimpleNamespace

import pytest

import vta
from vta import te, topi
from vta.compiler.passes import PASSES, lower_until
from vta.compiler.te.errors import CompileError
from vta.compiler.te.nodes import walk
from vta.hw.config import PRESETS

env = vta.get_env()
DEFAULT = PRESETS["default"]


def nodes(function, kind):
    """All nodes of a kind, in program order."""
    return [node for node in walk(function.body) if isinstance(node, kind)]


def lowered(schedule, args, last=PASSES[-1].name, config=DEFAULT):
    """The function after the pass `last`."""
    return lower_until(schedule, args, last, config)


def refuse(schedule, args, message, config=DEFAULT):
    """Lowering must refuse with this message."""
    with pytest.raises(CompileError, match=message):
        lowered(schedule, args, config=config)


def vector_add(tiles=4):
    """C = A + B of int32 tiles, in the accumulator."""
    shape = (1, tiles, env.BATCH, env.BLOCK_OUT)
    A, B = (te.placeholder(shape, name=name, dtype=env.acc_dtype) for name in "AB")
    A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
    B_buf = te.compute(shape, lambda *i: B(*i), "B_buf")
    C_buf = te.compute(shape, lambda *i: A_buf(*i) + B_buf(*i), "C_buf")
    C = te.compute(shape, lambda *i: C_buf(*i).astype(env.inp_dtype), "C")
    s = te.create_schedule(C.op)
    for stage, pragma in ((A_buf, env.dma_copy), (B_buf, env.dma_copy), (C_buf, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[C].pragma(C.op.axis[0], env.dma_copy)
    return s, [A, B, C], SimpleNamespace(A_buf=A_buf, B_buf=B_buf, C_buf=C_buf, C=C)


def convolution(size=6, cin=2, cout=4, rows=3, pad=1, threads=False, tensorize=True):
    """A 3 x 3 convolution, shifted, in blocks of `rows` rows; `threads`: two, over the output channels."""
    shape = (1, cout, size, size, env.BATCH, env.BLOCK_OUT)
    data = te.placeholder((1, cin, size, size, env.BATCH, env.BLOCK_IN), name="data", dtype="int8")
    kernel = te.placeholder((cout, cin, 3, 3, env.BLOCK_OUT, env.BLOCK_IN), name="kernel", dtype="int8")
    data_buf = topi.nn.pad(data, [0, 0, pad, pad, 0, 0], name="data_buf")
    kernel_buf = te.compute(kernel.shape, lambda *i: kernel(*i), "kernel_buf")
    ic, dy, dx, k = (te.reduce_axis((0, n), name=name) for n, name in
                     ((cin, "ic"), (3, "dy"), (3, "dx"), (env.BLOCK_IN, "k")))
    conv = te.compute(shape, lambda b, o, y, x, bi, oi: te.sum(
        data_buf[b, ic, y + dy, x + dx, bi, k].astype("int32")
        * kernel_buf[o, ic, dy, dx, oi, k].astype("int32"), axis=[ic, dy, dx, k]), name="conv")
    shr = te.compute(shape, lambda *i: conv(*i) >> 4, "shr")
    res = te.compute(shape, lambda *i: shr(*i).astype("int8"), "res")
    s = te.create_schedule(res.op)
    b, o, y, x, bi, oi = res.op.axis
    y_out, y_inn = s[res].split(y, factor=rows)
    if threads:
        tx, o_inn = s[res].split(o, factor=cout // 2)
        s[res].reorder(tx, b, y_out, o_inn, y_inn, x, bi, oi)
        s[res].bind(tx, te.thread_axis("cthread"))
    else:
        s[res].reorder(b, y_out, o, y_inn, x, bi, oi)
    for stage in (conv, shr):
        s[stage].set_scope(env.acc_scope)
        s[stage].compute_at(s[res], y_out)
    b, o, y, x, bi, oi = conv.op.axis
    s[conv].reorder(ic, b, o, y, dy, dx, x, bi, oi, k)
    for stage, scope in ((data_buf, env.inp_scope), (kernel_buf, env.wgt_scope)):
        s[stage].set_scope(scope)
        s[stage].compute_at(s[conv], ic)
        s[stage].pragma(stage.op.axis[0], env.dma_copy)
    if tensorize:
        s[conv].tensorize(bi, env.gemm)
    s[shr].pragma(shr.op.axis[0], env.alu)
    s[res].pragma(y_inn, env.dma_copy)
    return s, [data, kernel, res], SimpleNamespace(data_buf=data_buf, kernel_buf=kernel_buf, conv=conv, shr=shr,
                                                   res=res, y_out=y_out, ic=ic)
