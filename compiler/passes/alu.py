"""Alu: an alu nest becomes ALU micro-ops.

In:  nests; each AluNest holds plain loops around one operation on accumulator tiles.
Out: the AluNest replaced by a UopScope around loops and one Push; the loops over a tile are gone and loops that
     continue each other are one. Fold later makes hardware loops of the two outermost.
The first operand must be in the result's own memory (pass `inplace`); the second is another tile or an immediate
of 16 bits.
"""

from vta.compiler.passes.tiles import perfect_nest, strip_tile
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Var
from vta.compiler.te.ir import AluNest, For, Ptr, Push, Store, UopScope
from vta.compiler.te.values import Binary, Cast, Const, FlatLoad, Op, Read
from vta.hw.isa import IMM_BITS, LANE_OPS, MAX_TRIPS, AluOp, Opcode, check_complete

OPCODES = {Op[opcode.name]: opcode for opcode in LANE_OPS if opcode.name in Op.__members__}
check_complete(LANE_OPS, OPCODES.values(), __name__)
NEGATED = {Op.SHL: Op.SHR, Op.SUB: Op.ADD}                       # with a negated immediate


def run(function, config):
    return function.rewrite(AluNest, lambda nest: _operation(nest.body, config))


def _operation(nest, config):
    variables, store = perfect_nest(nest, "an alu nest")
    what = f"alu of stage {getattr(store, 'stage', '?')}"
    if not isinstance(store, Store) or store.array.memory != "ACC":
        raise CompileError(f"{what}: its result must live in the accumulator: set_scope(env.acc_scope)")
    opcode, second = _match(store, what)
    imm = second.number if isinstance(second, Const) else None
    half = 1 << IMM_BITS - 1
    if imm is not None and not -half <= imm < half:
        raise CompileError(f"{what}: immediate {imm} does not fit {IMM_BITS} bits ({-half} to {half - 1}): "
                           f"load it as a tensor")
    source, forms = (store.array, [store.index]) if imm is not None else (second.source, [store.index, second.index])
    rest, tiles = strip_tile(variables, forms, config.tile_bytes["INP"], what)
    dst, src = tiles[0], tiles[-1]
    loops = []
    for var in rest:
        step = (dst.coef(var), src.coef(var))
        if loops and loops[-1][1:] == tuple(n * var.extent for n in step) \
                and loops[-1][0].extent * var.extent <= MAX_TRIPS:
            loops[-1] = (Var(var.name, loops[-1][0].extent * var.extent), *step)
        else:
            loops.append((var, *step))

    def pointer(array, form, side):
        return Ptr(array, sum((loop[0] * loop[side] for loop in loops), form.drop(rest)))

    node = Push(pointer(store.array, dst, 1), pointer(source, src, 2), opcode=opcode, imm=imm, stage=store.stage)
    for var, *_ in reversed(loops):
        node = For(var, node)
    return UopScope(Opcode.ALU, node)


def _match(store, what):
    """(opcode, second operand: a FlatLoad or a Const) of the store's value; the first operand is its own memory."""
    def own(value):
        return isinstance(value, FlatLoad) and value.source is store.array and value.index == store.index

    value = store.value
    if own(value):
        return AluOp.SHR, Const(0, value.dtype)                # a copy to itself
    if isinstance(value, (Cast, Read)):
        raise CompileError(f"{what}: it copies {value.loads()[0].source.name}: the accumulator cannot copy, "
                           f"only change in place; does anything else read that stage, or at another index?")
    op = getattr(value, "op", None)
    if op in NEGATED and isinstance(value.right, Const):
        op = NEGATED[op]
        value = Binary(op, value.left, Const(-value.right.number, value.dtype))
    if op not in OPCODES:
        raise CompileError(f"{what}: the ALU has no {value.word} of these operands; it has "
                           f"{', '.join(op.name for op in LANE_OPS)}"
                           + (": negate what is taken away in a stage of its own, and add" * (op is Op.SUB)))
    first, second = value.left, value.right
    for inner in (first, second):
        if not isinstance(inner, (FlatLoad, Const)):
            raise CompileError(f"{what}: it computes {op.word} of {inner.word}, but the ALU does one operation at a "
                               f"time: give the {inner.word} a stage of its own")
    if op.commutative and not own(first):
        first, second = second, first
    if not own(first):
        raise CompileError(f"{what}: its first operand must be a stage in the accumulator, read only here "
                           f"and at the same index, because the result takes its place")
    if not isinstance(second, Const) and second.source.memory != "ACC":
        raise CompileError(f"{what}: its second operand must be an integer or a stage in the accumulator")
    return OPCODES[op], second
