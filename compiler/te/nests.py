"""Pass 2, nests: every stage becomes its loops around one store.

In:  a schedule and its bounds.
Out: a Program of For, Seq, Scope("pragma"), Store, and Push for tensorized loops (each in its own
     Scope("uop")). Loops of one iteration are gone; attached stages come before the body they are attached
     to; a reduction has a nest of its own, before its first reduce loop, that writes the zero.
This is what `te.lower` prints.
"""

import math

from vta.compiler.te.bounds import infer
from vta.compiler.te.expr import CompileError, Lin, Val, Var
from vta.compiler.te.ir import Buffer, For, Program, Scope, Store, seq
from vta.compiler.te.rewrite import substitute
from vta.compiler.te.schedule import Schedule
from vta.compiler.te.tensor import Tensor
from vta.compiler.te.tensorize import gemm_step


def lower_loops(schedule, args, name="main"):
    """The Program of `schedule` with these tensors, in this order, as arguments."""
    if not isinstance(schedule, Schedule):
        raise CompileError(f"schedule {schedule!r} must be one that te.create_schedule made")
    if not isinstance(args, (list, tuple)):
        raise CompileError(f"arguments {args!r} must be a list of tensors")
    builder = _Builder(schedule, args)
    roots = [stage for stage in schedule.stages.values() if stage.attach is None]
    body = seq(*(builder.stage(stage) for stage in roots))
    own = tuple(builder.buffers[tensor] for tensor in schedule.stages if tensor not in args)
    meta = {"thread": builder.thread, "attach": builder.attach}
    return Program(tuple(builder.buffers[tensor] for tensor in args), own, body, name, meta)


class _Builder:
    def __init__(self, schedule, args):
        for tensor in args:
            if not isinstance(tensor, Tensor):
                raise CompileError(f"argument {tensor!r} of the program is no tensor")
        self.schedule, self.bounds = schedule, infer(schedule)
        self.thread = self._thread()
        self.buffers = {tensor: Buffer(tensor.name, tensor.shape, tensor.dtype) for tensor in args}
        self.attach = {}
        known = set(schedule.stages) | set(args)
        for tensor, stage in schedule.stages.items():
            for load in tensor.body.loads():
                if load.args[0] not in known:
                    raise CompileError(f"{load.args[0].name}, which {tensor.name} reads, is no argument of "
                                       f"the program")
            if tensor not in self.buffers:
                self.buffers[tensor] = self._own(stage)
            elif stage.attach or stage.scope != "global":
                raise CompileError(f"stage {stage.name} is an argument: it lives in DRAM and is computed at "
                                   f"the top")
        for tensor in schedule.outputs:
            if tensor not in args:
                raise CompileError(f"the result {tensor.name} must be an argument of the program")

    def _thread(self):
        """The loop variable bound to virtual threads, or None."""
        bound = [stage for stage in self.bounds if stage.thread is not None]
        if len(bound) > 1:
            raise CompileError(f"stages {', '.join(stage.name for stage in bound)} bind virtual threads: "
                               f"only one may")
        for stage in bound:
            if stage.thread not in stage.leaves:
                raise CompileError(f"stage {stage.name}: the loop bound to virtual threads was split since")
            thread = self.bounds[stage].loops[stage.thread]
            if thread is not None:
                thread.name = "cthread"
            return thread
        return None

    def _own(self, stage):
        """The memory of a stage that is no argument: its region, once for each thread."""
        bounds = self.bounds[stage]
        inside = self.thread is not None and self.thread in bounds.path
        if self.thread is not None and stage.scope != "global" and not inside:
            raise CompileError(f"stage {stage.name} is on chip but computed outside of the virtual threads' "
                               f"loop {self.thread}: attach it inside")
        buffer = Buffer(stage.name, tuple(bounds.extents), stage.tensor.dtype, stage.scope,
                        self.thread.extent if inside else 1)
        self.attach[buffer] = tuple(bounds.path)
        return buffer

    def load(self, load, mapping):
        """A load or pad with its indices flattened to an element of the buffer."""
        tensor, indices = load.args
        buffer, stage = self.buffers[tensor], self.schedule.stages.get(tensor)
        indices = [index.substitute(mapping) for index in indices]
        starts = self.bounds[stage].starts if stage else [Lin()] * len(indices)
        local = [index - start for index, start in zip(indices, starts, strict=True)]
        flat = sum((index * step for index, step in zip(local, _strides(buffer), strict=True)), Lin())
        guards = tuple((index, extent) for index, extent in zip(local, buffer.shape, strict=True)
                       if index.range()[0] < 0 or index.range()[1] >= extent)
        if load.op == "load":
            for index, extent in guards:
                raise CompileError(f"{tensor.name} is read at {index}, which runs from {index.range()[0]} to "
                                   f"{index.range()[1]}, in a dimension of {extent}")
            return Val("load", (buffer, flat), load.dtype)
        return Val("pad", (buffer, flat, guards), load.dtype)

    def value(self, value, mapping):
        if value.op in ("load", "pad"):
            return self.load(value, mapping)
        args = (self.value(arg, mapping) if isinstance(arg, Val) else arg for arg in value.args)
        return Val(value.op, tuple(args), value.dtype)

    def stage(self, stage):
        """The nest of a stage, with all that is attached to it."""
        bounds, tensor = self.bounds[stage], stage.tensor
        buffer = self.buffers[tensor]
        local = [bounds.axes[axis] for axis in tensor.axis]
        index = sum((axis * step for axis, step in zip(local, _strides(buffer), strict=True)), Lin())
        mapping = bounds.absolute(tensor)
        reduce_at = self._reduce_at(stage)
        attached = {}
        for other in self.schedule.stages.values():
            if other.attach and other.attach[0] is stage:
                attached.setdefault(other.attach[1], []).append(other)

        def update(inner):
            if stage.intrinsic:
                return gemm_step(stage, buffer, index, self.value(tensor.body, mapping), inner)
            body = self.value(tensor.body.args[0] if tensor.body.op == "sum" else tensor.body, mapping)
            if tensor.body.op == "sum":
                body = Val("load", (buffer, index), body.dtype) + body
            return Store(buffer, index, body, stage.name)

        def init(inner):
            if stage.intrinsic:
                return gemm_step(stage, buffer, index, None, inner)
            return Store(buffer, index, Val("const", (0,), tensor.dtype), stage.name)

        def zero_nest(position):
            fresh = {}
            leaves = [leaf for leaf in stage.leaves[position:] if leaf.kind != "reduce"]
            start = stage.intrinsic[0] if stage.intrinsic else None
            end = leaves.index(start) if start in leaves else len(leaves)
            for leaf in leaves[:end]:
                if bounds.loops[leaf] is not None:
                    fresh[bounds.loops[leaf]] = Var(f"{leaf.name}_init", bounds.loops[leaf].extent)
            body = init([bounds.loops[leaf] for leaf in leaves[end:] if bounds.loops[leaf] is not None])
            body = substitute(body, fresh)
            for var in reversed(fresh.values()):
                body = For(var, var.extent, body)
            return body

        def nest(position):
            if position == len(stage.leaves):
                return update([])
            leaf = stage.leaves[position]
            if stage.intrinsic and leaf is stage.intrinsic[0]:
                rest = [bounds.loops[each] for each in stage.leaves[position:]]
                body = update([var for var in rest if var is not None])
            else:
                body = nest(position + 1)
                body = seq(*map(self.stage, attached.get(leaf, [])), body)
                var = bounds.loops[leaf]
                if var is not None:
                    body = For(var, var.extent, body, "vthread" if var is self.thread else "serial")
                if leaf in stage.pragmas:
                    body = Scope("pragma", stage.pragmas[leaf], body)
            return seq(zero_nest(position), body) if position == reduce_at else body

        return nest(0)

    def _reduce_at(self, stage):
        """The loop position before which a reduction's zero is written, or None without a reduction."""
        if stage.tensor.body.op != "sum":
            return None
        position = min(n for n, leaf in enumerate(stage.leaves) if leaf.kind == "reduce")
        if stage.intrinsic:
            position = min(position, stage.leaves.index(stage.intrinsic[0]))
        return position


def _strides(buffer):
    return [math.prod(buffer.shape[n + 1:]) for n in range(len(buffer.shape))]
