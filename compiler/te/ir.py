"""The intermediate representation: loops, blocks, scopes and four kinds of leaf, all frozen.

A `Program` goes through the passes in the order that `lowering.py` lists. `verify` says after each which
kinds of node may still occur. Indices of `Store` count elements; those of `Ptr` count tiles of the buffer's
memory.
"""

import math
from dataclasses import dataclass, field, replace

from vta.compiler.te.expr import CompileError, Lin, Val, Var


@dataclass(eq=False)
class Buffer:
    """An array: an argument in DRAM, or a stage's own memory. `threads` copies exist, one for each virtual
    thread.

    `offset` and `stride` are its place on chip, in tiles, and the distance of the copies; `place` sets them.
    """

    name: str
    shape: tuple
    dtype: str
    scope: str = "global"
    threads: int = 1
    offset: int = 0
    stride: int = 0

    @property
    def size(self):
        return math.prod(self.shape)


@dataclass(frozen=True)
class Ptr:
    """A place in a buffer, in tiles. Once placed, `buffer` is still there for messages and DRAM relocation."""

    buffer: Buffer
    index: Lin


@dataclass(frozen=True)
class For:
    var: Var
    extent: int
    body: object
    kind: str = "serial"          # or "vthread"


@dataclass(frozen=True)
class Seq:
    body: tuple


@dataclass(frozen=True)
class Scope:
    """`kind` pragma (value dma_copy or alu), module (value load, compute or store), or uop (value GEMM or
    ALU).

    `loops` belong to uop scopes after folding: (extent, dst, src, wgt factor) of the hardware loops, outer
    first.
    """

    kind: str
    value: str
    body: object
    loops: tuple = ()


@dataclass(frozen=True)
class Store:
    """buffer[index] = value, one element; `stage` names it in messages; `init` marks a reduction's zero."""

    buffer: Buffer
    index: Lin
    value: Val
    stage: str
    buffers: tuple = ()           # ((tensor, buffer), ...) that the value loads from


@dataclass(frozen=True)
class Push:
    """One micro-op: a GEMM step (`opcode` None) or an ALU step."""

    dst: Ptr
    src: Ptr | None = None
    wgt: Ptr | None = None
    reset: bool = False
    opcode: object = None
    use_imm: bool = False
    imm: int = 0
    stage: str = ""


@dataclass(frozen=True)
class Dma:
    """A 2-D transfer between `dram` and `sram`; sizes, strides and pads in tiles (linear forms but `stride`)."""

    store: bool
    dram: Ptr
    sram: Ptr
    x_size: Lin
    y_size: Lin
    x_stride: int
    pads: tuple = (Lin(), Lin(), Lin(), Lin())     # x before, y before, x after, y after
    stage: str = ""


@dataclass(frozen=True)
class Token:
    """push or pop of one dependency token between two modules; a pop belongs to `target`, a push to `source`."""

    push: bool
    source: str
    target: str


@dataclass(frozen=True)
class Program:
    """Arguments in DRAM, the stages' own buffers, and the body. `meta`: "thread", the virtual-thread variable or
    None; "attach", own buffer -> the loop variables around the place where it is computed."""

    args: tuple
    buffers: tuple
    body: object
    name: str = "main"
    meta: dict = field(default_factory=dict)

    def with_body(self, body):
        return replace(self, body=body)


def seq(*statements):
    """The statements one after another, without nested blocks; a single one stays itself."""
    flat = []
    for statement in statements:
        flat.extend(statement.body if isinstance(statement, Seq) else [statement])
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def children(node):
    if isinstance(node, Seq):
        return node.body
    return (node.body,) if isinstance(node, (For, Scope)) else ()


def rebuild(node, function):
    """The node with `function` applied to each child."""
    if isinstance(node, Seq):
        return seq(*map(function, node.body))
    return replace(node, body=function(node.body)) if isinstance(node, (For, Scope)) else node


def walk(node):
    """The node and all below it, in program order."""
    yield node
    for child in children(node):
        yield from walk(child)


def verify(program, after, allowed):
    """Raise unless every leaf is of an allowed kind: what a pass promises to have removed is gone."""
    for node in walk(program.body):
        if not isinstance(node, (For, Seq, Scope)) and not isinstance(node, allowed):
            what = f"stage {node.stage}" if getattr(node, "stage", "") else repr(node)
            raise CompileError(f"{what} is left as plain loops after pass {after!r}: map it with pragma(..., "
                               f"env.dma_copy), pragma(..., env.alu) or tensorize(..., env.gemm)")
    return program
