"""Runs cases on two devices side by side and reports the differences."""

from dataclasses import dataclass

import numpy as np

from vta.fuzz.case import DATA, DRAM_BYTES, DUMP, STREAM
from vta.fuzz.dump import RESULTS, Dump, fill
from vta.hw.counters import STATES
from vta.hw.registers import ErrorCause
from vta.runtime.device import DeviceError
from vta.sim.cosim.simulation import SimulationError

STUCK_CYCLES = 3_000         # without progress, after which a stream that gets stuck is given up
QUIET = dict(latency=2, write_latency=2, outstanding=64, bandwidth=1.0, stall=0.0, seed=1, order="in_order", early=0.0)
CAUSES_OF_RUN = (*ErrorCause,)[1:]


@dataclass(frozen=True)
class DeviceRun:
    """The result of a run on one device; `broken` is the message of an error of the device itself, or None."""

    error: tuple | None
    counters: dict
    tokens: dict
    broken: str | None = None


class Pair:
    """A functional device and another one that must behave the same; both have DRAM_BYTES of DRAM.

    After a difference their states differ: `recover`, or open a new pair.
    """

    def __init__(self, reference, device):
        self.reference, self.device = reference, device

    def close(self):
        for device in self._both():
            device.close()

    def run(self, case, *, dump=True, seed=0):
        """Run all launches; returns the first differences, as messages, and the number of cycles simulated."""
        try:
            self._start(case)
        except (DeviceError, SimulationError) as problem:
            return [f"the device cannot be brought to a known state: {problem}"], 0
        cycles = 0
        for number, launch in enumerate(case.launches):
            self._set_memory(launch.memory)
            runs = [self._launch(device, launch.insns, launch.address, None if launch.ends else STUCK_CYCLES)
                    for device in self._both()]
            differences = self._compare(runs, launch.faulty <= 1, launch.ends)
            cycles += runs[1].counters.get("cycles", 0)
            if differences:
                return [f"launch {number}: {words}" for words in differences], cycles
        if dump:
            return self.dump(seed), cycles
        return [], cycles

    def recover(self):
        """Bring both to the same known state; returns whether that succeeded."""
        insns, data = fill(self.device.config), np.random.default_rng(0).integers(0, 256, DUMP - DATA, np.uint8)
        try:
            self._set_memory(QUIET)
            for device in self._both():
                device.memory.bytes[:] = 0
                device.memory.write(DATA, data)
                device.reset()
                if self._launch(device, insns, STREAM).broken:
                    return False
            return not self.dump(0)
        except (DeviceError, SimulationError):
            return False

    def _both(self):
        return self.reference, self.device

    def _start(self, case):
        image = case.dram()
        for device in self._both():
            device.memory.bytes[:] = image
            device.reset()
            device.set_tokens(**{name: case.tokens.get(name, 0) for name in ("l2g", "g2l", "g2s", "s2g")})

    def _set_memory(self, options):
        if hasattr(self.device, "set_memory"):
            self.device.set_memory(**(QUIET | options))

    def _launch(self, device, insns, address, watchdog=None):
        device.memory.write(address, insns)
        error = None
        try:
            result = device.run(address, len(insns), watchdog=watchdog)
        except DeviceError as problem:
            result = problem.result
            if problem.cause not in CAUSES_OF_RUN or result is None:
                return DeviceRun(None, {}, {}, str(problem))
            error = (problem.cause, problem.unit, problem.insn)
        except SimulationError as problem:
            return DeviceRun(None, {}, {}, str(problem))
        counters = dict(result.counters)
        if result.cycles is not None:
            counters["cycles"] = result.cycles
        return DeviceRun(error, counters, result.tokens_left)

    def _compare(self, runs, one_error, ends):
        want, got = runs
        if got.broken:
            return [f"the device failed: {got.broken}"]
        differences = []
        # of several errors, the one reported depends on timing
        exact = ends and one_error
        if want.error != got.error if exact else (want.error is None) != (got.error is None):
            differences.append(f"error: expected {_error(want.error)}, got {_error(got.error)}")
        for name, count in want.counters.items():
            if got.counters[name] != count and (ends or name != "fetch_insns"):
                differences.append(f"counter {name}: expected {count}, got {got.counters[name]}")
        for unit, states in STATES.items():
            total = sum(got.counters.get(state.name, 0) for state in states)
            if total != got.counters.get("cycles", 0):
                differences.append(f"states of {unit.name.lower()} add up to {total} cycles, the run took "
                                   f"{got.counters['cycles']}")
        if want.tokens != got.tokens:
            differences.append(f"tokens left: expected {want.tokens}, got {got.tokens}")
        return differences + self._compare_dram()

    def _compare_dram(self):
        want, got = (device.memory.bytes for device in self._both())
        where = np.flatnonzero(want != got)
        if not where.size:
            return []
        at = int(where[0])
        return [f"DRAM at 0x{at:x}: expected 0x{want[at]:02x}, got 0x{got[at]:02x} ({where.size} bytes differ)"]

    def dump(self, seed):
        """Dump the scratchpads and compare them; tokens in the queues are lost."""
        dump = Dump(self.device.config, seed)
        self._set_memory(QUIET)
        runs = []
        for device in self._both():
            device.reset()
            device.memory.write(DUMP, dump.image)
            runs.append(self._launch(device, dump.insns, STREAM))
        return [f"scratchpads: {self._located(words, dump.areas)}" for words in self._compare(runs, False, True)]

    def _located(self, words, areas):
        """The difference, with what the area shows if it lies in the results."""
        if not words.startswith("DRAM at"):
            return words
        config = self.device.config
        at = int(words.split()[2].rstrip(":"), 16) - RESULTS
        area, tile = divmod(at // config.tile_bytes["OUT"], config.depth["OUT"])
        return f"{areas[area]}, result {tile}: {words}" if 0 <= area < len(areas) else words


def open_pair(config, **options):
    """A Pair of functional simulator and RTL; `options` are those of the RTL device."""
    from vta.runtime.functional import FunctionalDevice
    from vta.runtime.tsim import RtlDevice
    return Pair(FunctionalDevice(config, memory_size=DRAM_BYTES), RtlDevice(config, memory_size=DRAM_BYTES, **options))


def _error(error):
    if error is None:
        return "none"
    cause, unit, insn = error
    return f"{cause.name} in instruction {insn} of {unit.name.lower()}"
