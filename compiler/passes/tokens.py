"""Tokens: which unit waits for which, planned on the program of one thread.

In:  Dma and UopScopes.
Out: statements of one unit in a ModuleScope, neighbours of the same unit in one, which begins with its Token
     pops and ends with its pushes.
At each change of unit in program order, the loop-carried one included, the first unit pushes a token and the
second pops it. Load/compute and compute/store are planned independently, each ignoring the third unit. A loop
that ends in another unit than it begins with expects a token before its first iteration and leaves one over
after its last; they are pushed before it and popped after it unless the neighbour does so. Every queue is empty
at the end. Loops over virtual threads add no tokens.
"""

from dataclasses import dataclass, replace

from vta.compiler.te.ir import Dma, For, ModuleScope, Seq, Token, UopScope, seq
from vta.hw.isa import Unit

PAIRS = ((Unit.LOAD, Unit.COMPUTE), (Unit.COMPUTE, Unit.STORE))


def run(function, config):
    body = _group(function.body)
    for pair in PAIRS:
        body = _plan(body, pair, None, None)
    return replace(function, body=body).rewrite(
        _Group, lambda group: ModuleScope(group.unit, seq(*group.pops, group.body, *group.pushes)))


@dataclass(frozen=True)
class _Group:
    """A ModuleScope and its tokens, which are still being planned."""

    unit: Unit
    body: object
    pops: tuple = ()
    pushes: tuple = ()


def _unit(node):
    """The unit that executes a Dma or UopScope."""
    if isinstance(node, UopScope) or (node.sram.array.memory == "ACC" and not node.store):
        return Unit.COMPUTE
    return Unit.STORE if node.store else Unit.LOAD


def _group(node):
    """Groups around everything of one unit, merged with equal neighbours and moved outward over loops."""
    if isinstance(node, (Dma, UopScope)):
        return _Group(_unit(node), node)
    if isinstance(node, Seq):
        merged = []
        for child in map(_group, node.body):
            if merged and isinstance(child, _Group) and isinstance(merged[-1], _Group) \
                    and merged[-1].unit == child.unit:
                merged[-1] = _Group(child.unit, seq(merged[-1].body, child.body))
            else:
                merged.append(child)
        return merged[0] if len(merged) == 1 else Seq(tuple(merged))
    inner = _group(node.body)
    if isinstance(inner, _Group) and not node.thread:
        return _Group(inner.unit, replace(node, body=inner.body))
    return replace(node, body=inner)


def _ends(node, pair):
    """(first, last) unit of the pair in the statement, or None if it has neither."""
    if isinstance(node, _Group):
        return (node.unit, node.unit) if node.unit in pair else None
    children = node.body if isinstance(node, Seq) else (node.body,) if isinstance(node, For) else ()
    ends = [end for end in (_ends(child, pair) for child in children) if end]
    return (ends[0][0], ends[-1][1]) if ends else None


def _plan(node, pair, before, after):
    """The statement with the pair's tokens; `before` and `after` are the units of the pair around it."""
    ends = _ends(node, pair)
    if ends is None:
        return node
    first, last = ends
    prologue = (Token(False, before, first),) if before not in (None, first) else ()
    epilogue = (Token(True, last, after),) if after not in (None, last) else ()
    if isinstance(node, _Group):
        return replace(node, pops=node.pops + prologue, pushes=node.pushes + epilogue)
    if isinstance(node, Seq):
        spans = [_ends(child, pair) for child in node.body]
        planned = []
        for n, child in enumerate(node.body):
            left = next((span[1] for span in reversed(spans[:n]) if span), before)
            right = next((span[0] for span in spans[n + 1:] if span), after)
            planned.append(_plan(child, pair, left, right))
        return seq(*planned)
    if node.thread:
        return replace(node, body=_plan(node.body, pair, before, after))
    if first != last:                      # the loop carries a token from its last unit to its first
        prologue = (Token(True, last, first),) if before != last else ()
        epilogue = (Token(False, last, first),) if after != first else ()
    return seq(*prologue, replace(node, body=_plan(node.body, pair, last, first)), *epilogue)
