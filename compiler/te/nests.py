"""Nests: every stage becomes its loops around one store. `te.lower` prints the result.

In:  a schedule and its bounds.
Out: a Function of For, Seq, DmaNest, AluNest, Store, and, for tensorized loops, UopScopes around one Push. Loops of one
     iteration are gone; attached stages come before the body they are attached to; a reduction has a nest of its
     own, before its first reduce loop, that writes the zero.
"""

import math

from vta.compiler.te.bounds import infer
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Var
from vta.compiler.te.ir import AluNest, Array, DmaNest, For, Function, Store, seq, substitute
from vta.compiler.te.nodes import rewrite
from vta.compiler.te.schedule import Schedule
from vta.compiler.te.tensor import Tensor
from vta.compiler.te.tensorize import gemm_step
from vta.compiler.te.values import Const, FlatLoad, FlatPad, Load, Read, Sum

PRAGMAS = {nest.kind: nest for nest in (DmaNest, AluNest)}


def lower_loops(schedule, args, name="main"):
    """The Function of `schedule` with these tensors, in this order, as arguments."""
    if not isinstance(schedule, Schedule):
        raise CompileError(f"schedule {schedule!r} must be one that te.create_schedule made")
    if not isinstance(args, (list, tuple)):
        raise CompileError(f"arguments {args!r} must be a list of tensors")
    builder = _Builder(schedule, args)
    args, outputs, own = (tuple(builder.arrays[tensor] for tensor in tensors) for tensors in (
        args, schedule.outputs, [tensor for tensor in schedule.stages if tensor not in args]))
    body = seq(*(builder.stage(stage) for stage in schedule.stages.values() if stage.attach is None))
    return Function(name, args, outputs, own, body, builder.thread)


class _Builder:
    def __init__(self, schedule, args):
        for tensor in args:
            if not isinstance(tensor, Tensor):
                raise CompileError(f"argument {tensor!r} of the program is no tensor")
        self.schedule, self.bounds = schedule, infer(schedule)
        self.thread = self._thread()
        self.arrays = {tensor: Array(tensor.name, tensor.shape, tensor.dtype) for tensor in args}
        known = set(schedule.stages) | set(args)
        for tensor, stage in schedule.stages.items():
            for load in tensor.body.loads():
                if load.source not in known:
                    raise CompileError(f"{load.source.name}, which {tensor.name} reads, is no argument of the program")
            if tensor not in self.arrays:
                self.arrays[tensor] = self._own(stage)
            elif stage.attach or stage.scope != "global":
                raise CompileError(f"stage {stage.name} is an argument: it lives in DRAM and is computed at the top")
        for tensor in schedule.outputs:
            if tensor not in args:
                raise CompileError(f"the result {tensor.name} must be an argument of the program")

    def _thread(self):
        """The loop variable bound to virtual threads, called "cthread" from here on, or None."""
        bound = [stage for stage in self.bounds if stage.thread is not None]
        if len(bound) > 1:
            raise CompileError(f"stages {', '.join(stage.name for stage in bound)} bind virtual threads: only one may")
        for stage in bound:
            if stage.thread not in stage.leaves:
                raise CompileError(f"stage {stage.name}: the loop bound to virtual threads was split since")
            self.bounds = infer(self.schedule, {stage.thread: "cthread"})
            return self.bounds[stage].loops[stage.thread]
        return None

    def _own(self, stage):
        """The memory of a stage that is not an argument: its region, once for each thread."""
        bounds = self.bounds[stage]
        inside = self.thread is not None and self.thread in bounds.path
        if self.thread is not None and stage.scope != "global" and not inside:
            raise CompileError(f"stage {stage.name} is on chip but computed outside of the virtual threads' "
                               f"loop {self.thread}: attach it inside")
        return Array(stage.name, tuple(bounds.extents), stage.tensor.dtype, stage.scope,
                     self.thread.extent if inside else 1, tuple(bounds.path))

    def flat(self, value, mapping):
        """The lowered value: each index flattened to an element of the array."""
        return rewrite(value, Read, lambda load: self._flat_load(load, mapping))

    def _flat_load(self, load, mapping):
        tensor, array, stage = load.source, self.arrays[load.source], self.schedule.stages.get(load.source)
        indices = [index.substitute(mapping) for index in load.indices]
        starts = self.bounds[stage].starts if stage else [Lin()] * len(indices)
        local = [index - start for index, start in zip(indices, starts, strict=True)]
        guards = tuple((index, extent) for index, extent in zip(local, array.shape, strict=True)
                       if index.range()[0] < 0 or index.range()[1] >= extent)
        if not isinstance(load, Load):
            return FlatPad(array, _element(array, local), guards)
        for index, extent in guards:
            raise CompileError(f"{tensor.name} is read at {index}, which runs from {index.range()[0]} to "
                               f"{index.range()[1]}, in a dimension of {extent}")
        return FlatLoad(array, _element(array, local))

    def stage(self, stage):
        """The nest of a stage, with all that is attached to it."""
        bounds, tensor = self.bounds[stage], stage.tensor
        array, reduction = self.arrays[tensor], isinstance(tensor.body, Sum)
        index = _element(array, [bounds.axes[axis] for axis in tensor.axis])
        start = stage.intrinsic[0] if stage.intrinsic else None
        reduce_at = self._reduce_at(stage)
        attached = {}
        for other in self.schedule.stages.values():
            if other.attach and other.attach[0] is stage:
                attached.setdefault(other.attach[1], []).append(other)

        def update(inner):
            value = self.flat(tensor.body.value if reduction else tensor.body, bounds.absolute(tensor))
            if stage.intrinsic:
                return gemm_step(stage, array, index, value, inner)
            return Store(array, index, FlatLoad(array, index) + value if reduction else value, stage.name)

        def init(inner):
            if stage.intrinsic:
                return gemm_step(stage, array, index, None, inner)
            return Store(array, index, Const(0, tensor.dtype), stage.name)

        def zero_nest(position):
            leaves = [leaf for leaf in stage.leaves[position:] if leaf.kind != "reduce"]
            end = leaves.index(start) if start in leaves else len(leaves)
            fresh = {bounds.loops[leaf]: Var(f"{leaf.name}_init", bounds.loops[leaf].extent)
                     for leaf in leaves[:end] if bounds.loops[leaf] is not None}
            body = substitute(init(bounds.variables(leaves[end:])), fresh)
            for var in reversed(fresh.values()):
                body = For(var, body)
            return body

        def nest(position):
            if position == len(stage.leaves):
                return update([])
            leaf = stage.leaves[position]
            if leaf is start:
                body = update(bounds.variables(stage.leaves[position:]))
            else:
                body = nest(position + 1)
                body = seq(*map(self.stage, attached.get(leaf, [])), body)
                var = bounds.loops[leaf]
                if var is not None:
                    body = For(var, body, var is self.thread)
                if leaf in stage.pragmas:
                    body = PRAGMAS[stage.pragmas[leaf]](body)
            return seq(zero_nest(position), body) if position == reduce_at else body

        return nest(0)

    def _reduce_at(self, stage):
        """The loop position before which a reduction's zero is written, or None without a reduction."""
        if not isinstance(stage.tensor.body, Sum):
            return None
        position = min(n for n, leaf in enumerate(stage.leaves) if leaf.kind == "reduce")
        if stage.intrinsic:
            position = min(position, stage.leaves.index(stage.intrinsic[0]))
        return position


def _element(array, indices):
    """The element of `array`, row-major, at one form for each dimension."""
    strides = [math.prod(array.shape[n + 1:]) for n in range(len(array.shape))]
    return sum((index * stride for index, stride in zip(indices, strides, strict=True)), Lin())
