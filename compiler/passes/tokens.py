"""Pass 8, tokens: who waits for whom, planned on the one-thread program.

In:  Dma and uop scopes; virtual-thread loops are looked through.
Out: statements of one module under Scope("module", ...), neighbours of the same module in one scope, which
     begins with its Token pops and ends with its pushes.
At each change of module in program order, the loop-carried one included, the first gives a token and the
second takes it. Load/compute and compute/store are planned one without the other, each ignoring the third
module. A loop that ends in another module than it begins with expects a token before its first iteration and
leaves one over after its last; they are pushed before it and popped after it unless the neighbour does so.
Every queue is empty at the end.
"""

from dataclasses import dataclass, replace

from vta.compiler.te.ir import Dma, For, Scope, Seq, Token, children, rebuild, seq
from vta.compiler.te.rewrite import memory_of

PAIRS = (("load", "compute"), ("compute", "store"))


def module_of(node):
    """load, compute or store for a leaf or uop scope."""
    if isinstance(node, Dma):
        return "store" if node.store else "compute" if memory_of(node.sram.buffer) == "ACC" else "load"
    return "compute"


def run(program):
    body = _group(program.body)
    for pair in PAIRS:
        body = _plan(body, pair, None, None)
    return program.with_body(_flatten(body))


@dataclass(frozen=True)
class _Group:
    """A module scope with its tokens, while they are being planned."""

    module: str
    body: object
    pops: tuple = ()
    pushes: tuple = ()


def _group(node):
    """Module scopes around everything of one module, merged with equal neighbours and lifted over loops."""
    if isinstance(node, Dma) or (isinstance(node, Scope) and node.kind == "uop"):
        return _Group(module_of(node), node)
    if isinstance(node, Seq):
        merged = []
        for child in map(_group, node.body):
            if merged and isinstance(child, _Group) and isinstance(merged[-1], _Group) \
                    and merged[-1].module == child.module:
                merged[-1] = _Group(child.module, seq(merged[-1].body, child.body))
            else:
                merged.append(child)
        return merged[0] if len(merged) == 1 else Seq(tuple(merged))
    inner = _group(node.body)
    if isinstance(node, For) and node.kind == "serial" and isinstance(inner, _Group):
        return _Group(inner.module, replace(node, body=inner.body))
    return replace(node, body=inner)


def _ends(node, pair):
    """(first, last) module of the pair in the statement, or None if it has neither."""
    if isinstance(node, _Group):
        return (node.module, node.module) if node.module in pair else None
    ends = [end for end in (_ends(child, pair) for child in children(node)) if end]
    return (ends[0][0], ends[-1][1]) if ends else None


def _plan(node, pair, before, after):
    """The statement with the pair's tokens; `before` and `after` are the modules of the pair around it."""
    ends = _ends(node, pair)
    if ends is None:
        return node
    first, last = ends
    if isinstance(node, _Group):
        pops = ((Token(False, before, first),) if before not in (None, first) else ())
        pushes = ((Token(True, last, after),) if after not in (None, last) else ())
        return replace(node, pops=node.pops + pops, pushes=node.pushes + pushes)
    if isinstance(node, Seq):
        spans = [_ends(child, pair) for child in node.body]
        planned = []
        for n, child in enumerate(node.body):
            left = next((span[1] for span in reversed(spans[:n]) if span), before)
            right = next((span[0] for span in spans[n + 1:] if span), after)
            planned.append(_plan(child, pair, left, right))
        return seq(*planned)
    if not isinstance(node, For) or node.kind != "serial":
        return replace(node, body=_plan(node.body, pair, before, after))
    if first != last:                      # the loop carries a token from its last module to its first
        prologue = [Token(True, last, first)] if before != last else []
        epilogue = [Token(False, last, first)] if after != first else []
    else:
        prologue = [Token(False, before, first)] if before not in (None, first) else []
        epilogue = [Token(True, last, after)] if after not in (None, last) else []
    return seq(*prologue, replace(node, body=_plan(node.body, pair, last, first)), *epilogue)


def _flatten(node):
    if isinstance(node, _Group):
        return Scope("module", node.module, seq(*node.pops, node.body, *node.pushes))
    return rebuild(node, _flatten) if children(node) else node
