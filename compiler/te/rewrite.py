"""Helpers that several passes share: replacing variables and buffers, tile arithmetic, perfect nests."""

from dataclasses import replace

from vta.compiler.te.environment import SCOPES
from vta.compiler.te.expr import CompileError, Lin, Max, Val
from vta.compiler.te.ir import Dma, For, Ptr, Push, Seq, Store, children, rebuild


def substitute(node, mapping):
    """The statement with each loop variable in `mapping` replaced by a linear form."""
    def ptr(pointer):
        return pointer and Ptr(pointer.buffer, pointer.index.substitute(mapping))

    if isinstance(node, Store):
        return replace(node, index=node.index.substitute(mapping), value=_value(node.value, mapping))
    if isinstance(node, Push):
        return replace(node, dst=ptr(node.dst), src=ptr(node.src), wgt=ptr(node.wgt))
    if isinstance(node, Dma):
        x_size, y_size, *pads = (form.substitute(mapping) for form in (node.x_size, node.y_size, *node.pads))
        return replace(node, dram=ptr(node.dram), sram=ptr(node.sram), x_size=x_size, y_size=y_size,
                       pads=tuple(pads))
    return rebuild(node, lambda child: substitute(child, mapping)) if children(node) else node


def _value(value, mapping):
    """A flattened value (loads of buffers) with variables replaced."""
    if value.op == "load":
        return Val("load", (value.args[0], value.args[1].substitute(mapping)), value.dtype)
    if value.op == "pad":
        buffer, index, guards = value.args
        guards = tuple((form.substitute(mapping), extent) for form, extent in guards)
        return Val("pad", (buffer, index.substitute(mapping), guards), value.dtype)
    return Val(value.op, tuple(_value(arg, mapping) if isinstance(arg, Val) else arg for arg in value.args),
               value.dtype)


def map_leaves(node, function):
    """The tree with `function` applied to each leaf."""
    return rebuild(node, lambda child: map_leaves(child, function)) if children(node) else function(node)


def divide(form, divisor, what):
    """The linear form divided by an integer, which must go without remainder; `what` names it in the error."""
    for n in (*form.terms.values(), form.const):
        if n % divisor:
            raise CompileError(f"{what}: position {form} is not a multiple of a tile of {divisor} elements")
    return Lin({atom: n // divisor for atom, n in form.terms.items()}, form.const // divisor)


def perfect_nest(node, what):
    """(loop variables outermost first, the one statement inside) of a nest without branches."""
    variables = []
    while isinstance(node, For):
        variables.append(node.var)
        node = node.body
    if isinstance(node, Seq) or children(node):
        raise CompileError(f"{what} must be plain loops around one assignment: no reduction and no attached "
                           f"stage may be inside")
    return variables, node


def strip_tile(variables, forms, lanes, what):
    """Drop the loops that run over the `lanes` elements of a tile; returns (other variables, forms in tiles).

    `forms` are the element indices of the nest. The inner loops must cover a whole tile, alike in all of
    them.
    """
    inner = [var for var in variables if 0 < forms[0].coef(var) < lanes]
    step = 1
    for var in sorted(inner, key=lambda var: forms[0].coef(var)):
        if any(form.coef(var) != step for form in forms):
            raise CompileError(f"{what}: loop {var} steps by {[form.coef(var) for form in forms]} elements "
                               f"where a tile needs {step}")
        step *= var.extent
    if step != lanes:
        raise CompileError(f"{what}: the inner loops cover {step} elements of a tile of {lanes}")
    rest = [var for var in variables if var not in inner]
    return rest, [divide(form.drop(inner), lanes, what) for form in forms]


def memory_of(buffer):
    """The on-chip memory type of a buffer's scope, or None for DRAM; an unknown scope is an error."""
    if buffer.scope == "global":
        return None
    if buffer.scope not in SCOPES:
        raise CompileError(f"stage {buffer.name}: scope {buffer.scope!r} must be one of {', '.join(SCOPES)}, "
                           f"global")
    return SCOPES[buffer.scope]


def largest(*values):
    """max of linear forms and integers, as a linear form."""
    return Max.of(*values)
