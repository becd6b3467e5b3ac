"""Pass 11, emit: walk the program and make the calls of `compiler/stream/stream.py`.

In:  a placed, folded program.
Out: the finished Code. Loops run here, in Python; every linear form has become an integer by then, and the
     stream refuses what does not fit its field or its memory.
"""

from contextlib import ExitStack

from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.stream import Stream
from vta.compiler.te.expr import CompileError
from vta.compiler.te.ir import Dma, For, Push, Scope, Seq, Token, walk
from vta.compiler.te.rewrite import memory_of
from vta.hw.isa import MemType, Unit

UNITS = {"load": Unit.LOAD, "compute": Unit.COMPUTE, "store": Unit.STORE}


def run(program, config, outputs):
    """The Code of `program`; `outputs` are the names of the arguments that it writes."""
    return _Emitter(program, config, outputs).code()


class _Emitter:
    def __init__(self, program, config, outputs):
        self.program, self.stream = program, Stream(config)
        self.thread, self.env, self.sites = program.meta["thread"], {}, {}
        self.dram = {buffer: self.stream.buffer(buffer.name, buffer.shape, buffer.dtype,
                                                "output" if buffer.name in outputs else "input")
                     for buffer in program.args}

    def code(self):
        self.visit(self.program.body)
        self.stream.sync()
        return self.stream.code()

    def visit(self, node):
        if isinstance(node, Seq):
            for child in node.body:
                self.visit(child)
        elif isinstance(node, For):
            for value in range(node.extent):
                self.env[node.var] = value
                self.visit(node.body)
        elif isinstance(node, Token):
            call = self.stream.dep_push if node.push else self.stream.dep_pop
            call(UNITS[node.source], UNITS[node.target])
        elif isinstance(node, Dma):
            self.transfer(node)
        elif isinstance(node, Push):
            self.push(node)
        elif isinstance(node, Scope) and node.kind == "uop":
            self.kernel(node)
        else:
            self.visit(node.body)

    def kernel(self, scope):
        """Record the kernel of a uop scope, or repeat it where the variables it depends on are as they were."""
        if id(scope) not in self.sites:
            self.sites[id(scope)] = f"{scope.value} {len(self.sites)}", self._outer(scope), {}
        site, variables, recorded = self.sites[id(scope)]
        values = tuple(self.env[var] for var in variables)
        if values in recorded:
            self.stream.uop_again(recorded[values])
            return
        with self.stream.uop_kernel(site) as recorded[values], ExitStack() as loops:
            for loop in scope.loops:
                loops.enter_context(self.stream.uop_loop(*loop))
            self.visit(scope.body)

    def _outer(self, scope):
        """The loop variables outside of the scope that its micro-ops depend on."""
        own, used = set(), set()
        for node in walk(scope):
            if isinstance(node, For):
                own.add(node.var)
            elif isinstance(node, Push):
                for pointer in (node.dst, node.src, node.wgt):
                    if pointer:
                        used |= pointer.index.variables | ({self.thread} if pointer.buffer.threads > 1 else set())
        return sorted(used - own, key=lambda var: var.name)

    def address(self, pointer):
        """The tile on chip: the buffer's place, the thread's share, the index."""
        buffer = pointer.buffer
        thread = self.env[self.thread] if buffer.threads > 1 else 0
        return buffer.offset + thread * buffer.stride + pointer.index.value(self.env)

    def transfer(self, node):
        far, near = node.dram, self.address(node.sram)
        offset, x_size, y_size = (form.value(self.env) for form in (far.index, node.x_size, node.y_size))
        if min(x_size, y_size) < 1:        # padding has taken all of it
            raise CompileError(f"dma_copy of stage {node.stage}: a transfer would be padding alone; make the tile "
                               f"of the stage that reads it larger, or its padding less")
        dram = self.dram[far.buffer]
        if node.store:
            self.stream.store_buffer_2d(near, MemType.OUT, dram, offset, x_size, y_size, node.x_stride)
            return
        memory = memory_of(node.sram.buffer)
        if memory == "ACC" and far.buffer.dtype == "int8":
            memory = "ACC_8BIT"
        pads = tuple(pad.value(self.env) for pad in node.pads)
        self.stream.load_buffer_2d(dram, offset, x_size, y_size, node.x_stride, pads, near, MemType[memory])

    def push(self, node):
        pointers = (node.dst, node.src, node.wgt)
        dst, src, wgt = (self.address(pointer) if pointer else 0 for pointer in pointers)
        if node.opcode is None:
            self.stream.uop_push(KernelMode.GEMM, int(node.reset), dst, src, wgt, 0, 0, 0)
        else:
            self.stream.uop_push(KernelMode.ALU, 0, dst, src, 0, node.opcode, int(node.use_imm), node.imm)
