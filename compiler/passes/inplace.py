"""Inplace: the ALU has two addresses, so a result takes over the memory of an operand.

In:  nests.
Out: the same, with accumulator stages merged: a stage shares the memory of one that it reads at its own index and at
     no other (another index may be overwritten by then), if nothing else reads that one and both are computed at
     the same loops. The alu pass refuses what is left.
"""

from dataclasses import replace

from vta.compiler.te.ir import Array, Push, Store
from vta.compiler.te.nodes import walk
from vta.compiler.te.values import FlatLoad


def run(function, config):
    merged = {}
    leaves = [node for node in walk(function.body) if isinstance(node, (Store, Push))]
    readers = {}
    for leaf in leaves:
        target = leaf.array if isinstance(leaf, Store) else leaf.dst.array
        for array in _read(leaf):
            if array is not target:
                readers.setdefault(array, set()).add(target)
    for leaf in leaves:
        if not isinstance(leaf, Store) or leaf.array in merged or leaf.array.memory != "ACC":
            continue
        loads = leaf.value.loads()
        for source in dict.fromkeys(load.source for load in loads):
            if source is not leaf.array and source.memory == "ACC" and source.size == leaf.array.size \
                    and all(isinstance(load, FlatLoad) and load.index == leaf.index
                            for load in loads if load.source is source) \
                    and readers[source] == {leaf.array} and source.attach == leaf.array.attach:
                merged[leaf.array] = merged.get(source, source)
                break
    return replace(function.rewrite(Array, lambda array: merged.get(array, array)),
                   arrays=tuple(array for array in function.arrays if array not in merged))


def _read(leaf):
    if isinstance(leaf, Store):
        return [load.source for load in leaf.value.loads()]
    return [pointer.array for pointer in (leaf.src, leaf.wgt) if pointer]
