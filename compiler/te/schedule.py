"""Schedules: how each stage's loops are split, ordered, attached, and mapped to the machine.

A schedule never changes what is computed: integer sums may be taken in any order, and regions are derived.
"""

from vta.compiler.te.environment import Intrinsic
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Var
from vta.compiler.te.tensor import Tensor, stages_of


class Stage:
    """The loops of one computed tensor, outermost first in `leaves`, and how they are mapped."""

    def __init__(self, schedule, tensor):
        self.schedule, self.tensor = schedule, tensor
        self.leaves = [*tensor.axis, *tensor.reduce_axis]
        self.splits = []          # (parent, outer, inner, factor, nparts), in order
        self.attach = None        # (consumer stage, its loop)
        self.scope = "global"
        self.pragmas = {}         # loop -> "dma_copy" or "alu"
        self.intrinsic = None     # (loop, intrinsic)
        self.thread = None        # the loop bound to virtual threads

    @property
    def op(self):
        return self.tensor

    @property
    def name(self):
        return self.tensor.name

    def _need(self, var, what):
        if var not in self.leaves:
            raise CompileError(f"{what} in stage {self.name}: {var!r} is not one of its loops "
                               f"({', '.join(leaf.name for leaf in self.leaves)})")

    def split(self, parent, factor=None, nparts=None):
        """Two loops for one: the inner has `factor` iterations (or the outer `nparts`). Returns (outer, inner).

        The factor must divide the extent, which is checked at lowering, when the extent is known."""
        self._need(parent, "split")
        if (factor is None) == (nparts is None):
            raise CompileError(f"split of {parent} in stage {self.name}: give either factor or nparts")
        step = nparts if factor is None else factor
        if not hasattr(step, "__index__") or step < 1:
            raise CompileError(f"split of {parent} in stage {self.name}: {step} must be an integer of at least 1")
        outer, inner = (Var(f"{parent.name}_{end}", None, parent.kind) for end in ("outer", "inner"))
        self.splits.append((parent, outer, inner, factor, nparts))
        position = self.leaves.index(parent)
        self.leaves[position:position + 1] = [outer, inner]
        return outer, inner

    def reorder(self, *order):
        """These loops, in this order, at the positions that they now occupy."""
        for var in order:
            self._need(var, "reorder")
        if len(set(order)) < len(order):
            raise CompileError(f"reorder in stage {self.name}: a loop is named twice")
        positions = sorted(self.leaves.index(var) for var in order)
        for position, var in zip(positions, order, strict=True):
            self.leaves[position] = var

    def compute_at(self, consumer, var):
        """Compute, in each iteration of the loop `var` of `consumer`, the region that it needs."""
        consumer._need(var, f"compute_at of {self.name}")
        self.attach = (consumer, var)

    def set_scope(self, scope):
        """Where the tensor lives: one of the environment's `*_scope`, or "global" (DRAM)."""
        self.scope = scope

    def pragma(self, var, kind):
        """From loop `var` inward: one DMA transfer (`env.dma_copy`) or ALU operations (`env.alu`)."""
        self._need(var, "pragma")
        if kind not in ("dma_copy", "alu"):
            raise CompileError(f"pragma {kind!r} in stage {self.name}: it must be dma_copy or alu")
        self.pragmas[var] = kind

    def tensorize(self, var, intrinsic):
        """From loop `var` inward: one step of `intrinsic` (`env.gemm`)."""
        self._need(var, "tensorize")
        if not isinstance(intrinsic, Intrinsic):
            raise CompileError(f"tensorize in stage {self.name}: {intrinsic!r} must be env.gemm")
        self.intrinsic = (var, intrinsic)

    def bind(self, var, thread):
        """Run the iterations of `var` as virtual threads: each has its own share of the on-chip memories."""
        self._need(var, "bind")
        del thread            # te.thread_axis has checked it
        self.thread = var


class Schedule:
    """Stages by tensor, producers first in `stages`."""

    def __init__(self, outputs):
        self.outputs = list(outputs)
        for tensor in self.outputs:
            if not isinstance(tensor, Tensor) or tensor.body is None:
                raise CompileError(f"create_schedule({tensor!r}): a schedule ends in tensors made by te.compute")
        self.stages = {tensor: Stage(self, tensor) for tensor in stages_of(self.outputs)}

    def __getitem__(self, tensor):
        if tensor not in self.stages:
            raise CompileError(f"{tensor!r} is not computed in this schedule")
        return self.stages[tensor]
