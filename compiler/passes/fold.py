"""Pass 10, fold: the two outermost loops of a kernel become the hardware's loops.

In:  uop scopes: loops around one Push.
Out: `Scope.loops` holds up to two (extent, dst, src, wgt factor), outer first; the loops left unroll to
     micro-ops. A loop stays a loop of micro-ops if its count or factors do not fit their fields.
This is what `vta.lower` prints.
"""

from dataclasses import replace

from vta.compiler.te.ir import For, Push, Scope, children, rebuild
from vta.compiler.te.rewrite import substitute
from vta.hw.isa import Opcode, field_range, layouts


def run(program, config):
    def visit(node):
        if isinstance(node, Scope) and node.kind == "uop":
            return _fold(node, layouts(config).of(Opcode[node.value]))
        return rebuild(node, visit) if children(node) else node
    return program.with_body(visit(program.body))


def _fold(scope, layout):
    loops, body = [], scope.body
    while isinstance(body, For) and len(loops) < 2:
        push = body
        while not isinstance(push, Push):
            push = push.body
        pointers = {"dst": push.dst, "src": push.src, "wgt": push.wgt}
        factors = [pointer.index.coef(body.var) if pointer else 0 for pointer in pointers.values()]
        fields = {"iter_out": body.extent}
        fields |= {f"{side}_factor_out": n for side, n in zip(pointers, factors, strict=True) if n}
        if not all(0 <= n <= field_range(layout[name])[1] for name, n in fields.items()):
            break
        loops.append((body.extent, *factors))
        body = substitute(body.body, {body.var: 0})
    return replace(scope, loops=tuple(loops), body=body)
