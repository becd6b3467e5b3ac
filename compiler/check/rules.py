"""What is wrong with a stream that no order of execution has to do with: fields and DRAM ranges.

Both functions yield (kind, instruction, message), as `compiler.checker` reports them.
"""

import numpy as np

from vta.compiler.check.overlap import outside
from vta.hw.isa import INSN_BYTES, TOKEN_FLAGS, UNIT_QUEUES, AluOp, MemType, Opcode


def field_faults(feet):
    """Fields of single instructions (`feet`: their Footprints) that mean nothing to the hardware."""
    col = feet.column
    void = (col["x_size"] != 0) & ~feet.moves
    padded = sum(col[f"{axis}_pad_{end}"] for axis in "xy" for end in (0, 1)) != 0
    operations = feet.alu_opcodes()
    store_only = f"only {MemType.OUT.name} ({int(MemType.OUT)}) can be stored"
    rules = [
        (~np.isin(feet.opcode, list(Opcode)), lambda n: f"unknown opcode {feet.opcode[n]}"),
        (operations > max(AluOp), lambda n: f"unknown ALU operation {operations[n]}"),
        (feet.is_load & void, lambda n: f"LOAD of memory type {feet.mem_type[n]}"),
        (feet.is_store & void, lambda n: f"STORE of memory type {feet.mem_type[n]}: {store_only}"),
        (feet.is_store & padded, lambda n: "STORE with padding"),
    ]
    for unit, queues in UNIT_QUEUES.items():
        words = f"on an instruction of {unit.name.lower()}, which has no such queue"
        rules += [((feet.unit == unit) & (col[name] != 0), lambda n, text=f"{name} {words}": text)
                  for name, queue in zip(TOKEN_FLAGS, queues, strict=True) if queue is None]
    for where, message in rules:
        for n in np.flatnonzero(where).tolist():
            yield "field", n, message(n)


def dram_faults(feet, regions, defined, stream_address):
    """Transfers that leave `regions` or the address space, read what is not `defined` and no STORE writes, or
    overwrite the stream itself; arguments are those of `compiler.checker.check`."""
    insn, first, size = rows = feet.dram_rows()
    stores = feet.is_store[insn]
    width = feet.config.axi_addr_width
    for n in np.unique(insn[first + size > 1 << width]).tolist():
        yield "dram", n, f"its addresses exceed {width} bits"
    if regions is not None:
        for n, at in outside(rows, np.asarray(regions, np.int64).reshape(-1, 2)):
            yield "dram", n, f"byte {at:#x} lies outside of the DRAM regions"
    if defined is not None:
        known = np.concatenate([np.asarray(defined, np.int64).reshape(-1, 2),
                                np.stack([first[stores], size[stores]], axis=1)])
        for n, at in outside([part[~stores] for part in rows], known):
            yield "unwritten", n, f"reads DRAM at {at:#x}, which nothing has written"
    if stream_address is not None:
        end = stream_address + INSN_BYTES * len(feet.insns)
        for n in np.unique(insn[stores & (first < end) & (first + size > stream_address)]).tolist():
            yield "dram", n, "STORE into the instruction stream"
