"""Loop nests over tiles, shared by the passes dma and alu."""

from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import LEAVES, For


def perfect_nest(node, what):
    """(loop variables outermost first, the one statement inside) of a nest without branches."""
    variables = []
    while isinstance(node, For):
        variables.append(node.var)
        node = node.body
    if not isinstance(node, LEAVES):
        raise CompileError(f"{what} must be plain loops around one assignment: no reduction and no attached "
                           f"stage may be inside")
    return variables, node


def strip_tile(variables, forms, lanes, what):
    """Drop the loops that run over the `lanes` elements of a tile; returns (other variables, forms in tiles).

    `forms` are the element indices of the nest. The inner loops must cover a whole tile, with equal steps in all forms.
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
    return rest, [form.drop(inner).divide(lanes, what) for form in forms]
