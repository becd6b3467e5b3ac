"""Bounds: the region of its tensor that each stage computes, each time that it is computed.

In:  a schedule.
Out: a `Bounds` for each stage: for each axis a start (a linear form in the loops the stage is attached under)
     and an extent; loop variables with known extents; each axis as a linear form of those loops.
Consumers come first. The region is the smallest box that serves all readers. Readers whose boxes start at different
positions, or that are outside the loop the stage is attached to, are an error.
"""

from dataclasses import dataclass

from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Var


@dataclass(frozen=True)
class Bounds:
    """`starts` and `extents` by axis position; `loops`: leaf -> loop variable, or None for one iteration; `axes`: axis
    -> linear form of the loops, relative to the start; `path`: loop variables around the stage, outermost first."""

    starts: list
    extents: list
    loops: dict
    axes: dict
    path: list

    def variables(self, leaves):
        """The loop variables of these leaves, without those of one iteration."""
        return [self.loops[leaf] for leaf in leaves if self.loops[leaf] is not None]

    def absolute(self, tensor):
        """axis -> its position in the whole tensor; includes reduce axes."""
        mapping = {axis: self.axes[axis] for axis in tensor.reduce_axis}
        for axis, start in zip(tensor.axis, self.starts, strict=True):
            mapping[axis] = self.axes[axis] + start
        return mapping


def infer(schedule, names=None):
    """{stage: Bounds} for all stages. `names`: leaf -> name of its loop variable, if not its own."""
    result = {}
    for stage in reversed(list(schedule.stages.values())):
        starts, extents, path = _region(schedule, stage, result)
        loops, axes = _loops(stage, extents, names or {})
        result[stage] = Bounds(starts, extents, loops, axes, path)
    return result


def _region(schedule, stage, done):
    """(start of each axis, extent of each axis, loop variables around) that the readers of `stage` need."""
    tensor = stage.tensor
    if stage.attach is None:
        return [Lin()] * len(tensor.shape), list(tensor.shape), []
    consumer, leaf = stage.attach
    bounds = done.get(consumer)
    if bounds is None:
        raise CompileError(f"stage {stage.name} is computed at {consumer.name}, which does not come after it")
    if leaf not in consumer.leaves:
        raise CompileError(f"stage {stage.name} is computed at loop {leaf} of {consumer.name}, which was split since")
    path = bounds.path + bounds.variables(consumer.leaves[:consumer.leaves.index(leaf) + 1])
    starts = extents = None
    for reader, reader_bounds in done.items():
        around = reader_bounds.path + reader_bounds.variables(reader.leaves)
        inside = set(around) - set(path)
        for load in reader.tensor.body.loads():
            if load.source is not tensor:
                continue
            if around[:len(path)] != path:
                raise CompileError(f"stage {stage.name} is computed at loop {leaf} of {consumer.name}, but "
                                   f"{reader.name} reads it outside of that loop")
            forms = [index.substitute(reader_bounds.absolute(reader.tensor)) for index in load.indices]
            new = [form.drop(inside) for form in forms]
            size = [_span(form, inside, stage, reader) for form in forms]
            if starts is not None and new != starts:
                raise CompileError(f"stage {stage.name}: its readers need regions that start apart, at "
                                   f"{starts} and {new}")
            starts = new
            extents = size if extents is None else [max(a, b) for a, b in zip(size, extents, strict=True)]
    if starts is None:
        raise CompileError(f"stage {stage.name} is attached to {consumer.name} but nothing reads it")
    for axis, start, extent in zip(tensor.axis, starts, extents, strict=True):
        low, high = start.range()
        if low < 0 or high + extent > axis.extent:
            raise CompileError(f"stage {stage.name}: axis {axis} is read from {low} to {high + extent - 1}, "
                               f"it has 0 to {axis.extent - 1}")
    return starts, extents, path


def _span(form, inside, stage, reader):
    span = 1
    for atom, n in form.terms.items():
        if atom in inside:
            if n < 0:
                raise CompileError(f"stage {reader.name} reads {stage.name} backwards along {atom}: "
                                   f"only positive steps can be loaded")
            span += n * (atom.extent - 1)
    return span


def _loops(stage, extents, names):
    """(leaf -> loop variable or None, axis -> linear form of the loop variables) from the splits."""
    tensor = stage.tensor
    size = dict(zip(tensor.axis, extents, strict=True)) | {axis: axis.extent for axis in tensor.reduce_axis}
    for parent, outer, inner, factor, nparts in stage.splits:
        step = factor or nparts
        if size[parent] % step:
            raise CompileError(f"stage {stage.name}: loop {parent} of {size[parent]} iterations cannot be "
                               f"split by {step}: choose a divisor")
        parts = size[parent] // step
        size[outer], size[inner] = (parts, step) if factor else (step, parts)
    loops = {leaf: Var(names.get(leaf, leaf.name), size[leaf], leaf.kind) if size[leaf] > 1 else None
             for leaf in stage.leaves}
    axes = {leaf: Lin.of(var) if var is not None else Lin() for leaf, var in loops.items()}
    for parent, outer, inner, _, _ in reversed(stage.splits):
        axes[parent] = axes[outer] * size[inner] + axes[inner]
    return loops, axes
