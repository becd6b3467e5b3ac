"""Tensors: each is declared once, by `placeholder` or `compute`; a schedule says how it is computed.

Indices are sums of axes times integers; values are built with the operations of `values.Op`, `sum` and
`.astype`.
"""

import inspect
import itertools

from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Var
from vta.compiler.te.values import DTYPES, Load, Op, Sum, Value


class Tensor:
    """A named array of static shape. `op.axis` and `op.reduce_axis` are its axes; `body`: a Value, None for inputs."""

    def __init__(self, shape, dtype, name, axis=(), body=None):
        if dtype not in DTYPES:
            raise CompileError(f"tensor {name}: dtype {dtype!r} must be one of {', '.join(DTYPES)}")
        self.shape, self.dtype, self.name = tuple(shape), dtype, name
        self.axis, self.body = list(axis), body
        self.reduce_axis = list(body.axes) if isinstance(body, Sum) else []

    @property
    def op(self):
        """The tensor itself: `T.op.axis` is `T.axis`, `s[T.op]` is `s[T]`."""
        return self

    def __call__(self, *indices, access=Load):
        if len(indices) != len(self.shape):
            raise CompileError(f"tensor {self.name} has {len(self.shape)} dimensions, {len(indices)} indices given")
        return access(self, tuple(Lin.of(index) for index in indices))

    def __getitem__(self, indices):
        return self(*indices) if isinstance(indices, tuple) else self(indices)

    def __repr__(self):
        return f"Tensor({self.name}, {self.shape}, {self.dtype})"


def _shape(shape, name):
    if not isinstance(shape, (tuple, list)):
        raise CompileError(f"tensor {name}: shape {shape!r} must be a tuple of integers")
    for extent in shape:
        if isinstance(extent, bool) or not hasattr(extent, "__index__") or extent < 1:
            raise CompileError(f"tensor {name}: shape {shape} must consist of integers of at least 1")
    return tuple(int(extent) for extent in shape)


def placeholder(shape, name="placeholder", dtype="int8"):
    """An input tensor."""
    return Tensor(_shape(shape, name), dtype, name)


def compute(shape, function, name="compute"):
    """The tensor whose element at axes (i, j, ...) is `function(i, j, ...)`."""
    shape = _shape(shape, name)
    parameters = [parameter for parameter in inspect.signature(function).parameters.values()
                  if parameter.default is parameter.empty]
    if len(parameters) == 1 and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        names = [f"i{n}" for n in range(len(shape))]
    else:
        names = [parameter.name for parameter in parameters]
    if len(names) != len(shape):
        raise CompileError(f"tensor {name} has {len(shape)} dimensions but its function takes {len(names)} axes")
    axis = [Var(axis_name, extent) for axis_name, extent in zip(names, shape, strict=True)]
    body = function(*axis)
    if not isinstance(body, Value):
        raise CompileError(f"tensor {name}: its function returns {body!r}, which is no value of a tensor")
    _closed(body, axis, name)
    return Tensor(shape, body.dtype, name, axis, body)


def _closed(body, axis, name):
    """Refuse an axis that no loop of the tensor covers: one of another tensor, or of a sum inside an operation."""
    own = {*axis, *(body.axes if isinstance(body, Sum) else ())}
    for load in body.loads():
        for var in (var for index in load.indices for var in index.variables if var not in own):
            raise CompileError(f"tensor {name}: {load.source.name} is read along {var}, " + (
                "which is summed over only by a te.sum(..., axis) around the whole value: give what follows a "
                "tensor of its own" if var.kind == "reduce" else f"which is no axis of {name}"))


def reduce_axis(bounds, name="k"):
    """An axis to sum over: from `bounds[0]`, which must be 0, up to `bounds[1]` - 1."""
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2 or bounds[0] != 0 \
            or not hasattr(bounds[1], "__index__") or bounds[1] < 1:
        raise CompileError(f"reduce axis {name}: bounds {bounds} must be (0, n) with an integer n of at least 1")
    return Var(name, int(bounds[1]), "reduce")


def sum(value, axis):
    """The sum of `value` over one reduce axis or several."""
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else (axis,)
    for var in axis:
        if getattr(var, "kind", None) != "reduce":
            raise CompileError(f"te.sum over {var!r}: only axes made by te.reduce_axis can be summed over")
    if not isinstance(value, Value) or len(set(axis)) < len(axis):
        raise CompileError(f"te.sum of {value!r} over {axis}: it sums a value of a tensor, over each axis once")
    return Sum(value, axis)


def _of_two(op, a, b):
    if not isinstance(a, Value) and not isinstance(b, Value):
        raise CompileError(f"{op.word} of {a!r} and {b!r}: one of them must be a value of a tensor")
    return a.binary(op, b) if isinstance(a, Value) else b.binary(op, a)


def max(a, b):
    """The larger of two values, one of which may be an integer."""
    return _of_two(Op.MAX, a, b)


def min(a, b):
    """The smaller of two values, one of which may be an integer."""
    return _of_two(Op.MIN, a, b)


def thread_axis(tag):
    """The argument of `bind` for virtual threads: the tag must be "cthread"."""
    if tag != "cthread":
        raise CompileError(f"thread axis {tag!r}: only \"cthread\", virtual threads, exists on this machine")
    return tag


def stages_of(outputs):
    """All computed tensors that `outputs` need, producers first."""
    order = []

    def visit(tensor):
        if tensor.body is not None and tensor not in order:
            for load in tensor.body.loads():
                visit(load.source)
            order.append(tensor)

    for tensor in outputs:
        visit(tensor)
    names = [tensor.name for tensor in order]
    for name, group in itertools.groupby(sorted(names)):
        if len(list(group)) > 1:
            raise CompileError(f"two tensors are called {name!r}: give each its own name")
    return order
