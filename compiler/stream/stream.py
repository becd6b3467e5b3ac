"""Instruction streams: the calls that a lowered program makes, turned into instructions with their tokens.

    stream = Stream(config)
    data = stream.buffer("data", (1, 16, 14, 14, 1, 16), "int8", "input")
    stream.dep_pop(COMPUTE, LOAD)                                  # the next load waits for compute
    stream.load_buffer_2d(data, offset, x_size, y_size, x_stride,
                          (x_before, y_before, x_after, y_after), sram_index, MemType.INP)
    stream.dep_push(LOAD, COMPUTE)
    with stream.uop_kernel("conv"):                                # one GEMM or ALU instruction
        with stream.uop_loop(extent, dst, src, wgt):               # zero to two hardware loops
            stream.uop_push(mode, reset, dst, src, wgt, opcode, use_imm, imm)
    stream.store_buffer_2d(sram_index, MemType.OUT, result, offset, x_size, y_size, x_stride)
    stream.sync()                                                  # wait for everything, FINISH
    code = stream.code()                                           # Code: relocatable

Offsets, strides and sizes count tiles of the memory type, `sram_index` tiles of the on-chip memory. A buffer
is a `DramBuffer` of this stream, or an int: a fixed byte address. Units are `hw.isa.Unit` (1 load, 2 compute,
3 store), `mode` is a `KernelMode` (0 GEMM, 1 ALU, 2 WINDOW).

Tokens, micro-op loads and NOPs follow the rules of TVM's runtime (docs/isa.md, section "How tokens get
attached"), so equal calls give equal instructions. Calls that cannot be encoded raise a ValueError: EncodingError
for field overflow, KernelError for a kernel that no instruction can execute, StreamError for a transfer outside
its buffer or its on-chip memory, or a call in the wrong order. A stream is one launch: nothing follows `sync`.
"""

from contextlib import contextmanager

import numpy as np

from vta.compiler.stream.code import UOPS, Code, DramBuffer, StreamError
from vta.compiler.stream.kernel import Kernel, KernelCache
from vta.hw.isa import WORKERS, MemType, Opcode, Queue, encode, layouts, pad_fields, to_words, unit_of

LOAD, COMPUTE, STORE = WORKERS

# what a unit executes only to handle tokens
_NOP = {LOAD: {"opcode": Opcode.LOAD, "mem_type": MemType.INP},
        COMPUTE: {"opcode": Opcode.LOAD, "mem_type": MemType.UOP},
        STORE: {"opcode": Opcode.STORE}}


class Stream:
    """A stream under construction; see the module's docstring."""

    def __init__(self, config):
        self.config = config
        self.layouts = layouts(config)
        self.buffers = [DramBuffer("uop", (0,), "uint32", "const")]
        self.finished = False
        self._insns = []                    # 128-bit integers
        self._relocations = []
        self._units = []                    # for each instruction its unit, or None if no push flag may be added
        self._pending = {LOAD: set(), COMPUTE: set(), STORE: set()}
        self._cache = KernelCache(config.depth["UOP"])
        self._kernel = None

    def __len__(self):
        return len(self._insns)

    # buffers and transfers
    def buffer(self, name, shape, dtype, kind, layout=""):
        """Declare a DRAM buffer of the program: `kind` is "input", "output" or "const"."""
        if any(name == other.name for other in self.buffers):
            raise StreamError(f"buffer {name!r} is declared twice, or has the reserved name 'uop'")
        new = DramBuffer(name, tuple(int(n) for n in shape), np.dtype(dtype).name, kind, layout)
        self.buffers.append(new)
        return new

    def load_buffer_2d(self, buffer, offset, x_size, y_size, x_stride, pads, sram_index, mem_type, pad_value=0):
        """LOAD rows of tiles; `pads` = (x_before, y_before, x_after, y_after) tiles around them: zeros, or with INP_PAD
        `pad_value`."""
        x0, y0, x1, y1 = pads
        byte = pad_fields(pad_value) if mem_type == MemType.INP_PAD else {}
        self._transfer(Opcode.LOAD, MemType(mem_type), buffer, offset, x_size, y_size, x_stride, sram_index,
                       (x0 + x_size + x1) * (y0 + y_size + y1),
                       {"x_pad_0": x0, "y_pad_0": y0, "x_pad_1": x1, "y_pad_1": y1, **byte})

    def store_buffer_2d(self, sram_index, mem_type, buffer, offset, x_size, y_size, x_stride):
        """STORE rows of output tiles to DRAM."""
        if mem_type != MemType.OUT:
            raise StreamError(f"STORE of {MemType(mem_type).name}: only OUT can be stored")
        if isinstance(buffer, DramBuffer) and buffer.kind != "output":
            raise StreamError(f"STORE to buffer {buffer.name!r}, which is of kind {buffer.kind!r}")
        self._transfer(Opcode.STORE, MemType.OUT, buffer, offset, x_size, y_size, x_stride, sram_index,
                       x_size * y_size, {})

    def _transfer(self, opcode, mem_type, buffer, offset, x_size, y_size, x_stride, sram_index, tiles, pads):
        what = f"{opcode.name} {mem_type.name}"
        if mem_type not in MemType.of(self.config):
            raise StreamError(f"{what} needs the feature {mem_type.feature}")
        if x_size < 1 or y_size < 1:
            raise StreamError(f"{what} of {y_size} x {x_size} tiles: each must be at least 1 (0 is a NOP)")
        depth, tile = self.config.depth[mem_type.name], self.config.tile_bytes[mem_type.name]
        if sram_index < 0 or sram_index + tiles > depth:
            raise StreamError(f"{what}: tiles {sram_index} to {sram_index + tiles - 1} exceed the memory's "
                              f"{depth}")
        base, last = offset, offset + (y_size - 1) * x_stride + x_size
        if isinstance(buffer, DramBuffer):
            if offset < 0 or last * tile > buffer.nbytes:
                raise StreamError(f"{what}: tiles {offset} to {last - 1} exceed buffer {buffer.name!r} of "
                                  f"{buffer.nbytes // tile} tiles")
        elif buffer % tile:
            raise StreamError(f"{what}: address {buffer:#x} is not aligned to tiles of {tile} bytes")
        else:
            base += buffer // tile
        values = {"opcode": opcode, "mem_type": mem_type, "sram_base": sram_index, "dram_base": base,
                  "y_size": y_size, "x_size": x_size, "x_stride": x_stride, **pads}
        self._emit(unit_of(self.config, opcode, mem_type), values)
        if isinstance(buffer, DramBuffer):
            self._relocations.append((len(self._insns) - 1, self._number(buffer)))

    def _number(self, buffer):
        for number, own in enumerate(self.buffers):
            if own is buffer:
                return number
        raise StreamError(f"buffer {buffer.name!r} belongs to another stream")

    # tokens
    def dep_push(self, source, target):
        """`source` pushes a token to `target` once all its instructions so far are done."""
        flag = self._queue(source, target).push_flag
        self._commit_pops(source)
        bit = 1 << self.layouts.control[flag].offset
        if self._units and self._units[-1] == source and not self._insns[-1] & bit:
            self._insns[-1] |= bit
        else:
            self._nop(source, {flag: 1})

    def dep_pop(self, source, target):
        """The next instruction of `target` pops a token of `source`."""
        flag = self._queue(source, target).pop_flag
        if flag in self._pending[target]:
            self._commit_pops(target)
        self._pending[target].add(flag)

    def _queue(self, source, target):
        self._check_open()
        queue = Queue.between(source, target)
        if queue is None:
            raise StreamError(f"no token queue leads from unit {source:d} to unit {target:d}; there are "
                              f"{', '.join(queue.name for queue in Queue)}")
        return queue

    def _commit_pops(self, unit):
        if self._pending[unit]:
            self._nop(unit, {})

    def _nop(self, unit, flags):
        # a push flag may be added to a STORE NOP later, never to a LOAD NOP
        self._emit(unit, {**_NOP[unit], **flags}, extensible=unit == STORE)

    def _emit(self, unit, values, word=None, extensible=True):
        """Append an instruction of `unit` with the unit's pending pops."""
        self._check_open()
        values = {**values, **dict.fromkeys(self._pending[unit], 1)}
        if word is None:
            layout = self.layouts.of(values["opcode"], values.get("mem_type"))
            word = encode(layout, values, f"instruction {len(self._insns)}")
        else:
            word |= encode(self.layouts.control, values)
        self._pending[unit].clear()
        self._insns.append(word)
        self._units.append(unit if extensible else None)

    def _check_open(self):
        if self.finished:
            raise StreamError("the stream has ended: nothing follows sync")
        if self._kernel is not None:
            raise StreamError(f"kernel {self._kernel.site!r} is open: only loops and micro-ops may be in it")

    # kernels
    @contextmanager
    def uop_kernel(self, site):
        """Record one GEMM or ALU; at the end, it is emitted, after a LOAD of its micro-ops unless they are on chip.

        `site` names its position in the program: a kernel is cached by site and micro-ops.
        """
        self._check_open()
        self._kernel = kernel = Kernel(site, self.layouts)
        try:
            yield kernel
        finally:
            self._kernel = None
        if not kernel.words:
            raise StreamError(f"kernel {site!r} has no micro-ops")
        self.uop_again(kernel)

    def uop_again(self, kernel):
        """Emit a kernel recorded by `uop_kernel` once more."""
        self._check_open()
        kernel.instruction(0)               # raises before anything is emitted if it cannot be encoded
        begin, offset, due = self._cache.place(kernel)
        if due:
            size = len(kernel.words)
            self._emit(COMPUTE, {"opcode": Opcode.LOAD, "mem_type": MemType.UOP, "sram_base": begin,
                                 "dram_base": offset, "y_size": 1, "x_size": size, "x_stride": size})
            self._relocations.append((len(self._insns) - 1, UOPS))
        self._emit(COMPUTE, {}, kernel.instruction(begin))

    @contextmanager
    def uop_loop(self, extent, dst, src, wgt):
        """A hardware loop of the open kernel: each iteration adds `dst`, `src`, `wgt` to the indices."""
        self._in_kernel("uop_loop").begin_loop(extent, dst, src, wgt)
        yield
        if self._kernel is not None:
            self._kernel.end_loop()

    def uop_push(self, mode, reset, dst, src, wgt, opcode, use_imm, imm, requantise=0):
        """A micro-op of the open kernel; within a kernel, only the indices may differ."""
        self._in_kernel("uop_push").push(mode, reset, dst, src, wgt, opcode, use_imm, imm, requantise)

    def _in_kernel(self, call):
        if self._kernel is None:
            raise StreamError(f"{call} outside a kernel")
        return self._kernel

    # the end
    def sync(self):
        """Wait for all loads and stores, then FINISH."""
        self.dep_push(STORE, COMPUTE)
        self.dep_push(LOAD, COMPUTE)
        self.dep_pop(STORE, COMPUTE)
        self.dep_pop(LOAD, COMPUTE)
        self._commit_pops(COMPUTE)
        self._emit(COMPUTE, {}, encode(self.layouts.control, {"opcode": Opcode.FINISH}))
        self.finished = True

    def code(self):
        """The finished stream as `Code`."""
        if not self.finished:
            raise StreamError("the stream has no end: call sync first")
        uops = np.array(self._cache.image, dtype=np.uint32)
        image = DramBuffer("uop", uops.shape, "uint32", "const")
        return Code(self.config, np.array([to_words(word) for word in self._insns], dtype=np.uint64), uops,
                    np.array(self._relocations, dtype=np.int64).reshape(-1, 2), (image, *self.buffers[1:]))
