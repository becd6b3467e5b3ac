"""Fold: the two outermost loops of a kernel become hardware loops. `vta.lower` prints the result.

In:  UopScopes: loops around one Push.
Out: `UopScope.loops` holds up to two loops; the others unroll to micro-ops, and so does a loop whose count or
     factors do not fit their fields.
"""

from dataclasses import replace

from vta.compiler.te.ir import For, Push, UopScope, substitute
from vta.hw.isa import field_range, layouts


def run(function, config):
    return function.rewrite(UopScope, lambda scope: _fold(scope, layouts(config).of(scope.opcode)))


def _fold(scope, layout):
    loops, body = [], scope.body
    while isinstance(body, For) and len(loops) < 2:
        push = body
        while not isinstance(push, Push):
            push = push.body
        pointers = {"dst": push.dst, "src": push.src, "wgt": push.wgt}
        factors = [pointer.index.coef(body.var) if pointer else 0 for pointer in pointers.values()]
        fields = {"iter_out": body.var.extent}
        fields |= {f"{side}_factor_out": n for side, n in zip(pointers, factors, strict=True) if n}
        if not all(0 <= n <= field_range(layout[name])[1] for name, n in fields.items()):
            break
        loops.append((body.var.extent, *factors))
        body = substitute(body.body, {body.var: 0})
    return replace(scope, loops=tuple(loops), body=body)
