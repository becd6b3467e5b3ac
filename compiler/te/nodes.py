"""Trees of frozen nodes, and the one way to walk and to rewrite them."""

from dataclasses import replace


class Node:
    """Base of the frozen dataclasses of `values.py` and `ir.py`; fields hold nodes, tuples, or other objects."""

    def rebuilt(self, fields):
        return replace(self, **fields)


def walk(tree):
    """Every node of `tree`, a node before its fields; for statements that is program order."""
    if isinstance(tree, Node):
        yield tree
        tree = tuple(vars(tree).values())
    if isinstance(tree, tuple):
        for each in tree:
            yield from walk(each)


def rewrite(tree, kind, function):
    """`tree` with each outermost object of class `kind`, a node or not, replaced by `function(object)`.

    An object that `function` returns as it is may still contain others, which are replaced too.
    """
    if isinstance(tree, kind):
        new = function(tree)
        if new is not tree:
            return new
    if isinstance(tree, Node):
        return tree.rebuilt({name: rewrite(field, kind, function) for name, field in vars(tree).items()})
    return tuple(rewrite(each, kind, function) for each in tree) if isinstance(tree, tuple) else tree
