"""The error of the compiler, and the base of everything that supports only some of Python's operators."""


class CompileError(ValueError):
    """A program that cannot be compiled; the message names the stage, the loop, the numbers and the limit."""


class Refusing:
    """Rejects Python's operators with a message; subclasses define those they support. `INSTEAD` lists them."""

    INSTEAD = ""

    def refuse(self, sign):
        raise CompileError(f"{sign} of {self}: {self.INSTEAD}")

    def __eq__(self, other):        # identity, for dictionaries; comparing with a number is a mistake
        return self is other or (self.refuse("==") if hasattr(other, "__index__") else NotImplemented)

    __hash__ = object.__hash__


for _sign, _names in {"/": "truediv rtruediv", "//": "floordiv rfloordiv", "%": "mod rmod", "**": "pow rpow",
                      "&": "and rand", "|": "or ror", "^": "xor rxor", "<<": "lshift rlshift", ">>": "rshift rrshift",
                      "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "~": "invert", "abs()": "abs"}.items():
    for _name in _names.split():
        setattr(Refusing, f"__{_name}__", lambda self, *_, sign=_sign: self.refuse(sign))
