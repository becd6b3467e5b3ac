"""Pass 4, dma: a dma_copy nest becomes 2-D transfers.

In:  nests; each Scope("pragma", "dma_copy") holds plain loops around one copy between DRAM and chip.
Out: the scope replaced by a Dma, inside loops for the dimensions that two do not cover.
The loops over a tile vanish; of the rest the innermost dense ones fold into x, the next ones into y. Padding
comes from the guards of `pad`: its amounts and the sizes left are linear forms of the loops outside.
"""

from dataclasses import dataclass

from vta.compiler.te.expr import CompileError, Lin
from vta.compiler.te.ir import Dma, For, Ptr, Scope, Store, children, rebuild
from vta.compiler.te.rewrite import largest, memory_of, perfect_nest, strip_tile
from vta.hw.isa import MAX_PAD, MAX_SIZE


@dataclass
class _Dim:
    """One loop of the copy: its steps in tiles on both sides; `guard` = (form without the loop, extent)."""

    var: object
    extent: int
    dram: int
    sram: int
    guard: tuple | None


def run(program, config):
    def visit(node):
        if isinstance(node, Scope) and node.kind == "pragma" and node.value == "dma_copy":
            return _transfer(node.body, config)
        return rebuild(node, visit) if children(node) else node
    return program.with_body(visit(program.body))


def _transfer(nest, config):
    variables, copy = perfect_nest(nest, "a dma_copy nest")
    what = f"dma_copy of stage {getattr(copy, 'stage', '?')}"
    if not isinstance(copy, Store):
        raise CompileError(f"{what}: it must be plain loops around one assignment")
    value = copy.value.args[0] if copy.value.op == "cast" else copy.value
    if value.op not in ("load", "pad"):
        raise CompileError(f"{what}: it computes {value.op}, but a transfer only copies")
    source, index = value.args[:2]
    store = memory_of(copy.buffer) is None
    chip, far = (source, copy.buffer) if store else (copy.buffer, source)
    if memory_of(chip) is None or memory_of(far) is not None:
        raise CompileError(f"{what}: it copies from {source.scope} to {copy.buffer.scope}: a transfer is "
                           f"between DRAM (global) and a memory on chip")
    _check_types(what, store, chip, far, copy.value.op)
    lanes = config.tile_bytes["WGT" if memory_of(chip) == "WGT" else "INP"]
    forms = (index, copy.index) if store else (copy.index, index)
    rest, (near, dram) = strip_tile(variables, forms, lanes, what)
    guards = value.args[2] if value.op == "pad" else ()
    if any(guard.coef(var) for guard, _ in guards for var in variables if var not in rest):
        raise CompileError(f"{what}: padding inside a tile: only whole tiles can be padded")
    dims = [_Dim(var, var.extent, dram.coef(var), near.coef(var), _guard_of(var, guards, rest, what))
            for var in rest]
    if len(guards) != sum(dim.guard is not None for dim in dims):
        raise CompileError(f"{what}: a padded dimension is not covered by one loop of this transfer, so "
                           f"whole transfers could lie in the padding: move the pragma outward or widen the tile")
    return _emit(what, copy.stage, store, Ptr(far, dram.drop(rest)), Ptr(chip, near.drop(rest)), dims, config)


def _check_types(what, store, chip, far, op):
    allowed = ("int8", "int32") if memory_of(chip) == "ACC" and not store else ("int8",)
    if store and memory_of(chip) != "ACC":
        raise CompileError(f"{what}: only the accumulator can be stored, not {chip.scope}")
    if far.dtype not in allowed:
        raise CompileError(f"{what}: {far.name} is {far.dtype} in DRAM, here it must be "
                           f"{' or '.join(allowed)}")
    if not store and op == "cast" and memory_of(chip) != "ACC":
        raise CompileError(f"{what}: only a load into the accumulator can cast")
    if memory_of(chip) == "ACC" and chip.dtype != "int32":
        raise CompileError(f"{what}: {chip.name} in the accumulator must be int32, it is {chip.dtype}")


def _guard_of(var, guards, rest, what):
    for form, extent in guards:
        if form.coef(var):
            if form.coef(var) != 1 or any(form.coef(other) for other in rest if other is not var):
                raise CompileError(f"{what}: padded index {form} must follow one loop, step by step")
            return form.drop([var]), extent
    return None


def _emit(what, stage, store, far, chip, dims, config):
    """Choose x and y from the inside out, leave the other dimensions as loops around the transfer."""
    todo = dims[::-1]
    x = _Dim(None, 1, 1, 1, None)
    if todo and todo[0].dram == todo[0].sram == 1:
        x = todo.pop(0)
        while todo and _folds(x, todo[0]):
            x = _fold(x, todo.pop(0))
    y = _Dim(None, 1, x.extent, x.extent, None)
    if todo and todo[0].sram == x.extent and 0 <= todo[0].dram <= MAX_SIZE:
        y = todo.pop(0)
        while todo and _folds(y, todo[0]):
            y = _fold(y, todo.pop(0))
    dram, pads, sizes = far.index, [], []
    for dim in (x, y):
        before, after, size = Lin(), Lin(), Lin(const=dim.extent)
        if dim.guard:
            form, extent = dim.guard
            before, after = largest(form * -1, 0), largest(form + (dim.extent - extent), 0)
            size, dram = size - before - after, dram + before * dim.dram
            if max(before.range()[1], after.range()[1]) > MAX_PAD:
                raise CompileError(f"{what}: {max(before.range()[1], after.range()[1])} tiles of padding: a "
                                   f"transfer adds at most {MAX_PAD}")
        pads.append((before, after))
        sizes.append(size)
    if store and any(dim.guard for dim in dims):
        raise CompileError(f"{what}: a store cannot be padded")
    if any(dim.guard for dim in todo):
        raise CompileError(f"{what}: more than two dimensions, or one that is not dense on chip, are padded")
    (x0, x1), (y0, y1) = pads
    sram = chip.index
    for dim in todo:
        dram, sram = dram + dim.var * dim.dram, sram + dim.var * dim.sram
    node = Dma(store, Ptr(far.buffer, dram), Ptr(chip.buffer, sram), *sizes, y.dram, (x0, y0, x1, y1), stage)
    for dim in todo:
        node = For(dim.var, dim.extent, node)
    return node


def _folds(inner, outer):
    return inner.guard is None and outer.guard is None and outer.dram == inner.extent * inner.dram \
        and outer.sram == inner.extent * inner.sram and inner.extent * outer.extent <= MAX_SIZE


def _fold(inner, outer):
    return _Dim(inner.var, inner.extent * outer.extent, inner.dram, inner.sram, None)
