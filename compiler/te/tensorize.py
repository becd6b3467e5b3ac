"""Tensorize: the innermost loops of a matrix product become one micro-op.

In:  the product that a stage sums, as a lowered value, and the loop variables from the tensorized loop inward.
Out: a UopScope around one Push whose indices count tiles.
Refuses operands that are not whole, dense tiles in the order the hardware multiplies (data [batch][in], weights
[out][in], result [batch][out]), or that are in the wrong memory.
"""

from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import Ptr, Push, UopScope
from vta.compiler.te.values import Binary, Cast, FlatLoad, Op
from vta.hw.isa import Opcode


def gemm_step(stage, array, index, value, inner):
    """The GEMM step of `stage` over the loops `inner`; `value` None is the step that writes zero."""
    config = stage.intrinsic[1].config
    batch, block = config.batch, config.block
    what = f"tensorize of stage {stage.name}"
    if array.memory != "ACC":
        raise CompileError(f"{what}: its result must live in the accumulator, set_scope(env.acc_scope), "
                           f"not in {array.scope}")
    dst = Ptr(array, _tile(index, inner, (batch, block), what, array.name))
    if value is None:
        return UopScope(Opcode.GEMM, Push(dst, reset=True, stage=stage.name))
    loads = _factors(value, what)
    operands = {load.source.memory: load for load in loads}
    if set(operands) != {"INP", "WGT"}:
        raise CompileError(f"{what}: one operand must live in env.inp_scope and one in env.wgt_scope, they "
                           f"are in {', '.join(load.source.scope for load in loads)}")
    src, wgt = (Ptr(load.source, _tile(load.index, inner, (rows, block), what, load.source.name))
                for load, rows in ((operands["INP"], batch), (operands["WGT"], block)))
    data, weights = operands["INP"].index, operands["WGT"].index
    for var in inner:          # the same loop in both operands is the reduction, and nothing else is
        shared = bool(data.coef(var)) and bool(weights.coef(var))
        if shared != (var.kind == "reduce"):
            raise CompileError(f"{what}: loop {var} must {'' if var.kind == 'reduce' else 'not '}run in both operands")
    return UopScope(Opcode.GEMM, Push(dst, src, wgt, stage=stage.name))


def _factors(value, what):
    """The two loads of a * b, inside their casts."""
    if isinstance(value, Binary) and value.op is Op.MUL and value.dtype == "int32":
        loads = [side.value if isinstance(side, Cast) else side for side in (value.left, value.right)]
        if all(isinstance(load, FlatLoad) and load.dtype == "int8" for load in loads):
            return loads
    raise CompileError(f"{what}: the body must be te.sum(a.astype(env.acc_dtype) * b.astype(env.acc_dtype)) "
                       f"of two int8 tensors on chip")


def _tile(form, inner, shape, what, name):
    """The form in tiles of rows x columns, after checking that `inner` covers exactly one dense tile."""
    rows, columns = shape
    have = sorted((form.coef(var), var.extent) for var in inner if form.coef(var))
    want = sorted((step, extent) for step, extent in ((columns, rows), (1, columns)) if extent > 1)
    if have != want:
        raise CompileError(f"{what}: operand {name} runs over (step, count) {have} elements, a tile of "
                           f"{rows} x {columns} needs {want}")
    return form.drop(inner).divide(rows * columns, f"{what}, operand {name}")
