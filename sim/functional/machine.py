"""The functional simulator: the instruction set in executable form, in numpy, in program order.

Semantics are those of docs/isa.md with decisions D1-D10. An output tile is the low byte of its accumulator tile, but
where a requantising instruction changed one of the two alone (D1, D2). The first illegal instruction is recorded as
a RunFault, and the run continues as in the RTL: an unknown opcode or memory type handles its tokens and does nothing
else, an index out of range wraps, a tile outside DRAM reads as 0 or is not written.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from vta.hw.isa import MemType, Queue, Unit
from vta.hw.registers import ErrorCause
from vta.sim.functional.plan import ExecutionPlan
from vta.sim.functional.prepared import PreparedCache
from vta.sim.functional.requantise import Parameters

CACHED_STREAMS = 16


@dataclass(frozen=True)
class RunFault:
    """The first error of a run. `insn` counts within the unit; None where no single instruction is at fault."""

    cause: ErrorCause
    unit: Unit
    insn: int | None
    words: str


@dataclass(frozen=True)
class RunOutcome:
    """The result of a run: event counters by name, and the first error or None."""

    counters: dict
    fault: RunFault | None


class Simulator:
    """An accelerator without timing. Scratchpads and tokens persist from run to run.

    `uop`, `wgt`, `inp`, `acc` are the scratchpads, one row for each tile; `tokens` are counts by Queue number.
    """

    def __init__(self, config):
        self.config, depth = config, config.depth
        self.uop = np.zeros((depth["UOP"], 1), np.uint32)
        self.wgt = np.zeros((depth["WGT"], config.block ** 2), np.int8)
        self.inp = np.zeros((depth["INP"], config.lanes), np.int8)
        self.acc = np.zeros((depth["ACC"], config.lanes), np.int32)
        self.scratch = {mem: getattr(self, mem.memory.lower()) for mem in MemType if mem is not MemType.OUT}
        self.out = np.zeros((depth["OUT"], config.lanes), np.int8)      # what counts of it is where `own` is true
        self.own = np.zeros(depth["OUT"], bool)
        self.parameters = Parameters.from_words(*np.zeros((3, config.lanes), np.int32), 0, 0)
        self.dram = {}           # during a run: the window as rows of tiles, by memory type
        self.tokens = [0] * len(Queue)
        self._plans, self._prepared, self._faults = OrderedDict(), PreparedCache(config), {}

    def scratchpads(self):
        """Copies of the on-chip memories {"UOP", "WGT", "INP", "ACC", "OUT"}, one row for each tile."""
        found = {mem.name: self.scratch[mem].copy()
                 for mem in (MemType.UOP, MemType.WGT, MemType.INP, MemType.ACC)}
        return found | {"OUT": self.out_tiles(slice(None))}

    def writes(self, tiles, to_out=True):
        """Accumulator `tiles` are about to be written, and their low bytes to OUT, or not."""
        if not to_out:
            self.out[tiles] = self.out_tiles(tiles)
        self.own[tiles] = not to_out

    def requantised(self, tiles, values):
        """`values` go to OUT, and to OUT alone."""
        self.out[tiles] = values
        self.own[tiles] = True

    def out_tiles(self, tiles):
        """The contents of output tiles."""
        return np.where(self.own[tiles][:, None], self.out[tiles], self.acc[tiles].astype(np.int8))

    def run(self, insns, dram, base=0):
        """Execute a stream, (n, 2) uint64, on the DRAM window `dram` (uint8) that starts at `base`."""
        plan = self._plan(np.ascontiguousarray(insns, np.uint64), len(dram), base)
        types = {MemType.UOP: np.uint32, MemType.ACC: np.int32}
        self.dram = {mem: _tiles(dram, self.config.tile_bytes[mem.name], types.get(mem, np.int8)) for mem in MemType}
        self._faults = {}
        for operation in plan.operations():
            operation.apply(self)
        self.dram = {}
        self.tokens = list(plan.order.tokens_left)
        return RunOutcome(dict(plan.counters), self._fault(plan))

    def report(self, position, cause, words):
        """Record an error of the instruction at `position` of the stream."""
        self._faults.setdefault((position, cause), words)

    def _plan(self, insns, size, base):
        key = (insns.tobytes(), tuple(self.tokens), size, base)
        if key not in self._plans:
            self._plans[key] = ExecutionPlan(insns, self.config, self.tokens, base, size, self._prepared)
            if len(self._plans) > CACHED_STREAMS:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        return self._plans[key]

    def _fault(self, plan):
        if not plan.order.finished:
            stuck = [(unit, plan.columns.in_unit(at)) for unit, at, queues in plan.order.waiting if queues]
            unit, insn = stuck[0] if stuck else (Unit.COMPUTE, None)
            return RunFault(ErrorCause.WATCHDOG, unit, insn, plan.order.deadlock(plan.columns))
        faults = plan.faults | self._faults
        if not faults:
            return None
        rank = {position: n for n, position in enumerate(plan.order.executed.tolist())}
        position, cause = min(faults, key=lambda key: rank[key[0]])
        return RunFault(cause, plan.columns.unit_at(position), plan.columns.in_unit(position),
                        f"{faults[position, cause]} (instruction {position} of the stream)")


def _tiles(dram, nbytes, dtype):
    """The window as rows of one tile each, without a copy; a remainder shorter than a tile is left out."""
    whole = len(dram) // nbytes * nbytes
    return dram[:whole].view(dtype).reshape(-1, nbytes // np.dtype(dtype).itemsize)
