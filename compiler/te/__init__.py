"""The tensor-expression language: declare what each tensor holds, schedule how it is computed.

    A = te.placeholder((n, m), name="A", dtype="int8")
    k = te.reduce_axis((0, m), name="k")
    B = te.compute((n,), lambda i: te.sum(A[i, k].astype("int32"), axis=k), name="B")
    s = te.create_schedule(B)

This folder ends at loops (`ir.py`): `te.lower` prints them, `vta.compiler.passes` maps them to the machine.
"""

from vta.compiler.te import nests
from vta.compiler.te.printer import show
from vta.compiler.te.schedule import Schedule
from vta.compiler.te.tensor import Tensor, compute, max, min, placeholder, reduce_axis, sum, thread_axis

__all__ = ["Schedule", "Tensor", "compute", "create_schedule", "lower", "max", "min", "placeholder", "reduce_axis",
           "sum", "thread_axis"]


def create_schedule(outputs):
    """The default schedule of the graph that ends in `outputs` (one tensor or a list): every stage by itself."""
    return Schedule(outputs if isinstance(outputs, (list, tuple)) else [outputs])


def lower(schedule, args):
    """The loops that `schedule` means, as text: before any mapping to the machine."""
    return show(nests.lower_loops(schedule, args))
