"""Pass 5, alu: an alu nest becomes ALU micro-ops.

In:  nests; each Scope("pragma", "alu") holds plain loops around one operation on accumulator tiles.
Out: the scope replaced by Scope("uop", "ALU") around loops and one Push; the loops over a tile are gone and
     loops that continue each other are one. Folding later makes hardware loops of the two outermost.
The first operand must be the result's own memory (pass `inplace`); the second is another tile or an immediate
of 16 bits.
"""

from vta.compiler.te.expr import CompileError, Val, Var
from vta.compiler.te.ir import For, Ptr, Push, Scope, Store, children, rebuild
from vta.compiler.te.rewrite import memory_of, perfect_nest, strip_tile
from vta.hw.config import LOOP_BITS
from vta.hw.isa import IMM_BITS, AluOp, check_complete

OPCODES = {"add": AluOp.ADD, "mul": AluOp.MUL, "shr": AluOp.SHR, "max": AluOp.MAX, "min": AluOp.MIN}
check_complete(AluOp, OPCODES.values(), __name__)
SWAPS = ("add", "mul", "max", "min")
MAX_EXTENT = (1 << LOOP_BITS) - 1


def run(program, config):
    def visit(node):
        if isinstance(node, Scope) and node.kind == "pragma" and node.value == "alu":
            return _operation(node.body, config)
        return rebuild(node, visit) if children(node) else node
    return program.with_body(visit(program.body))


def _operation(nest, config):
    variables, store = perfect_nest(nest, "an alu nest")
    what = f"alu of stage {getattr(store, 'stage', '?')}"
    if not isinstance(store, Store) or memory_of(store.buffer) != "ACC":
        raise CompileError(f"{what}: its result must live in the accumulator: set_scope(env.acc_scope)")
    opcode, second = _match(store, what)
    imm = second if isinstance(second, int) else 0
    half = 1 << IMM_BITS - 1
    if not -half <= imm < half:
        raise CompileError(f"{what}: immediate {imm} does not fit {IMM_BITS} bits ({-half} to {half - 1}): "
                           f"load it as a tensor")
    forms = [store.index] if isinstance(second, int) else [store.index, second.args[1]]
    rest, places = strip_tile(variables, forms, config.tile_bytes["INP"], what)
    dst, src = places[0], places[-1]
    source = store.buffer if isinstance(second, int) else second.args[0]
    loops = []
    for var in rest:
        step = (dst.coef(var), src.coef(var))
        if loops and loops[-1][1:] == tuple(n * var.extent for n in step) \
                and loops[-1][0].extent * var.extent <= MAX_EXTENT:
            loops[-1] = (Var(var.name, loops[-1][0].extent * var.extent), *step)
        else:
            loops.append((var, *step))

    def pointer(buffer, form, side):
        return Ptr(buffer, sum((loop[0] * loop[side] for loop in loops), form.drop(rest)))

    node = Push(pointer(store.buffer, dst, 1), pointer(source, src, 2), opcode=opcode,
                use_imm=isinstance(second, int), imm=imm, stage=store.stage)
    for var, *_ in reversed(loops):
        node = For(var, var.extent, node)
    return Scope("uop", "ALU", node)


def _match(store, what):
    """(opcode, second operand: a load or an int) of the store's value; the first operand is its own memory."""
    def own(value):
        return isinstance(value, Val) and value.op == "load" and value.args == (store.buffer, store.index)

    value = store.value
    if own(value):
        return AluOp.SHR, 0                # the copy of itself
    if value.op in ("cast", "load", "pad"):
        raise CompileError(f"{what}: it copies {value.loads()[0].args[0].name}: the accumulator cannot copy, "
                           f"only change in place; does anything else read that stage, or at another index?")
    if value.op in ("shl", "sub") and value.args[1].op == "const":
        negated = Val("const", (-value.args[1].args[0],), value.dtype)
        value = Val({"shl": "shr", "sub": "add"}[value.op], (value.args[0], negated), value.dtype)
    if value.op not in OPCODES:
        raise CompileError(f"{what}: the ALU has no {value.op} of these operands; it has "
                           f"{', '.join(op.name for op in AluOp)}"
                           + (": negate what is taken away in a stage of its own, and add" * (value.op == "sub")))
    for inner in value.args:
        if inner.op not in ("load", "const"):
            raise CompileError(f"{what}: it computes {value.op} of {inner.op}, but the ALU does one operation at a "
                               f"time: give the {inner.op} a stage of its own")
    first, second = value.args
    if value.op in SWAPS and not own(first):
        first, second = second, first
    if not own(first):
        raise CompileError(f"{what}: its first operand must be a stage in the accumulator, read only here "
                           f"and at the same index, because the result takes its place")
    if second.op == "const":
        return OPCODES[value.op], second.args[0]
    if second.op != "load" or memory_of(second.args[0]) != "ACC":
        raise CompileError(f"{what}: its second operand must be an integer or a stage in the accumulator")
    return OPCODES[value.op], second
