"""The driver, against registers in a dictionary that behave as the register map says."""

import dataclasses

import pytest

from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Unit
from vta.hw.registers import IDENTIFICATION, ErrorCause, identity, register_map
from vta.runtime.device import BusError, DeviceError, InstructionError
from vta.runtime.driver import DEFAULT_WATCHDOG, Driver

CYCLES = 1000


class FakeRegisters:
    """A run takes CYCLES cycles, which each unit spends in its first state, and may end in an error."""

    def __init__(self, config):
        self.names = {register.offset: register.name for register in register_map(config)}
        self.words = dict.fromkeys(self.names.values(), 0) | identity(config) | {"status": 0b1000}
        self.error, self.more, self.writes, self.runs = (ErrorCause.NONE, Unit.FETCH), 0, [], 0

    def read(self, offset):
        return self.words[self.names[offset]]

    def write(self, offset, value):
        name = self.names[offset]
        self.writes.append((name, value))
        if name == "irq_status":
            self.words[name] &= ~value
            self.words["error"] = 0
        elif name == "control" and value & 1:
            self.words["status"] = 0b0001
        else:
            self.words[name] = value

    def wait_interrupt(self):
        self.runs += 1
        cause, unit = self.error
        self.words |= {"status": 0b1010, "cycles": CYCLES, "error": cause | unit << 4 | self.more << 6,
                       "error_insn": 7, "count_gemm_steps": 42, "irq_status": 1}
        for states in STATES.values():
            self.words[f"count_{states[0].name}"] = CYCLES


@pytest.fixture(params=["default", "64 bit addresses"])
def config(request):
    config = PRESETS["default"]
    return config if request.param == "default" else dataclasses.replace(config, axi_addr_width=64)


@pytest.fixture
def fake(config):
    return FakeRegisters(config)


@pytest.fixture
def driver(config, fake):
    return Driver(fake, config, fake.wait_interrupt)


def test_run(driver, fake, config):
    result = driver.run(0x1234_5670, 99)
    assert result.cycles == CYCLES and result.counters["gemm_steps"] == 42
    assert set(result.counters) == {counter.name for counter in COUNTERS}
    assert result.tokens_left == {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": 0}
    written = dict(fake.writes)
    assert written["insn_ptr"] == 0x1234_5670 and written["insn_count"] == 99
    assert written["watchdog"] == DEFAULT_WATCHDOG and written["irq_enable"] == 1
    assert fake.words["irq_status"] == 0
    launch = fake.writes.index(("control", 1))
    assert all(fake.writes.index((name, value)) < launch for name, value in fake.writes[:launch])
    assert [name for name, _ in fake.writes[launch + 1:]] == ["irq_status"]


def test_addresses_of_64_bits(fake, config):
    driver = Driver(fake, config, fake.wait_interrupt)
    driver.run(0x12_3456_7890, 1)
    high = dict(fake.writes).get("insn_ptr_hi")
    assert high == (0x12 if config.axi_addr_width == 64 else None)


def test_tokens(driver, fake, config):
    driver.set_tokens(l2g=3, s2g=config.token_depth)
    assert driver.tokens == {"l2g": 3, "g2l": 0, "g2s": 0, "s2g": config.token_depth}
    with pytest.raises(ValueError, match=rf"{config.token_depth + 1} tokens in g2l: .* {config.token_depth}"):
        driver.set_tokens(g2l=config.token_depth + 1)
    with pytest.raises(ValueError, match="no dependency queue 'x2y'"):
        driver.set_tokens(x2y=1)


def test_reset_waits_for_transfers(driver, fake):
    fake.words["status"] = 0
    with pytest.raises(DeviceError, match="does not answer"):
        driver.reset()
    fake.words["status"] = 0b1000
    driver.reset()
    assert fake.writes[-1] == ("reset", 1)


@pytest.mark.parametrize("cause, unit, kind, words", [
    (ErrorCause.OPCODE, Unit.COMPUTE, InstructionError, "compute, instruction 7: unknown opcode"),
    (ErrorCause.AXI_READ, Unit.LOAD, BusError, "load, instruction 7: memory read"),
    (ErrorCause.WATCHDOG, Unit.STORE, DeviceError, "no unit made progress"),
])
def test_errors_in_words(driver, fake, cause, unit, kind, words):
    fake.error, fake.more = (cause, unit), 1
    with pytest.raises(kind, match=f"{words}.*and further errors") as caught:
        driver.run(0x1000, 1)
    assert caught.value.cause is cause and caught.value.result.cycles == CYCLES
    fake.error, fake.more = (ErrorCause.NONE, Unit.FETCH), 0
    assert driver.run(0x1000, 1).cycles == CYCLES        # the error was cleared


def test_states_must_add_up(driver, fake):
    ordinary = fake.wait_interrupt

    def lose_a_cycle():
        ordinary()
        fake.words["count_load_wait_mem"] = 1

    driver.wait_interrupt = lose_a_cycle
    with pytest.raises(DeviceError, match="load: its states add up to 1001 cycles, the run took 1000"):
        driver.run(0x1000, 1)


def test_counter_that_wrapped(driver, fake):
    ordinary = fake.wait_interrupt

    def wrap():
        ordinary()
        fake.words["status"] |= 1 << 4
        fake.words["count_load_idle"] = 1

    driver.wait_interrupt = wrap
    assert driver.run(0x1000, 1).cycles is None


def test_busy_accelerator_is_left_alone(driver, fake):
    fake.words["status"] = 1
    with pytest.raises(DeviceError, match="under way already"):
        driver.run(0x1000, 1)
    assert fake.runs == 0


@pytest.mark.parametrize("register, value, words", [
    ("id", 0, "no VTA there: the ID register reads 0x00000000, expected 0x56544131"),
    ("version", 0x0002_0000, "register map version 2.0"),
    ("config_hash", 5, "another configuration than 'default': config_hash reads 0x00000005"),
    ("config_shape", 5, "config_shape reads 0x00000005"),
    ("config_buffers", 5, "config_buffers reads 0x00000005"),
])
def test_identification(register, value, words):
    config = PRESETS["default"]
    fake = FakeRegisters(config)
    fake.words[register] = value
    with pytest.raises(DeviceError, match=words):
        Driver(fake, config, fake.wait_interrupt)


def test_newer_minor_version_is_welcome():
    fake = FakeRegisters(PRESETS["default"])
    fake.words["version"] += 1
    assert Driver(fake, PRESETS["default"], fake.wait_interrupt).read("id") == IDENTIFICATION


def test_no_launch_before_the_end_of_a_reset(driver, fake):
    fake.words["status"] = 0
    with pytest.raises(DeviceError, match="does not answer"):
        driver.reset()
    with pytest.raises(DeviceError, match="does not answer"):     # the hardware would ignore it: an endless wait
        driver.run(0x1000, 1)
    assert fake.runs == 0
    fake.words["status"] = 0b1000
    assert driver.run(0x1000, 1).cycles == CYCLES


def test_a_cause_that_this_version_does_not_know(driver, fake):
    fake.error = (9, Unit.LOAD)
    with pytest.raises(DeviceError, match="load, instruction 7: error 9") as caught:
        driver.run(0x1000, 1)
    assert caught.value.result.cycles == CYCLES
