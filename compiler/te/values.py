"""Values: what a stage computes for one element.

    value = Const(number, dtype) | Cast(value, dtype) | Binary(op, left, right) | Sum(value, axes)
          | Load(tensor, indices) | Pad(tensor, indices)                    as declared: one index per dimension
          | FlatLoad(array, index) | FlatPad(array, index, guards)          as lowered: an element of memory

`Sum` is only ever the outermost node of a declared value. Arithmetic is two's complement that wraps.
"""

import enum
from dataclasses import dataclass

from vta.compiler.te.errors import CompileError, Refusing
from vta.compiler.te.index import Lin
from vta.compiler.te.nodes import Node, walk

DTYPES = {"int8": 1, "int32": 4}         # bytes of a number


class Op(enum.Enum):
    """An operation of two values: how it is written, and whether its operands may be swapped."""

    ADD = "+", True
    SUB = "-", False
    MUL = "*", True
    SHR = ">>", False
    SHL = "<<", False
    MAX = "max", True
    MIN = "min", True

    def __init__(self, sign, commutative):
        self.sign, self.commutative, self.word = sign, commutative, self.name.lower()


def _operator(op, swap=False):
    return lambda self, other: self.binary(op, other, swap)


class Value(Node, Refusing):
    """Base of all values: the operators that build them. `word` names the node in messages."""

    INSTEAD = f"values are computed with {' '.join(op.sign for op in Op if not op.sign.isalpha())}, " \
              f"{', '.join(f'te.{op.sign}' for op in Op if op.sign.isalpha())}, te.sum and .astype"

    def __init_subclass__(cls, word=None):
        if word:
            cls.word = word

    @staticmethod
    def of(value, dtype):
        """The value itself, or an integer, which must fit `dtype`, as a constant."""
        if isinstance(value, Value):
            return value
        half = 1 << 8 * DTYPES[dtype] - 1
        if isinstance(value, bool) or not hasattr(value, "__index__") or not -half <= value < half:
            raise CompileError(f"{value!r} is no {dtype}: values are computed with tensors and integers from {-half} "
                               f"to {half - 1}")
        return Const(value.__index__(), dtype)

    def binary(self, op, other, swap=False):
        other = Value.of(other, self.dtype)
        if other.dtype != self.dtype:
            raise CompileError(f"{op.word} of {self.dtype} and {other.dtype}: cast one of them with .astype()")
        return Binary(op, other, self) if swap else Binary(op, self, other)

    def astype(self, dtype):
        return self if dtype == self.dtype else Cast(self, dtype)

    def loads(self):
        """Every Read in the value, left to right."""
        return [node for node in walk(self) if isinstance(node, Read)]

    def __str__(self):
        return f"{self.dtype} {self.word}"

    def __bool__(self):
        self.refuse("the truth")

    def __neg__(self):
        return self * -1

    __add__, __radd__ = _operator(Op.ADD), _operator(Op.ADD, swap=True)
    __sub__, __rsub__ = _operator(Op.SUB), _operator(Op.SUB, swap=True)
    __mul__, __rmul__ = _operator(Op.MUL), _operator(Op.MUL, swap=True)
    __rshift__, __lshift__ = _operator(Op.SHR), _operator(Op.SHL)


node = dataclass(frozen=True, eq=False)          # values, like tensors, are compared by identity


@node
class Const(Value, word="const"):
    number: int
    dtype: str


@node
class Cast(Value, word="cast"):
    value: Value
    dtype: str


@node
class Binary(Value):
    op: Op
    left: Value
    right: Value
    word = property(lambda self: self.op.word)
    dtype = property(lambda self: self.left.dtype)


@node
class Sum(Value, word="sum"):
    value: Value
    axes: tuple
    dtype = property(lambda self: self.value.dtype)


class Read(Value):
    """Reads one element of `source`: a `te.Tensor` as declared, an `ir.Array` as lowered. Pads are zero outside."""

    dtype = property(lambda self: self.source.dtype)


@node
class Load(Read, word="load"):
    source: object
    indices: tuple


@node
class Pad(Read, word="pad"):
    source: object
    indices: tuple


@node
class FlatLoad(Read, word="load"):
    source: object
    index: Lin


@node
class FlatPad(Read, word="pad"):
    source: object
    index: Lin
    guards: tuple          # (form, extent): outside unless 0 <= form < extent
