"""Dma: a dma_copy nest becomes 2-D transfers.

In:  nests; each DmaNest holds plain loops around one copy between DRAM and chip.
Out: the DmaNest replaced by a Dma, inside loops for the dimensions that two do not cover.
The loops over a tile vanish; of the others the innermost dense ones fold into x, the next ones into y. Padding
comes from the guards of FlatPad: its amounts and the remaining sizes are linear forms of the loops outside.
"""

from dataclasses import dataclass, replace

from vta.compiler.passes.tiles import perfect_nest, strip_tile
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Max
from vta.compiler.te.ir import Dma, DmaNest, For, Ptr, Store
from vta.compiler.te.values import Cast, FlatPad, Read
from vta.hw.isa import MAX_PAD, MAX_SIZE


@dataclass(frozen=True)
class _Dim:
    """One loop of the copy: its steps in tiles on both sides; `guard` = (form without the loop, extent)."""

    var: object
    extent: int
    dram: int
    sram: int
    guard: tuple | None


def run(function, config):
    return function.rewrite(DmaNest, lambda nest: _transfer(nest.body, config))


def _transfer(nest, config):
    variables, copy = perfect_nest(nest, "a dma_copy nest")
    what = f"dma_copy of stage {getattr(copy, 'stage', '?')}"
    if not isinstance(copy, Store):
        raise CompileError(f"{what}: it must be plain loops around one assignment")
    casts = isinstance(copy.value, Cast)
    value = copy.value.value if casts else copy.value
    if not isinstance(value, Read):
        raise CompileError(f"{what}: it computes {value.word}, but a transfer only copies")
    store = copy.array.memory is None
    chip, far = (value.source, copy.array) if store else (copy.array, value.source)
    if chip.memory is None or far.memory is not None:
        raise CompileError(f"{what}: it copies from {value.source.scope} to {copy.array.scope}: a transfer is "
                           f"between DRAM (global) and a memory on chip")
    _check_types(what, store, chip, far, casts)
    lanes = config.tile_bytes["WGT" if chip.memory == "WGT" else "INP"]
    forms = (value.index, copy.index) if store else (copy.index, value.index)
    rest, (near, dram) = strip_tile(variables, forms, lanes, what)
    guards = value.guards if isinstance(value, FlatPad) else ()
    if any(guard.coef(var) for guard, _ in guards for var in variables if var not in rest):
        raise CompileError(f"{what}: padding inside a tile: only whole tiles can be padded")
    dims = [_Dim(var, var.extent, dram.coef(var), near.coef(var), _guard_of(var, guards, rest, what))
            for var in rest]
    if len(guards) != sum(dim.guard is not None for dim in dims):
        raise CompileError(f"{what}: a padded dimension is not covered by one loop of this transfer, so "
                           f"whole transfers could lie in the padding: move the pragma outward or widen the tile")
    return _emit(what, copy.stage, store, Ptr(far, dram.drop(rest)), Ptr(chip, near.drop(rest)), dims, config)


def _check_types(what, store, chip, far, casts):
    allowed = ("int8", "int32") if chip.memory == "ACC" and not store else ("int8",)
    if store and chip.memory != "ACC":
        raise CompileError(f"{what}: only the accumulator can be stored, not {chip.scope}")
    if far.dtype not in allowed:
        raise CompileError(f"{what}: {far.name} is {far.dtype} in DRAM, here it must be {' or '.join(allowed)}")
    if not store and casts and chip.memory != "ACC":
        raise CompileError(f"{what}: only a load into the accumulator can cast")
    if chip.memory == "ACC" and chip.dtype != "int32":
        raise CompileError(f"{what}: {chip.name} in the accumulator must be int32, it is {chip.dtype}")


def _guard_of(var, guards, rest, what):
    for form, extent in guards:
        if form.coef(var):
            if form.coef(var) != 1 or any(form.coef(other) for other in rest if other is not var):
                raise CompileError(f"{what}: padded index {form} must follow one loop, step by step")
            return form.drop([var]), extent
    return None


def _emit(what, stage, store, far, chip, dims, config):
    """Choose x and y from the inside out; the other dimensions stay loops around the transfer."""
    todo = dims[::-1]
    x = _take(todo) if todo and todo[0].dram == todo[0].sram == 1 else _Dim(None, 1, 1, 1, None)
    y = _take(todo) if todo and todo[0].sram == x.extent and 0 <= todo[0].dram <= MAX_SIZE else \
        _Dim(None, 1, x.extent, x.extent, None)
    dram, pads, sizes = far.index, [], []
    for dim in (x, y):
        before, after, size = Lin(), Lin(), Lin(const=dim.extent)
        if dim.guard:
            form, extent = dim.guard
            before, after = Max.of(form * -1, 0), Max.of(form + (dim.extent - extent), 0)
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
    node = Dma(store, Ptr(far.array, dram), Ptr(chip.array, sram), *sizes, y.dram, (x0, y0, x1, y1), stage)
    for dim in todo:
        node = For(dim.var, node)
    return node


def _take(dims):
    """Remove the first dimension from `dims`, and those that continue it: all of them as one."""
    dim = dims.pop(0)
    while dims and dim.guard is dims[0].guard is None and dim.extent * dims[0].extent <= MAX_SIZE \
            and (dims[0].dram, dims[0].sram) == (dim.extent * dim.dram, dim.extent * dim.sram):
        dim = replace(dim, extent=dim.extent * dims.pop(0).extent)
    return dim
