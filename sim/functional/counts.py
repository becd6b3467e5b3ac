"""The event counters of a run, from the instructions it executed alone: the same for every implementation.

Beats and bursts depend on the hardware's memory interface, states on time; neither is here.
"""

import numpy as np

from vta.hw.isa import AluOp, MemType, Opcode, Queue, Unit

PUSHED = {"pushed_l2g": Queue.L2G, "pushed_g2l": Queue.G2L, "pushed_g2s": Queue.G2S, "pushed_s2g": Queue.S2G}
TILES = {"inp_tiles": (MemType.INP,), "wgt_tiles": (MemType.WGT,), "uop_words": (MemType.UOP,),
         "acc_tiles": (MemType.ACC, MemType.ACC_8BIT), "out_tiles": (MemType.OUT,)}


def event_counts(columns, executed):
    """{counter: occurrences} for the positions `executed` of a stream, named as in `vta.hw.counters`."""
    unit, opcode, mem = columns.unit[executed], columns.opcode[executed], columns.mem_type[executed]
    tiles, steps = columns.tiles()[executed], columns.steps()[executed]
    reset = columns.gemm["reset"][executed]
    alu = (opcode == Opcode.ALU) & (columns.alu["alu_opcode"][executed] <= max(AluOp))
    counts = {"fetch_insns": len(executed)}
    for number in (Unit.LOAD, Unit.COMPUTE, Unit.STORE):
        counts[f"{number.name.lower()}_insns"] = np.count_nonzero(unit == number)
    for name, types in TILES.items():
        counts[name] = tiles[np.isin(mem, types)].sum()
    counts["gemm_steps"] = steps[(opcode == Opcode.GEMM) & (reset == 0)].sum()
    counts["reset_steps"] = steps[(opcode == Opcode.GEMM) & (reset != 0)].sum()
    counts["alu_steps"] = steps[alu].sum()
    pushes = columns.tokens()[1][:, executed]
    for name, queue in PUSHED.items():
        counts[name] = np.count_nonzero(pushes[queue])
    return {name: int(count) for name, count in counts.items()}
