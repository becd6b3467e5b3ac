"""Programs as text, at any stage of lowering, in the manner of TVM's script."""

from vta.compiler.te.expr import Lin
from vta.compiler.te.ir import Dma, For, Ptr, Push, Scope, Seq, Store, Token
from vta.compiler.te.rewrite import memory_of

QUEUE = {"load": 1, "compute": 2, "store": 3}
INFIX = {"add": "+", "sub": "-", "mul": "*", "shr": ">>", "shl": "<<"}
INDENT = "    "


def show(program):
    """The whole program: arguments, allocations, body."""
    args = ", ".join(f'{buffer.name}: Buffer({buffer.shape}, "{buffer.dtype}")' for buffer in program.args)
    lines = [f"def {program.name}({args}):"]
    for buffer in program.buffers:
        lines.append(f'{INDENT}{buffer.name} = allocate([{buffer.size * buffer.threads}], "{buffer.dtype}", '
                     f'"{buffer.scope}")')
    return "\n".join(lines + _show(program.body, 1, program.meta["thread"])) + "\n"


def _show(node, depth, thread):
    pad = INDENT * depth
    if isinstance(node, Seq):
        return [line for child in node.body for line in _show(child, depth, thread)]
    if isinstance(node, For):
        names, extents, kind = [], [], node.kind
        while isinstance(node, For) and node.kind == kind:
            names.append(node.var.name)
            extents.append(str(node.extent))
            node = node.body
            if kind == "vthread":
                break
        what = "vthread" if kind == "vthread" else "range" if len(names) == 1 else "grid"
        head = f"{pad}for {', '.join(names)} in {what}({', '.join(extents)}):"
        return [head, *_show(node, depth + 1, thread)]
    if isinstance(node, Scope):
        head = {"pragma": "pragma", "module": "coproc_scope", "uop": "coproc_uop_scope"}[node.kind]
        value = QUEUE.get(node.value, f'"{node.value}"')
        loops = [f"{pad}{INDENT}uop_loop(extent={extent}, dst={dst}, src={src}, wgt={wgt})"
                 for extent, dst, src, wgt in node.loops]
        return [f"{pad}with {head}({value}):", *loops, *_show(node.body, depth + 1, thread)]
    return [pad + _leaf(node, thread)]


def _leaf(node, thread):
    if isinstance(node, Store):
        return f"{_element(node.buffer, node.index, thread)} = {_value(node.value, thread)}"
    if isinstance(node, Token):
        return f"coproc_dep_{'push' if node.push else 'pop'}({QUEUE[node.source]}, {QUEUE[node.target]})"
    if isinstance(node, Push):
        tiles = ", ".join(f"{side}={_tile(pointer, thread)}" for side, pointer in
                          (("dst", node.dst), ("src", node.src), ("wgt", node.wgt)) if pointer)
        if node.opcode is None:
            return f"uop_push(GEMM, reset={int(node.reset)}, {tiles})"
        return f"uop_push(ALU, {node.opcode.name}, {f'imm={node.imm}, ' if node.use_imm else ''}{tiles})"
    assert isinstance(node, Dma), node
    sizes = f"x={node.x_size}, y={node.y_size}, stride={node.x_stride}"
    far = f"{node.dram.buffer.name}[{node.dram.index}]"
    if node.store:
        return f"store_buffer_2d({far}, {sizes}, sram=OUT[{_tile(node.sram, thread)}])"
    if any(pad != Lin() for pad in node.pads):
        sizes += f", pads=({', '.join(map(str, node.pads))})"
    return f"load_buffer_2d({far}, {sizes}, sram={memory_of(node.sram.buffer)}[{_tile(node.sram, thread)}])"


def _tile(pointer: Ptr, thread):
    buffer, index = pointer.buffer, pointer.index + pointer.buffer.offset
    return str(_threaded(index, buffer.stride, buffer, thread))


def _element(buffer, index, thread):
    return f"{buffer.name}[{_threaded(index, buffer.size, buffer, thread)}]"


def _threaded(index, stride, buffer, thread):
    return thread * stride + index if buffer.threads > 1 else index


def _value(value, thread):
    if value.op == "const":
        return str(value.args[0])
    if value.op == "load":
        return _element(*value.args, thread)
    if value.op == "pad":
        buffer, index, guards = value.args
        tests = " and ".join(f"0 <= {form} < {extent}" for form, extent in guards)
        return f"if_then_else({tests}, {_element(buffer, index, thread)}, 0)"
    if value.op == "cast":
        return f"{value.dtype}({_value(value.args[0], thread)})"
    parts = [_value(arg, thread) for arg in value.args]
    if value.op in INFIX:
        return f"{parts[0]} {INFIX[value.op]} {parts[1]}"
    return f"{value.op}({', '.join(parts)})"
