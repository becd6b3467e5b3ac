"""Index arithmetic: linear forms over loop variables.

All shapes are static, so an index is a `Lin`: a sum of integer multiples of atoms plus a constant, an atom
being a `Var` or a `Max` of linear forms. Two forms are equal exactly if their terms are: no simplifier is
needed.
"""

from dataclasses import dataclass

from vta.compiler.te.errors import CompileError, Refusing


class _Arith(Refusing):
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


@dataclass(frozen=True, eq=False)
class Var(_Arith):
    """A loop variable, 0 to `extent` - 1; compared by identity. `kind`: data or reduce."""

    name: str
    extent: int | None          # None: known only when the schedule is lowered
    kind: str = "data"

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

    def divide(self, divisor, what):
        """The form divided by an integer, without remainder; `what` names it in the error."""
        for n in (*self.terms.values(), self.const):
            if n % divisor:
                raise CompileError(f"{what}: position {self} is not a multiple of a tile of {divisor} elements")
        return Lin({atom: n // divisor for atom, n in self.terms.items()}, self.const // divisor)

    def substitute(self, mapping):
        """The form with each variable in `mapping` replaced by a form."""
        result = Lin(const=self.const)
        for atom, n in self.terms.items():
            if isinstance(atom, Max):
                atom = Max.of(*(form.substitute(mapping) for form in atom.forms))
            result = result + Lin.of(mapping.get(atom, atom) if isinstance(atom, Var) else atom) * n
        return result

    def value(self, env):
        """Its integer when the variables have the values of `env`."""
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
        parts.sort(key=lambda part: part.startswith("-"))      # positive terms first
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
