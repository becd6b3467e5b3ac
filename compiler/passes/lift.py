"""Pass 6, lift: kernels as large as can be.

In:  uop scopes inside loops.
Out: each uop scope moved outward over the loops that hold nothing else. Never over siblings, so that a reset
     and the update stay two kernels; never over virtual threads; and never so far that its loops beyond the
     two that become hardware loops would unroll to more micro-ops than a share of the micro-op memory.
"""

from vta.compiler.te.ir import For, Scope, children, rebuild

SHARE = 8          # of the micro-op memory that one kernel may fill


def run(program, config):
    limit = max(1, config.depth["UOP"] // SHARE)

    def visit(node):
        if children(node):
            node = rebuild(node, visit)
        if not isinstance(node, For) or node.kind != "serial" or not isinstance(node.body, Scope) \
                or node.body.kind != "uop":
            return node
        inside = For(node.var, node.extent, node.body.body)
        return Scope("uop", node.body.value, inside) if _unrolled(inside) <= limit else node
    return program.with_body(visit(program.body))


def _unrolled(nest):
    """Micro-ops of a nest of loops whose two outermost are hardware loops."""
    extents = []
    while isinstance(nest, For):
        extents.append(nest.extent)
        nest = nest.body
    count = 1
    for extent in extents[2:]:
        count *= extent
    return count
