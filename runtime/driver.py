"""The register-level driver: launch, wait, read the result. The same for simulation and board.

`mmio` gives access to the registers: `read(offset)` and `write(offset, value)` of 32-bit words, as
`pynq.MMIO` does. `wait_interrupt` blocks until the interrupt line is high; it may raise a DeviceError.
"""

import time

from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Queue, Unit
from vta.hw.registers import IDENTIFICATION, POINTERS, VERSION, ErrorCause, identity, register_map
from vta.runtime.device import Device, DeviceError, RunResult, check_tokens, error_cause, run_error

DEFAULT_WATCHDOG = 100_000      # cycles without progress; far above any memory's latency
DRAIN_POLLS = 10_000            # reads of STATUS before the last transfers are given up
UNDRAINED = "the memory does not answer: transfers are still outstanding"


class Driver:
    """Drives one accelerator of `config`; DeviceError where the hardware has another one.

    `dram_base` is the bus address of the byte that programs know as DRAM address 0.
    """

    def __init__(self, mmio, config, wait_interrupt, dram_base=0):
        self.mmio, self._config, self.wait_interrupt = mmio, config, wait_interrupt
        self._dram_base = dram_base
        self._resetting = False                  # a reset that has not ended: the hardware ignores launches
        self.registers = {register.name: register for register in register_map(config)}
        self._identify()

    def read(self, name):
        """The 32-bit word of the register `name`."""
        return self.mmio.read(self.registers[name].offset)

    def write(self, name, value):
        """Write the 32-bit word `value` to the register `name`."""
        self.mmio.write(self.registers[name].offset, value)

    def fields(self, name):
        """The fields of the register `name`: value by field name."""
        word = self.read(name)
        return {f.name: word >> f.low & (1 << f.width) - 1 for f in self.registers[name].fields}

    def set_fields(self, name, **values):
        """Write the register `name` with these fields; those left out are written as 0."""
        fields = {f.name: f for f in self.registers[name].fields}
        self.write(name, sum(value << fields[field].low for field, value in values.items()))

    def _identify(self):
        found, expected = self.read("id"), identity(self._config)
        if found != IDENTIFICATION:
            raise DeviceError(f"no VTA there: the ID register reads 0x{found:08X}, "
                              f"expected 0x{IDENTIFICATION:08X}")
        version = self.read("version")
        if version >> 16 != VERSION >> 16 or version < VERSION:
            raise DeviceError(f"register map version {version >> 16}.{version & 0xFFFF} in the accelerator, "
                              f"this driver needs {VERSION >> 16}.{VERSION & 0xFFFF} or compatible")
        for name in ("config_hash", "config_shape", "config_buffers"):
            found = self.read(name)
            if found != expected[name]:
                raise DeviceError(f"the accelerator has another configuration than {self._config.name!r}: "
                                  f"{name} reads 0x{found:08X}, expected 0x{expected[name]:08X}")

    @property
    def tokens(self):
        """Tokens in each dependency queue, by its name in lower case."""
        return {queue.name.lower(): self.read(f"tokens_{queue.name.lower()}") for queue in Queue}

    def set_tokens(self, **counts):
        """Set the given queues; only between runs."""
        for name, count in check_tokens(counts).items():
            if count > self._config.token_depth:
                raise ValueError(f"{count} tokens in {name}: a queue holds {self._config.token_depth}")
            self.write(f"tokens_{name}", count)

    def reset(self):
        """Clear tokens, queues and errors, as at power-up; memories and pointers keep their contents."""
        self._resetting = True
        self.set_fields("reset", reset=1)
        self._finish_reset()

    def _finish_reset(self):
        if not self._drain():
            raise DeviceError(UNDRAINED)
        self._resetting = False

    def run(self, insn_address, insn_count, watchdog=None):
        """One run from launch to interrupt: its RunResult, or a DeviceError that carries it.

        watchdog: cycles without progress after which the hardware ends the run; 0 means never.
        """
        self.launch(insn_address, insn_count, DEFAULT_WATCHDOG if watchdog is None else watchdog)
        started = time.perf_counter()
        self.wait_interrupt()
        seconds = time.perf_counter() - started
        drained = self._drain()
        result = self._collect(seconds)
        cause, where = self.fields("error"), self.read("error_insn")
        self.set_fields("irq_status", done=1, error=1)
        if cause["cause"] != ErrorCause.NONE:
            detail = "and further errors" if cause["more"] else ""
            raise run_error(error_cause(cause["cause"]), Unit(cause["unit"]), where, detail, result)
        if not drained:
            raise DeviceError(UNDRAINED, result=result)
        self._check_states(result)
        return result

    def launch(self, insn_address, insn_count, watchdog):
        """Start a run and return at once: the interrupt comes at its end."""
        if self.fields("status")["busy"]:
            raise DeviceError("a run is under way already")
        if self._resetting:
            self._finish_reset()
        self.set_fields("irq_status", done=1, error=1)
        self.set_fields("irq_enable", done=1)
        self.write("insn_count", insn_count)
        self.write("watchdog", watchdog)
        for name in POINTERS:
            address = self._dram_base + (insn_address if name == "insn" else 0)
            self.write(f"{name}_ptr", address & 0xFFFF_FFFF)
            if f"{name}_ptr_hi" in self.registers:
                self.write(f"{name}_ptr_hi", address >> 32)
        self.set_fields("control", launch=1)

    def _drain(self):
        """Wait until no transfer is outstanding, so that memory holds what the run wrote.

        False if that never happens, as after a run that the watchdog ended within an instruction.
        """
        return any(self.fields("status")["drained"] for _ in range(DRAIN_POLLS))

    def _collect(self, seconds):
        wrapped = self.fields("status")["cycles_wrapped"]
        counters = dict(zip((counter.name for counter in COUNTERS), self._read_counters(), strict=True))
        return RunResult(None if wrapped else self.read("cycles"), counters, self.tokens, seconds)

    def _read_counters(self):
        offsets = [self.registers[f"count_{counter.name}"].offset for counter in COUNTERS]
        if hasattr(self.mmio, "read_many"):      # one request to a simulator is faster than fifty
            return self.mmio.read_many(offsets)
        return [self.mmio.read(offset) for offset in offsets]

    def _check_states(self, result):
        """A unit is in exactly one state in each cycle, so its state counters add up to the cycles."""
        for unit, states in STATES.items():
            total = sum(result.counters[state.name] for state in states)
            if result.cycles is not None and total != result.cycles:
                raise DeviceError(f"{unit.name.lower()}: its states add up to {total} cycles, the run took "
                                  f"{result.cycles}", unit=unit, result=result)


class DrivenDevice(Device):
    """A device with registers: its constructor sets `driver`."""

    driver: Driver

    @property
    def tokens(self):
        return self.driver.tokens

    def set_tokens(self, **counts):
        self.driver.set_tokens(**counts)

    def reset(self):
        self.driver.reset()
