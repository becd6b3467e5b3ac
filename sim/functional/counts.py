"""The event counters that follow from the executed instructions alone, so are equal on every device.

Beats and bursts depend on the hardware's memory interface, unit states on time; neither is here.
"""

import numpy as np

from vta.hw.isa import WORKERS, MemType, Queue

MEMORIES = {"inp_tiles": "INP", "wgt_tiles": "WGT", "uop_words": "UOP", "acc_tiles": "ACC", "out_tiles": "OUT"}
TILES = {name: [mem for mem in MemType if mem.memory == memory] for name, memory in MEMORIES.items()}


def event_counts(columns, executed):
    """{counter: occurrences} for the positions `executed` of a stream, named as in `vta.hw.counters`."""
    unit, mem = columns.unit[executed], columns.mem_type[executed]
    tiles, steps = columns.tiles[executed], columns.steps[executed]
    kinds = {"gemm_steps": (columns.is_gemm | columns.is_window) & ~columns.is_reset, "reset_steps": columns.is_reset,
             "alu_steps": columns.is_alu & ~columns.bad_alu}
    counts = {"fetch_insns": len(executed)}
    counts |= {f"{worker.name.lower()}_insns": np.count_nonzero(unit == worker) for worker in WORKERS}
    counts |= {name: tiles[np.isin(mem, types)].sum() for name, types in TILES.items()}
    counts |= {name: steps[kind[executed]].sum() for name, kind in kinds.items()}
    counts["requantised"] = columns.requantised[executed].sum()
    counts |= {f"pushed_{queue.name.lower()}": np.count_nonzero(columns.push_flags[queue, executed])
               for queue in Queue}
    return {name: int(count) for name, count in counts.items()}
