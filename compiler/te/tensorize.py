"""Part of pass 2, tensorize: the innermost loops of a matrix product become one micro-op.

In:  a stage that sums products, flattened to buffers, and the loop variables from the tensorized loop inward.
Out: a Scope("uop", "GEMM") around one Push whose indices count tiles.
Refuses operands that are not whole tiles in the order the hardware multiplies: data [batch][in], weights
[out][in], result [batch][out], each dense; and operands in the wrong memory.
"""

from vta.compiler.te.expr import CompileError, Val
from vta.compiler.te.ir import Ptr, Push, Scope
from vta.compiler.te.rewrite import divide, memory_of


def gemm_step(stage, buffer, index, value, inner):
    """The GEMM step of `stage` over the loops `inner`; `value` None is the step that writes zero."""
    config = stage.intrinsic[1].config
    batch, block = config.batch, config.block
    what = f"tensorize of stage {stage.name}"
    if memory_of(buffer) != "ACC":
        raise CompileError(f"{what}: its result must live in the accumulator, set_scope(env.acc_scope), "
                           f"not in {buffer.scope}")
    dst = Ptr(buffer, _tile(index, inner, (batch, block), what, buffer.name))
    if value is None:
        return Scope("uop", "GEMM", Push(dst, reset=True, stage=stage.name))
    operands = {memory_of(load.args[0]): load for load in _product(value, what)}
    if set(operands) != {"INP", "WGT"}:
        raise CompileError(f"{what}: one operand must live in env.inp_scope and one in env.wgt_scope, they "
                           f"are in {', '.join(load.args[0].scope for load in _product(value, what))}")
    src, wgt = (Ptr(load.args[0], _tile(load.args[1], inner, (rows, block), what, load.args[0].name))
                for load, rows in ((operands["INP"], batch), (operands["WGT"], block)))
    data, weights = operands["INP"].args[1], operands["WGT"].args[1]
    for var in inner:          # the same loop in both operands is the reduction, and nothing else is
        shared = bool(data.coef(var)) and bool(weights.coef(var))
        if shared != (var.kind == "reduce"):
            raise CompileError(f"{what}: loop {var} must {'' if var.kind == 'reduce' else 'not '}run in both "
                               f"operands")
    return Scope("uop", "GEMM", Push(dst, src, wgt, stage=stage.name))


def _product(value, what):
    """The two loads of sum(a * b), casts looked through."""
    product = value.args[0] if value.op == "sum" else value
    if product.op == "mul":
        loads = [arg.args[0] if arg.op == "cast" else arg for arg in product.args]
        if all(isinstance(load, Val) and load.op == "load" and load.dtype == "int8" for load in loads) \
                and product.dtype == "int32":
            return loads
    raise CompileError(f"{what}: the body must be te.sum(a.astype(env.acc_dtype) * b.astype(env.acc_dtype)) "
                       f"of two int8 tensors on chip")


def _tile(form, inner, shape, what, name):
    """The form in tiles of rows x columns, after checking that `inner` runs over exactly one dense tile."""
    rows, columns = shape
    have = sorted((form.coef(var), var.extent) for var in inner if form.coef(var))
    want = sorted((step, extent) for step, extent in ((columns, rows), (1, columns)) if extent > 1)
    if have != want:
        raise CompileError(f"{what}: operand {name} runs over (step, count) {have} elements, a tile of "
                           f"{rows} x {columns} needs {want}")
    return divide(form.drop(inner), rows * columns, f"{what}, operand {name}")
