"""Emit: execute the function and make the calls of `compiler/stream/stream.py`.

In:  a function after all of PASSES.
Out: the finished Code. Loops run here, in Python, so every linear form becomes an integer; the stream refuses
     values that do not fit their field or memory.
"""

from contextlib import ExitStack

from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.stream import Stream
from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import Dma, For, Ptr, Push, Seq, Token, UopScope
from vta.compiler.te.nodes import walk
from vta.hw.isa import MemType


def run(function, config):
    """The Code of `function`."""
    return _Emitter(function, config).code()


class _Emitter:
    def __init__(self, function, config):
        self.body, self.stream = function.body, Stream(config)
        self.env = {}          # loop variable -> its value in this iteration
        self.sites = {}        # id of a UopScope -> (name, variables it depends on, {their values: Kernel})
        self.dram = {array: self.stream.buffer(array.name, array.shape, array.dtype,
                                               "output" if array in function.outputs else "input")
                     for array in function.args}

    def code(self):
        self.visit(self.body)
        self.stream.sync()
        return self.stream.code()

    def visit(self, node):
        if isinstance(node, Seq):
            for child in node.body:
                self.visit(child)
        elif isinstance(node, For):
            for value in range(node.var.extent):
                self.env[node.var] = value
                self.visit(node.body)
        elif isinstance(node, Token):
            call = self.stream.dep_push if node.push else self.stream.dep_pop
            call(node.source, node.target)
        elif isinstance(node, Dma):
            self.transfer(node)
        elif isinstance(node, Push):
            self.push(node)
        elif isinstance(node, UopScope):
            self.kernel(node)
        else:
            self.visit(node.body)

    def kernel(self, scope):
        """Record the kernel of a UopScope, or repeat it if the variables it depends on have the same values."""
        if id(scope) not in self.sites:
            self.sites[id(scope)] = f"{scope.opcode.name} {len(self.sites)}", _outer(scope), {}
        site, variables, recorded = self.sites[id(scope)]
        values = tuple(self.env[var] for var in variables)
        if values in recorded:
            self.stream.uop_again(recorded[values])
            return
        with self.stream.uop_kernel(site) as recorded[values], ExitStack() as loops:
            for loop in scope.loops:
                loops.enter_context(self.stream.uop_loop(*loop))
            self.visit(scope.body)

    def transfer(self, node):
        offset, near, x_size, y_size = (form.value(self.env) for form in (node.dram.index, node.sram.index,
                                                                          node.x_size, node.y_size))
        if min(x_size, y_size) < 1:        # padding has taken all of it
            raise CompileError(f"dma_copy of stage {node.stage}: a transfer would be padding alone; make the tile "
                               f"of the stage that reads it larger, or its padding less")
        dram = self.dram[node.dram.array]
        if node.store:
            self.stream.store_buffer_2d(near, MemType.OUT, dram, offset, x_size, y_size, node.x_stride)
            return
        memory = node.sram.array.memory
        if memory == "ACC" and node.dram.array.dtype == "int8":
            memory = "ACC_8BIT"
        pads = tuple(pad.value(self.env) for pad in node.pads)
        self.stream.load_buffer_2d(dram, offset, x_size, y_size, node.x_stride, pads, near, MemType[memory])

    def push(self, node):
        pointers = (node.dst, node.src, node.wgt)
        dst, src, wgt = (pointer.index.value(self.env) if pointer else 0 for pointer in pointers)
        if node.opcode is None:
            self.stream.uop_push(KernelMode.GEMM, int(node.reset), dst, src, wgt, 0, 0, 0)
        else:
            self.stream.uop_push(KernelMode.ALU, 0, dst, src, 0, node.opcode, int(node.imm is not None), node.imm or 0)


def _outer(scope):
    """The loop variables outside of the scope that its micro-ops depend on."""
    nodes = list(walk(scope))
    used = set().union(*(node.index.variables for node in nodes if isinstance(node, Ptr)))
    return sorted(used - {node.var for node in nodes if isinstance(node, For)}, key=lambda var: var.name)
