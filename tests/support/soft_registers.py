"""The register map in front of the functional simulator: an accelerator without cycles, to test drivers."""

from types import SimpleNamespace

import numpy as np

from vta.hw.isa import INSN_BYTES, Queue
from vta.hw.registers import identity, register_map
from vta.sim.functional.machine import Simulator


class SoftRegisters:
    """`read` and `write` by offset, as the RTL's control port.

    A launch runs the whole stream at once; without a watchdog the run ends only with a reset.
    """

    def __init__(self, config, memory):
        self.memory, self.simulator = memory, Simulator(config)
        regs = register_map(config)
        self.names = {reg.offset: reg.name for reg in regs}
        self.access = {reg.name: reg.access for reg in regs}
        self.words = dict.fromkeys(self.access, 0) | identity(config) | {"status": 8}
        self.hang = False                        # a launch that never ends

    def read(self, offset):
        name = self.names.get(offset)
        if name in TOKENS:
            return self.simulator.tokens[TOKENS[name]]
        return self.words.get(name, 0)

    def write(self, offset, value):
        name = self.names.get(offset)
        if name in TOKENS:
            self.simulator.tokens[TOKENS[name]] = value
        elif name == "control" and value & 1 and self.words["watchdog"] == 0:
            self.words["status"] = 8 | 1
        elif name == "control" and value & 1 and not self.hang:
            self._run()
        elif name == "reset":
            self.simulator.tokens[:] = [0] * len(Queue)
            self.words["status"] = 8
        elif name == "irq_status":
            self.words[name] &= ~value
            if value & 2:
                self.words["error"] = self.words["error_insn"] = 0
        elif self.access.get(name) == "rw":
            self.words[name] = value

    def _run(self):
        words, memory = self.words, self.memory
        assert words["inp_ptr"] == words["uop_ptr"] == memory.base
        insns = memory.view(words["insn_ptr"], words["insn_count"] * INSN_BYTES)
        outcome = self.simulator.run(insns.view(np.uint64).reshape(-1, 2), memory.bytes, 0)
        words |= {f"count_{name}": value for name, value in outcome.counters.items()}
        words |= {"control": 2, "status": 8 | 2, "irq_status": 1}
        if outcome.fault:
            fault = outcome.fault
            words |= {"error": int(fault.cause) | int(fault.unit) << 4, "error_insn": fault.insn,
                      "irq_status": 3}


TOKENS = {f"tokens_{queue.name.lower()}": queue for queue in Queue}


def with_wait(registers, interrupts=None):
    """A backend for fake_pynq: `interrupts` are the answers to wait(), by default the level of the interrupt line."""
    answers = iter(interrupts) if interrupts is not None else None

    def wait():
        if answers is not None:
            return next(answers, False)
        return bool(registers.words["irq_status"] & registers.words["irq_enable"])

    return SimpleNamespace(read=registers.read, write=registers.write, memory=registers.memory, freed=False, wait=wait)
