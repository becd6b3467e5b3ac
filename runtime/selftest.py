"""The self-test of a device: `vta selftest --device tsim|pynq|sim|tcp://...`.

Each check is a function that drives the device and raises SelftestError or a DeviceError on failure. Register checks
are skipped on devices without registers. The checks use registers, DRAM and the interrupt only, and leave the device
in its power-up state.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from vta.hw.config import PRESETS
from vta.hw.isa import Unit
from vta.hw.registers import ErrorCause, identity
from vta.runtime.device import BusError, DeadlockError, DeviceError, InstructionError, TokenError
from vta.runtime.driver import Driver
from vta.runtime.selftest_program import SelftestProgram

LAUNCHES = 100
PATTERNS = (0, 0xFFFF_FFFF, 0xAAAA_AAAA, 0x5555_5555)
WATCHDOG = 2000


class SelftestError(Exception):
    """A check failed; the message has the expected and the actual value."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. `passed` is None where it does not apply to the device."""

    name: str
    passed: bool | None
    message: str


def selftest(device, report=lambda result: None):
    """Run every check; returns their CheckResults, and passes each to `report` at once."""
    results = []
    for check in CHECKS:
        results.append(_run_check(check, device))
        report(results[-1])
    return results


def _run_check(check, device):
    name = check.__name__.replace("_", " ")
    driver = getattr(device, "driver", None)
    if check in REGISTER_CHECKS and driver is None:
        return CheckResult(name, None, "this device has no registers")
    try:
        device.reset()
        message = check(device, driver) if check in REGISTER_CHECKS else check(device)
        device.reset()
    except (SelftestError, DeviceError) as error:
        return CheckResult(name, False, f"{type(error).__name__}: {error}")
    return CheckResult(name, True, message)


def _expect(what, found, wanted):
    if found != wanted:
        raise SelftestError(f"{what}: found {found}, expected {wanted}")


# registers

def identification(device, driver):
    """The identification registers match the configuration; the driver refuses any other configuration."""
    for name, word in identity(device.config).items():
        _expect(name, f"0x{driver.read(name):08X}", f"0x{word:08X}")
    other = next(config for config in PRESETS.values() if config.hash != device.config.hash)
    other = dataclasses.replace(other, axi_addr_width=device.config.axi_addr_width)
    try:
        Driver(driver.mmio, other, driver.wait_interrupt)
    except DeviceError as error:
        return f"refuses another one: {error}"
    raise SelftestError(f"accepted as configuration {other.name!r}")


def every_register_and_field(device, driver):
    """Writable registers keep every bit of their fields; writes do not change the others."""
    fields = 0
    for register in driver.registers.values():
        mask = sum((1 << f.width) - 1 << f.low for f in register.fields) or 0xFFFF_FFFF
        fields += len(register.fields) or 1
        if register.access == "rw":
            _keeps(driver, register.name, mask, PATTERNS)
        elif register.name.startswith("tokens_"):
            _keeps(driver, register.name, 0xFFFF_FFFF, (0, 1, device.config.token_depth, 0))
        else:                                    # writing 0 neither launches nor resets
            _unchanged_by(driver, register, 0 if register.access in ("wo", "rwh") else 0xFFFF_FFFF)
    settable = [register.name for register in driver.registers.values()
                if register.access == "rw" and not register.fields]
    for n, name in enumerate(settable):          # finds a decoder that confuses two offsets
        driver.write(name, 0x1234_0000 + n)
    for n, name in enumerate(settable):
        _expect(name, driver.read(name), 0x1234_0000 + n)
    for name in settable:
        driver.write(name, 0)
    return f"{len(driver.registers)} registers, {fields} fields"


def _keeps(driver, name, mask, values):
    for value in values:
        driver.write(name, value & mask)
        _expect(f"{name} after writing 0x{value & mask:08X}", driver.read(name) & mask, value & mask)
    driver.write(name, 0)


def _unchanged_by(driver, register, value):
    before = driver.read(register.name)
    driver.write(register.name, value)
    _expect(f"{register.name} after writing 0x{value:08X}", driver.read(register.name), before)


def interrupt_and_its_bits(device, driver):
    """The interrupt rises at the end of a run, each bit stays until 1 is written to it, `error` clears ERROR."""
    program = SelftestProgram(device)
    for insns, bits, cause in ((program.good, {"done": 1, "error": 0}, ErrorCause.NONE),
                               (program.unknown_opcode, {"done": 1, "error": 1}, ErrorCause.OPCODE)):
        with _stream(device, insns) as stream:
            driver.launch(stream.address, len(insns), WATCHDOG)
            driver.wait_interrupt()
        _expect("irq_status after the run", driver.fields("irq_status"), bits)
        _expect("control after the run", driver.fields("control"), {"launch": 0, "finish": 1})
        _expect("cause of the error", driver.fields("error")["cause"], cause)
        driver.set_fields("irq_status", done=1)
        _expect("irq_status, done cleared", driver.fields("irq_status"), bits | {"done": 0})
        driver.set_fields("irq_status", error=1)
        _expect("irq_status, error cleared", driver.fields("irq_status"), {"done": 0, "error": 0})
        _expect("ERROR after clearing it", driver.fields("error")["cause"], ErrorCause.NONE)
        driver.reset()
    program.free()
    return "done and error"


def reset_ends_a_run(device, driver):
    """A soft reset ends a long run, whatever is in flight; the next run is correct."""
    program = SelftestProgram(device)
    for insns in (program.endless, program.many_loads):
        with _stream(device, insns) as stream:
            driver.launch(stream.address, len(insns), 0)
            busy = driver.fields("status")["busy"]
            driver.reset()
        if insns is program.endless:             # the other may end before a slow host reads
            _expect("busy during the run", busy, 1)
        _expect("busy after reset", driver.fields("status")["busy"], 0)
        _expect("irq_status after reset", driver.fields("irq_status"), {"done": 0, "error": 0})
        device.run_insns(program.good)
    _good_again(device, program)
    return "amid ALU steps, amid loads"


def full_token_queue(device, driver):
    """A full dependency queue stalls its producer and is reported; no token is lost."""
    depth = device.config.token_depth
    device.set_tokens(l2g=depth)
    program = SelftestProgram(device)
    error = _raises(TokenError, device, program.push_l2g)
    program.free()
    _expect("tokens in l2g", device.tokens["l2g"], depth)
    return f"at {depth} tokens: {error}"


# behaviour

def launches_in_a_row(device):
    """Consecutive runs, each popping the token that the one before left, all with correct results."""
    program = SelftestProgram(device)
    device.set_tokens(s2g=1)
    for n in range(LAUNCHES):
        values = np.arange(device.config.lanes, dtype=np.int32) * 3 + n
        program.source.view(np.int32)[:] = values
        program.target.array[:] = 0x55
        result = device.run_insns(program.token_chain)
        _expect(f"launch {n}: output", program.target.view(np.int8).tolist(),
                (values >> 1).astype(np.int8).tolist())
        _expect(f"launch {n}: tokens", result.tokens_left, {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": 1})
        executed = [result.counters[f"{unit}_insns"] for unit in ("load", "compute", "store")]
        _expect(f"launch {n}: instructions of load, compute, store", executed, [0, 4, 1])
    program.free()
    return f"{LAUNCHES} launches"


def reset_clears_tokens(device):
    device.set_tokens(l2g=1, g2l=2, g2s=3, s2g=4)
    _expect("tokens", device.tokens, {"l2g": 1, "g2l": 2, "g2s": 3, "s2g": 4})
    device.reset()
    _expect("tokens after reset", device.tokens, dict.fromkeys(device.tokens, 0))
    return "four queues"


def unknown_opcode(device):
    program = SelftestProgram(device)
    error = _raises(InstructionError, device, program.unknown_opcode)
    _expect("cause", error.cause, ErrorCause.OPCODE)
    _expect("unit and instruction", (error.unit, error.insn), (Unit.COMPUTE, 2))
    _good_again(device, program)
    return str(error)


def index_out_of_range(device):
    program = SelftestProgram(device)
    error = _raises(InstructionError, device, program.index)
    _expect("cause", error.cause, ErrorCause.INDEX)
    _good_again(device, program)
    return str(error)


def read_from_nowhere(device):
    program = SelftestProgram(device)
    error = _raises(BusError, device, program.read_nowhere)
    _expect("cause", error.cause, ErrorCause.AXI_READ)
    _good_again(device, program)
    return str(error)


def write_to_nowhere(device):
    program = SelftestProgram(device)
    error = _raises(BusError, device, program.write_nowhere)
    _expect("cause", error.cause, ErrorCause.AXI_WRITE)
    _good_again(device, program)
    return str(error)


def deadlock(device):
    """A token that never comes: the watchdog ends the run; after a reset the device works again."""
    program = SelftestProgram(device)
    error = _raises(DeadlockError, device, program.deadlock)
    device.reset()
    _good_again(device, program)
    return str(error)


REGISTER_CHECKS = (identification, every_register_and_field, interrupt_and_its_bits, reset_ends_a_run,
                   full_token_queue)
CHECKS = (identification, every_register_and_field, launches_in_a_row, reset_clears_tokens, unknown_opcode,
          index_out_of_range, read_from_nowhere, write_to_nowhere, deadlock, interrupt_and_its_bits,
          reset_ends_a_run, full_token_queue)


def _raises(kind, device, insns):
    """Run `insns` and return the error, which must be of this kind."""
    try:
        device.run_insns(insns, watchdog=WATCHDOG)
    except kind as error:
        return error
    raise SelftestError(f"the run ended well, expected {kind.__name__}")


def _good_again(device, program):
    """After an error the next run is correct."""
    device.set_tokens(s2g=0)
    program.source.view(np.int32)[:] = 40
    device.run_insns(program.good)
    _expect("output of the next run", set(program.target.view(np.int8).tolist()), {20})
    program.free()


def _stream(device, insns):
    stream = device.memory.alloc(insns.nbytes, 4096)
    stream.view(np.uint64)[:] = insns.reshape(-1)
    device.memory.flush()
    return stream
