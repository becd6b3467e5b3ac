"""Rules that do not depend on the order of execution: fields and DRAM ranges.

Both functions yield (kind, instruction, message), as `compiler.check.checker` reports them.
"""

import numpy as np

from vta.compiler.check.overlap import outside
from vta.hw.isa import INSN_BYTES, TOKEN_FLAGS, UNIT_QUEUES, AluOp, MemType


def field_faults(columns):
    """Fields of single instructions that mean nothing to the hardware; `columns` are those of the stream."""
    get, opcode, mem_type = columns.memory, columns.opcode, columns.mem_type
    void = columns.moves & ~columns.transfers
    padded = sum(get[f"{axis}_pad_{end}"] for axis in "xy" for end in (0, 1)) != 0
    operations = columns.alu["alu_opcode"]
    low, high = columns.alu["imm"].astype(np.uint8).view(np.int8), columns.alu["imm"] >> 8      # of PAR
    store_only = f"only {MemType.OUT.name} ({int(MemType.OUT)}) can be stored"
    rules = [
        (columns.bad_opcode, lambda n: f"unknown opcode {opcode[n]}"),
        (columns.bad_alu, lambda n: f"unknown ALU operation {operations[n]}"),
        (columns.is_load & void, lambda n: f"LOAD of memory type {mem_type[n]}"),
        (columns.is_store & void, lambda n: f"STORE of memory type {mem_type[n]}: {store_only}"),
        (columns.is_store & padded, lambda n: "STORE with padding"),
        (columns.is_op(AluOp.PAR) & (low > high), lambda n: f"bounds of PAR: low {low[n]} is above high {high[n]}"),
    ]
    for unit, queues in UNIT_QUEUES.items():
        words = f"on an instruction of {unit.name.lower()}, which has no such queue"
        rules += [((columns.unit == unit) & (get[name] != 0), lambda n, text=f"{name} {words}": text)
                  for name, queue in zip(TOKEN_FLAGS, queues, strict=True) if queue is None]
    for where, message in rules:
        for n in np.flatnonzero(where).tolist():
            yield "field", n, message(n)


def dram_faults(footprints, regions, defined, stream_address):
    """Transfers that leave `regions` or the address space, read what is not `defined` and no STORE writes, or
    overwrite the stream itself; `footprints` are the stream's, the other arguments those of `checker.check`."""
    insn, first, size = rows = footprints.dram_rows()
    stores = footprints.columns.is_store[insn]
    width = footprints.config.axi_addr_width
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
        end = stream_address + INSN_BYTES * len(footprints.columns)
        for n in np.unique(insn[stores & (first < end) & (first + size > stream_address)]).tolist():
            yield "dram", n, "STORE into the instruction stream"
