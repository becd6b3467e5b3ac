"""The device "sim": the functional simulator behind the device contract. It has no cycles."""

import time

import numpy as np

from vta.hw.config import Config
from vta.hw.isa import INSN_BYTES, Queue
from vta.runtime.device import QUEUES, Device, RunResult, check_tokens, run_error
from vta.runtime.memory import DEFAULT_SIZE, Memory
from vta.sim.functional.machine import Simulator


class FunctionalDevice(Device):
    """See Device. `memory_size` is the size of DRAM in bytes; `watchdog` and `progress` have no effect."""

    name = "sim"

    def __init__(self, config="default", memory_size=DEFAULT_SIZE):
        config = Config.load(config)
        super().__init__(config, Memory(memory_size))
        self._simulator = Simulator(config)

    @property
    def tokens(self):
        return dict(zip(QUEUES, self._simulator.tokens, strict=True))

    def set_tokens(self, **counts):
        for name, count in check_tokens(counts).items():
            self._simulator.tokens[Queue[name.upper()]] = count

    def scratchpads(self):
        """Copies of the on-chip memories {"UOP", "WGT", "INP", "ACC", "OUT"}, one row per tile."""
        return self._simulator.scratchpads()

    def reset(self):
        self.set_tokens(**dict.fromkeys(QUEUES, 0))

    def _run(self, insn_address, insn_count, watchdog, progress):
        start = time.perf_counter()
        insns = self.memory.view(insn_address, insn_count * INSN_BYTES).view(np.uint64).reshape(-1, 2)
        outcome = self._simulator.run(insns, self.memory.bytes, self.memory.base)
        result = RunResult(None, outcome.counters, self.tokens, time.perf_counter() - start)
        if outcome.fault:
            fault = outcome.fault
            raise run_error(fault.cause, fault.unit, fault.insn, fault.words, result)
        return result
