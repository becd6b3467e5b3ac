"""Pass 3, inplace: the ALU has two addresses, so a result takes over the memory of an operand.

In:  nests.
Out: the same, with accumulator stages merged: one that reads another at its own index and at no other, where
     nobody else reads that one and both are computed at the same place, shares its memory. (Another index may
     be overwritten by then.) The alu pass refuses what is left.
"""

from dataclasses import replace

from vta.compiler.te.expr import Val
from vta.compiler.te.ir import Ptr, Push, Store, walk
from vta.compiler.te.rewrite import map_leaves, memory_of


def run(program):
    merged = {}
    leaves = [node for node in walk(program.body) if isinstance(node, (Store, Push))]
    readers = {}
    for leaf in leaves:
        target = leaf.buffer if isinstance(leaf, Store) else leaf.dst.buffer
        for buffer in _read(leaf):
            if buffer is not target:
                readers.setdefault(buffer, set()).add(target)
    attach = program.meta["attach"]
    for leaf in leaves:
        if not isinstance(leaf, Store) or leaf.buffer in merged or memory_of(leaf.buffer) != "ACC":
            continue
        loads = leaf.value.loads()
        for source in dict.fromkeys(load.args[0] for load in loads):
            if source is not leaf.buffer and memory_of(source) == "ACC" and source.size == leaf.buffer.size \
                    and all(load.op == "load" and load.args[1] == leaf.index
                            for load in loads if load.args[0] is source) \
                    and readers[source] == {leaf.buffer} and attach[source] == attach[leaf.buffer]:
                merged[leaf.buffer] = merged.get(source, source)
                break
    return replace(program, body=map_leaves(program.body, lambda leaf: _replace(leaf, merged)),
                   buffers=tuple(buffer for buffer in program.buffers if buffer not in merged))


def _read(leaf):
    if isinstance(leaf, Store):
        return [load.args[0] for load in leaf.value.loads()]
    return [pointer.buffer for pointer in (leaf.src, leaf.wgt) if pointer]


def _replace(leaf, merged):
    if isinstance(leaf, Store):
        return replace(leaf, buffer=merged.get(leaf.buffer, leaf.buffer), value=_value(leaf.value, merged))
    if isinstance(leaf, Push):
        return replace(leaf, dst=Ptr(merged.get(leaf.dst.buffer, leaf.dst.buffer), leaf.dst.index))
    return leaf


def _value(value, merged):
    if value.op in ("load", "pad"):
        return Val(value.op, (merged.get(value.args[0], value.args[0]), *value.args[1:]), value.dtype)
    return Val(value.op, tuple(_value(arg, merged) if isinstance(arg, Val) else arg for arg in value.args),
               value.dtype)
