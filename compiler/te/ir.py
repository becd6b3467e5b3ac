"""The intermediate representation: a `Function` of loops, scopes and four kinds of leaf, all frozen.

    statement = Seq(statements) | For(var, body)
              | DmaNest(body) | AluNest(body) | ModuleScope(unit, body) | UopScope(opcode, body, loops)
              | Store(array, index, value) | Push(dst, src, wgt, ...) | Dma(dram, sram, ...) | Token(push, ...)

`compiler/passes/__init__.py` lists which of them may occur after each pass. Indices of `Store` count elements; those of
`Ptr` count tiles.
"""

import math
from dataclasses import dataclass, replace

from vta.compiler.te.environment import SCOPES
from vta.compiler.te.errors import CompileError
from vta.compiler.te.index import Lin, Var
from vta.compiler.te.nodes import Node, rewrite
from vta.compiler.te.values import Value
from vta.hw.isa import AluOp, Opcode, Unit


@dataclass(frozen=True, eq=False)
class Array:
    """Memory: an argument in DRAM, or a stage's own; compared by identity.

    `threads` copies exist, one for each virtual thread. `attach`: the loop variables around the statement that
    computes it.
    """

    name: str
    shape: tuple
    dtype: str
    scope: str = "global"
    threads: int = 1
    attach: tuple = ()

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def memory(self):
        """The name of its on-chip memory, or None for DRAM; an unknown scope is an error."""
        if self.scope == "global":
            return None
        if self.scope not in SCOPES:
            raise CompileError(f"stage {self.name}: scope {self.scope!r} must be one of {', '.join(SCOPES)}, global")
        return SCOPES[self.scope]


@dataclass(frozen=True)
class Ptr(Node):
    """A tile: relative to `array`, or, on chip once placed, to the start of its memory."""

    array: Array
    index: Lin


class Statement(Node):
    """Base of everything that a `Function` executes."""


@dataclass(frozen=True)
class Seq(Statement):
    """Statements one after another; `seq` makes it."""

    body: tuple

    def rebuilt(self, fields):
        return seq(*fields["body"])


@dataclass(frozen=True)
class For(Statement):
    """`var.extent` iterations; `thread`: these are the virtual threads."""

    var: Var
    body: Statement
    thread: bool = False


@dataclass(frozen=True)
class Pragma(Statement):
    """A nest that the schedule maps to one kind of instruction."""

    body: Statement


class DmaNest(Pragma):
    kind = "dma_copy"


class AluNest(Pragma):
    kind = "alu"


@dataclass(frozen=True)
class ModuleScope(Statement):
    """Statements that one unit executes."""

    unit: Unit
    body: Statement


@dataclass(frozen=True)
class UopScope(Statement):
    """One GEMM or ALU instruction: hardware `loops` (extent, dst, src, wgt factor), outer first, around micro-ops."""

    opcode: Opcode
    body: Statement
    loops: tuple = ()


@dataclass(frozen=True)
class Store(Statement):
    """array[index] = value, one element; `stage` names it in messages."""

    array: Array
    index: Lin
    value: Value
    stage: str


@dataclass(frozen=True)
class Push(Statement):
    """One micro-op: a GEMM step (`opcode` None) or an ALU step, on `imm` instead of `src` unless that is None."""

    dst: Ptr
    src: Ptr | None = None
    wgt: Ptr | None = None
    reset: bool = False
    opcode: AluOp | None = None
    imm: int | None = None
    stage: str = ""


@dataclass(frozen=True)
class Dma(Statement):
    """A 2-D transfer between `dram` and `sram`; sizes, stride and pads in tiles."""

    store: bool
    dram: Ptr
    sram: Ptr
    x_size: Lin
    y_size: Lin
    x_stride: int
    pads: tuple          # forms: x before, y before, x after, y after
    stage: str


@dataclass(frozen=True)
class Token(Statement):
    """push or pop of one dependency token between two units; a pop belongs to `target`, a push to `source`."""

    push: bool
    source: Unit
    target: Unit


LEAVES = (Store, Push, Dma, Token)


@dataclass(frozen=True)
class Function:
    """`args` in DRAM, those of them that are `outputs`, the stages' own `arrays`, and the body.

    `thread`: the loop variable of the virtual threads, or None.
    """

    name: str
    args: tuple
    outputs: tuple
    arrays: tuple
    body: Statement
    thread: Var | None

    def rewrite(self, kind, change):
        """The function with `nodes.rewrite` applied to its body."""
        return replace(self, body=rewrite(self.body, kind, change))


def seq(*statements):
    """The statements one after another, without nested blocks; a single one stays itself."""
    flat = []
    for statement in statements:
        flat.extend(statement.body if isinstance(statement, Seq) else [statement])
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def substitute(tree, mapping):
    """A statement or value with each loop variable in `mapping` replaced by a linear form."""
    return rewrite(tree, Lin, lambda form: form.substitute(mapping))
