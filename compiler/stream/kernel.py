"""Micro-op kernels, each executed by one GEMM, WINDOW or ALU, and the cache that keeps them on chip.

A kernel is a list of micro-ops inside at most two loops. `Kernel` records one; `KernelCache` allocates its micro-ops
in the micro-op memory and in the DRAM image that LOAD UOP reads, by the rules of TVM's runtime (docs/isa.md, section
"Micro-op kernels") with one deviation: the image only grows, so evicting a kernel from the chip can never change
what an earlier LOAD UOP reads.
"""

import enum
from dataclasses import dataclass, field

from vta.hw.isa import AluOp, EncodingError, Opcode, encode


class KernelMode(enum.IntEnum):
    """The instruction a micro-op belongs to, numbered as in TVM's `uop_push`, which has no WINDOW."""

    GEMM = 0
    ALU = 1
    WINDOW = 2


class KernelError(EncodingError):
    """A kernel that no single instruction can execute."""


@dataclass
class Kernel:
    """One GEMM, WINDOW or ALU under construction.

    `site` names its position in the program. `loops` holds (extent, dst, src, wgt), outermost first, `words` the
    encoded micro-ops, `operation` the (mode, reset, opcode, use_imm, imm, requantise) common to all of them.
    """

    site: str
    layouts: object
    loops: list = field(default_factory=list)
    words: list = field(default_factory=list)
    operation: tuple | None = None
    open_loops: int = 0

    def _fail(self, message):
        raise KernelError(f"kernel {self.site!r}: {message}")

    def begin_loop(self, extent, dst, src, wgt):
        """Open a hardware loop of `extent` iterations that adds the factors to every index."""
        if self.words or self.open_loops != len(self.loops):
            self._fail("a loop must enclose every micro-op, and loops must nest")
        if len(self.loops) == 2:
            self._fail(f"a third loop (extent {extent}): the hardware has two")
        if extent < 1:
            self._fail(f"a loop of extent {extent}: at least 1")
        self.loops.append((extent, dst, src, wgt))
        self.open_loops += 1

    def end_loop(self):
        """Close the innermost open loop."""
        self.open_loops -= 1

    def push(self, mode, reset, dst, src, wgt, opcode, use_imm, imm, requantise=0):
        """Append one micro-op; everything but its three indices must agree with the kernel's others."""
        if self.open_loops != len(self.loops):
            self._fail("a micro-op follows the end of a loop: it must be inside all loops")
        if mode not in set(KernelMode):
            self._fail(f"mode {mode}: {', '.join(f'{int(known)} is {known.name}' for known in KernelMode)}")
        operation = (int(mode), int(reset), int(opcode), int(use_imm), int(imm), int(requantise))
        if self.operation not in (None, operation):
            self._fail(f"micro-ops disagree on (mode, reset, opcode, use_imm, imm, requantise): {self.operation} "
                       f"and {operation}")
        self.operation = operation
        self.words.append(encode(self.layouts.uop, {"dst": dst, "src": src, "wgt": wgt},
                                 f"kernel {self.site!r}, micro-op {len(self.words)}"))

    def instruction(self, uop_bgn):
        """The word of the GEMM, WINDOW or ALU of this kernel, its micro-ops starting at `uop_bgn`, without token flags.

        A single loop becomes GEMM's outer or ALU's inner one, as in TVM's runtime.
        """
        mode, reset, opcode, use_imm, imm, requantise = self.operation
        loops, none = list(self.loops), (1, 0, 0, 0)
        if len(loops) == 1:
            loops = [none, *loops] if mode == KernelMode.ALU else [*loops, none]
        outer, inner = loops or (none, none)
        values = {
            "opcode": Opcode[KernelMode(mode).name], "reset": reset,
            "uop_bgn": uop_bgn, "uop_end": uop_bgn + len(self.words),
            "iter_out": outer[0], "iter_in": inner[0],
            "dst_factor_out": outer[1], "dst_factor_in": inner[1],
            "src_factor_out": outer[2], "src_factor_in": inner[2],
        }
        if values["opcode"] not in Opcode.of(self.layouts.config):
            self._fail(f"{values['opcode'].name} needs the feature {values['opcode'].feature}")
        if mode != KernelMode.ALU:
            values |= {"wgt_factor_out": outer[3], "wgt_factor_in": inner[3]}
            if requantise:
                values["requantise"] = 1
            if opcode or use_imm or imm:
                self._fail(f"a GEMM with ALU operands (opcode {opcode}, use_imm {use_imm}, imm {imm})")
        else:
            values |= {"alu_opcode": AluOp(opcode), "use_imm": use_imm, "imm": imm}
            if reset or requantise or outer[3] or inner[3]:
                self._fail("an ALU has neither reset nor requantise nor weight factors")
        return encode(self.layouts.of(values["opcode"]), values, f"kernel {self.site!r}")


class KernelCache:
    """The micro-op memory as a ring buffer of kernels: one that does not fit before the end starts at 0.

    `image` is the DRAM image, in 32-bit words; it is append-only. A kernel is identified by its site and its
    micro-ops: equal micro-ops at two sites are two kernels, as in TVM.
    """

    def __init__(self, depth):
        self.depth = depth
        self.image = []
        self._offsets = {}       # every kernel ever placed -> offset of its micro-ops in the image
        self._resident = {}      # kernel on chip -> (first entry, one past its last entry)
        self._next = 0

    def place(self, kernel):
        """(first entry on chip, offset in the image, whether a LOAD UOP is due) of `kernel`."""
        key, size = (kernel.site, tuple(kernel.words)), len(kernel.words)
        if size > self.depth:
            raise KernelError(f"kernel {kernel.site!r} has {size} micro-ops, the memory holds {self.depth}: "
                              f"fold loops into hardware loops, or split the kernel")
        if key not in self._offsets:
            self._offsets[key] = len(self.image)
            self.image += kernel.words
        if key in self._resident:
            return self._resident[key][0], self._offsets[key], False
        begin = self._next if self._next + size <= self.depth else 0
        end = begin + size
        self._resident = {k: (b, e) for k, (b, e) in self._resident.items() if e <= begin or b >= end}
        self._resident[key] = (begin, end)
        self._next = end
        return begin, self._offsets[key], True
