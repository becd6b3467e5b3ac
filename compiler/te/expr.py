"""Expressions: linear forms over loop variables for indices, small value trees for what a stage computes.

All shapes are static, so an index is a `Lin`: a sum of integer multiples of atoms plus a constant, an atom
being a `Var` or a `Max` of linear forms. Two forms are equal exactly if their terms are: no simplifier is
needed.
"""

from dataclasses import dataclass

DTYPES = {"int8": 1, "int32": 4}         # bytes of a number


class CompileError(ValueError):
    """A program that cannot be compiled; the message names the stage, the loop, the numbers and the limit."""


class _Refusing:
    """Refuses Python's operators, in words; what has one of them defines it. `INSTEAD` says what there is."""

    INSTEAD = ""

    def refuse(self, sign):
        raise CompileError(f"{sign} of {self}: {self.INSTEAD}")

    def __eq__(self, other):        # tensors and loops are compared by identity, but a number is a question
        return self is other or (self.refuse("==") if hasattr(other, "__index__") else NotImplemented)

    __hash__ = object.__hash__


for _sign, _names in {"/": "truediv rtruediv", "//": "floordiv rfloordiv", "%": "mod rmod", "**": "pow rpow",
                      "&": "and rand", "|": "or ror", "^": "xor rxor", "<<": "lshift rlshift", ">>": "rshift rrshift",
                      "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "~": "invert", "abs()": "abs"}.items():
    for _name in _names.split():
        setattr(_Refusing, f"__{_name}__", lambda self, *_, sign=_sign: self.refuse(sign))


class _Arith(_Refusing):
    """Index arithmetic for everything that converts to a linear form."""

    INSTEAD = "an index is built from axes and integers with + - * (the schedule's split divides a loop)"

    def __add__(self, other):
        return Lin.of(self)._plus(Lin.of(other), 1)

    def __radd__(self, other):
        return Lin.of(other)._plus(Lin.of(self), 1)

    def __sub__(self, other):
        return Lin.of(self)._plus(Lin.of(other), -1)

    def __rsub__(self, other):
        return Lin.of(other)._plus(Lin.of(self), -1)

    def __neg__(self):
        return self * -1

    def __mul__(self, factor):
        if isinstance(factor, bool) or not hasattr(factor, "__index__"):
            raise CompileError(f"index {self} * {factor}: an index may be multiplied by integers only")
        factor = factor.__index__()
        return Lin({atom: n * factor for atom, n in Lin.of(self).terms.items()}, Lin.of(self).const * factor)

    __rmul__ = __mul__


class Var(_Arith):
    """A loop variable, 0 to `extent` - 1; compared by identity. `kind`: data, reduce, or thread."""

    def __init__(self, name, extent, kind="data"):
        self.name, self.extent, self.kind = name, extent, kind

    def __repr__(self):
        return self.name


class Lin(_Arith):
    """A linear form: {atom: coefficient} + constant."""

    __slots__ = ("const", "terms")

    def __init__(self, terms=None, const=0):
        self.terms = {atom: n for atom, n in (terms or {}).items() if n}
        self.const = const

    @classmethod
    def of(cls, value):
        """The form of an int, a Var, a Max or a Lin."""
        if isinstance(value, Lin):
            return value
        if isinstance(value, (Var, Max)):
            return cls({value: 1})
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise CompileError(f"{value!r} is no index: it must be built from axes and integers with + - *")
        return cls(const=value.__index__())

    def _plus(self, other, sign):
        terms = dict(self.terms)
        for atom, n in other.terms.items():
            terms[atom] = terms.get(atom, 0) + sign * n
        return Lin(terms, self.const + sign * other.const)

    def coef(self, atom):
        return self.terms.get(atom, 0)

    def drop(self, variables):
        """The form with these variables at 0. They must not occur inside a Max."""
        return Lin({atom: n for atom, n in self.terms.items() if atom not in variables}, self.const)

    def substitute(self, mapping):
        """The form with each variable in `mapping` replaced by a form."""
        result = Lin(const=self.const)
        for atom, n in self.terms.items():
            if isinstance(atom, Max):
                atom = Max.of(*(form.substitute(mapping) for form in atom.forms))
            result = result + Lin.of(mapping.get(atom, atom) if isinstance(atom, Var) else atom) * n
        return result

    def value(self, env):
        """The integer it is when the variables have the values of `env`."""
        total = self.const
        if not self.terms:
            return total
        for atom, n in self.terms.items():
            total += n * (env[atom] if isinstance(atom, Var) else max(form.value(env) for form in atom.forms))
        return total

    def range(self):
        """(lowest, highest) value that the extents of the variables allow."""
        low = high = self.const
        for atom, n in self.terms.items():
            first, last = (0, atom.extent - 1) if isinstance(atom, Var) else atom.range()
            low, high = low + min(n * first, n * last), high + max(n * first, n * last)
        return low, high

    @property
    def variables(self):
        found = set()
        for atom in self.terms:
            found |= {atom} if isinstance(atom, Var) else {v for form in atom.forms for v in form.variables}
        return found

    def __eq__(self, other):
        if not isinstance(other, Lin):
            return super().__eq__(other)
        return self.const == other.const and self.terms == other.terms

    def __hash__(self):
        return hash((frozenset(self.terms.items()), self.const))

    def __str__(self):
        parts = [str(atom) if n == 1 else f"-{atom}" if n == -1 else
                 f"{n} * {atom}" if isinstance(atom, Max) or n < 0 else f"{atom} * {n}"
                 for atom, n in self.terms.items()]
        if self.const or not parts:
            parts.append(str(self.const))
        parts.sort(key=lambda part: part.startswith("-"))      # first what is added, then what is taken
        return " + ".join(parts).replace("+ -", "- ")

    __repr__ = __str__


@dataclass(frozen=True)
class Max:
    """The largest of several linear forms: an atom of other forms."""

    forms: tuple

    @classmethod
    def of(cls, *values):
        """The maximum as a linear form, decided at once where the ranges decide it."""
        forms = tuple(dict.fromkeys(Lin.of(value) for value in values))
        floor = max(form.range()[0] for form in forms)
        kept = tuple(form for form in forms if form.range()[1] > floor) or \
            (next(form for form in forms if form.range()[0] == floor),)
        if len(kept) < len(forms) and all(form.range()[0] < floor for form in kept):
            kept += (Lin(const=floor),)
        return kept[0] if len(kept) == 1 else Lin({cls(kept): 1})

    def range(self):
        ranges = [form.range() for form in self.forms]
        return max(low for low, _ in ranges), max(high for _, high in ranges)

    def __str__(self):
        return f"max({', '.join(map(str, self.forms))})"


@dataclass(frozen=True, eq=False)
class Val(_Refusing):
    """What a stage computes for one element.

    `op`: load (tensor, indices), pad (the same, zero outside the tensor), const (integer), cast (value),
    sum (value, axes), or one of add, sub, mul, shr, shl, max, min (two values).
    """

    op: str
    args: tuple
    dtype: str

    INSTEAD = "values are computed with + - * >> <<, te.max, te.min, te.sum and .astype"

    def __str__(self):
        return f"{self.dtype} {self.op}"

    def __bool__(self):
        self.refuse("the truth")

    @classmethod
    def of(cls, value, dtype):
        """The value itself, or an integer, which must fit `dtype`, as a constant."""
        if isinstance(value, Val):
            return value
        half = 1 << 8 * DTYPES[dtype] - 1
        if isinstance(value, bool) or not hasattr(value, "__index__") or not -half <= value < half:
            raise CompileError(f"{value!r} is no {dtype}: values are computed with tensors and integers from {-half} "
                               f"to {half - 1}")
        return cls("const", (value.__index__(),), dtype)

    def binary(self, op, other, swap=False):
        other = Val.of(other, self.dtype)
        if other.dtype != self.dtype:
            raise CompileError(f"{op} of {self.dtype} and {other.dtype}: cast one of them with .astype()")
        return Val(op, (other, self) if swap else (self, other), self.dtype)

    def astype(self, dtype):
        return self if dtype == self.dtype else Val("cast", (self,), dtype)

    def __add__(self, other):
        return self.binary("add", other)

    def __radd__(self, other):
        return self.binary("add", other, swap=True)

    def __sub__(self, other):
        return self.binary("sub", other)

    def __rsub__(self, other):
        return self.binary("sub", other, swap=True)

    def __neg__(self):
        return self * -1

    def __mul__(self, other):
        return self.binary("mul", other)

    def __rmul__(self, other):
        return self.binary("mul", other, swap=True)

    def __rshift__(self, other):
        return self.binary("shr", other)

    def __lshift__(self, other):
        return self.binary("shl", other)

    def loads(self):
        """Every load or pad in the tree, left to right."""
        if self.op in ("load", "pad"):
            return [self]
        return [load for arg in self.args if isinstance(arg, Val) for load in arg.loads()]

    def substitute(self, mapping):
        """The tree with the variables of all indices replaced."""
        if self.op in ("load", "pad"):
            tensor, indices = self.args
            return Val(self.op, (tensor, tuple(index.substitute(mapping) for index in indices)), self.dtype)
        args = (arg.substitute(mapping) if isinstance(arg, Val) else arg for arg in self.args)
        return Val(self.op, tuple(args), self.dtype)
