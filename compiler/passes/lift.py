"""Lift: kernels as large as possible.

In:  UopScopes inside loops.
Out: each UopScope moved outward over the loops that hold nothing else. Never over siblings, so that a reset
     and the update stay two kernels; never over virtual threads; and never so far that its loops beyond the
     two that become hardware loops would unroll to more micro-ops than a share of the micro-op memory.
"""

import math
from dataclasses import replace

from vta.compiler.te.ir import For, UopScope
from vta.compiler.te.nodes import rewrite

SHARE = 8          # one kernel may fill 1 / SHARE of the micro-op memory


def run(function, config):
    limit = max(1, config.depth["UOP"] // SHARE)

    def lift(loop):
        loop = replace(loop, body=rewrite(loop.body, For, lift))
        scope = loop.body
        if isinstance(scope, UopScope) and not loop.thread:
            inside = For(loop.var, scope.body)
            if _unrolled(inside) <= limit:
                return UopScope(scope.opcode, inside)
        return loop
    return function.rewrite(For, lift)


def _unrolled(nest):
    """Micro-ops of a nest of loops whose two outermost are hardware loops."""
    extents = []
    while isinstance(nest, For):
        extents.append(nest.var.extent)
        nest = nest.body
    return math.prod(extents[2:])
