"""Functions as text, after any pass, in the style of TVMScript."""

from vta.compiler.te.index import Lin
from vta.compiler.te.ir import Dma, For, ModuleScope, Pragma, Push, Seq, Store, Token, UopScope
from vta.compiler.te.values import Cast, Const, FlatLoad, FlatPad

INDENT = "    "


def show(function):
    """The whole function: arguments, allocations, body."""
    args = ", ".join(f'{array.name}: Buffer({array.shape}, "{array.dtype}")' for array in function.args)
    lines = [f"def {function.name}({args}):"]
    for array in function.arrays:
        lines.append(f'{INDENT}{array.name} = allocate([{array.size * array.threads}], "{array.dtype}", '
                     f'"{array.scope}")')
    return "\n".join(lines + _show(function.body, 1, function.thread)) + "\n"


def _show(node, depth, thread):
    pad = INDENT * depth
    if isinstance(node, Seq):
        return [line for child in node.body for line in _show(child, depth, thread)]
    if isinstance(node, For):
        loops = [node]
        while not node.thread and isinstance(node.body, For) and not node.body.thread:
            node = node.body
            loops.append(node)
        what = "vthread" if node.thread else "range" if len(loops) == 1 else "grid"
        head = f"for {', '.join(loop.var.name for loop in loops)} in " \
               f"{what}({', '.join(str(loop.var.extent) for loop in loops)})"
    elif isinstance(node, Pragma):
        head = f'with pragma("{node.kind}")'
    elif isinstance(node, ModuleScope):
        head = f"with coproc_scope({node.unit:d})"
    elif isinstance(node, UopScope):
        head = f'with coproc_uop_scope("{node.opcode.name}")'
    else:
        return [pad + _leaf(node, thread)]
    loops = [f"{pad}{INDENT}uop_loop(extent={extent}, dst={dst}, src={src}, wgt={wgt})"
             for extent, dst, src, wgt in getattr(node, "loops", ())]
    return [f"{pad}{head}:", *loops, *_show(node.body, depth + 1, thread)]


def _leaf(node, thread):
    if isinstance(node, Store):
        return f"{_element(node.array, node.index, thread)} = {_value(node.value, thread)}"
    if isinstance(node, Token):
        return f"coproc_dep_{'push' if node.push else 'pop'}({node.source:d}, {node.target:d})"
    if isinstance(node, Push):
        tiles = ", ".join(f"{side}={pointer.index}" for side, pointer in
                          (("dst", node.dst), ("src", node.src), ("wgt", node.wgt)) if pointer)
        if node.opcode is None:
            return f"uop_push(GEMM, reset={int(node.reset)}, {tiles})"
        return f"uop_push(ALU, {node.opcode.name}, {'' if node.imm is None else f'imm={node.imm}, '}{tiles})"
    assert isinstance(node, Dma), node
    sizes = f"x={node.x_size}, y={node.y_size}, stride={node.x_stride}"
    far = f"{node.dram.array.name}[{node.dram.index}]"
    if node.store:
        return f"store_buffer_2d({far}, {sizes}, sram=OUT[{node.sram.index}])"
    if any(pad != Lin() for pad in node.pads):
        sizes += f", pads=({', '.join(map(str, node.pads))})"
    return f"load_buffer_2d({far}, {sizes}, sram={node.sram.array.memory}[{node.sram.index}])"


def _element(array, index, thread):
    return f"{array.name}[{thread * array.size + index if array.threads > 1 else index}]"


def _value(value, thread):
    if isinstance(value, Const):
        return str(value.number)
    if isinstance(value, FlatLoad):
        return _element(value.source, value.index, thread)
    if isinstance(value, FlatPad):
        tests = " and ".join(f"0 <= {form} < {extent}" for form, extent in value.guards)
        return f"if_then_else({tests}, {_element(value.source, value.index, thread)}, 0)"
    if isinstance(value, Cast):
        return f"{value.dtype}({_value(value.value, thread)})"
    left, right = _value(value.left, thread), _value(value.right, thread)
    sign = value.op.sign
    return f"{sign}({left}, {right})" if sign.isalpha() else f"{left} {sign} {right}"
