"""The self-test passes on good devices and detects each of a set of planted faults."""

import json

import pytest
from soft_registers import SoftRegisters

from vta.cli import main
from vta.hw.config import PRESETS
from vta.runtime.device import Device, open_device
from vta.runtime.driver import Driver
from vta.runtime.memory import Memory
from vta.runtime.selftest import CHECKS, REGISTER_CHECKS, selftest

CONFIG = PRESETS["tiny"]
# what the functional simulator behind the registers cannot do: it has no queue depth
BEYOND_SIMULATOR = {"full token queue"}


class RegisterDevice(Device):
    """A device like tsim and pynq, its registers in front of the functional simulator."""

    name = "registers"

    def __init__(self, registers=SoftRegisters):
        super().__init__(CONFIG, Memory(1 << 20))
        self.driver = Driver(registers(CONFIG, self.memory), CONFIG, lambda: None)

    tokens = property(lambda self: self.driver.tokens)

    def set_tokens(self, **counts):
        self.driver.set_tokens(**counts)

    def reset(self):
        self.driver.reset()

    def _run(self, insn_address, insn_count, watchdog, progress):
        return self.driver.run(insn_address, insn_count, watchdog)


def failures(registers=SoftRegisters):
    with RegisterDevice(registers) as device:
        return {outcome.name: outcome.message for outcome in selftest(device) if not outcome.passed}


def test_functional_simulator():
    seen = []
    with open_device("sim", "tiny") as device:
        outcomes = selftest(device, seen.append)
    assert seen == outcomes and len(outcomes) == len(CHECKS)
    assert [o.passed for o in outcomes].count(None) == len(REGISTER_CHECKS)
    assert not [o for o in outcomes if o.passed is False]


def test_registers_over_the_functional_simulator():
    assert set(failures()) == BEYOND_SIMULATOR


class StuckBit(SoftRegisters):
    def write(self, offset, value):
        super().write(offset, value & ~(1 << 20) if self.names.get(offset) == "wgt_ptr" else value)


class WritesTwo(SoftRegisters):
    """wgt_ptr also writes inp_ptr: each keeps what is written, only the comparison of all shows it."""

    def write(self, offset, value):
        super().write(offset, value)
        if self.names.get(offset) == "wgt_ptr":
            super().write(offset - 4, value)


class WritableIdentity(SoftRegisters):
    def write(self, offset, value):
        super().write(offset, value)
        if self.names.get(offset) == "version":
            self.words["version"] = value


class ErrorStays(SoftRegisters):
    def write(self, offset, value):
        error = self.words["error"]
        super().write(offset, value)
        self.words["error"] = error or self.words["error"]


class ResetKeepsTokens(SoftRegisters):
    def write(self, offset, value):
        if self.names.get(offset) != "reset":
            super().write(offset, value)


class ResetGoesOnRunning(SoftRegisters):
    def write(self, offset, value):
        status = self.words["status"]
        super().write(offset, value)
        if self.names.get(offset) == "reset":
            self.words["status"] = status


class StaleFinish(SoftRegisters):
    def _run(self):
        super()._run()
        self.words["control"] = 3


class LosesToken(SoftRegisters):
    runs = 0

    def _run(self):
        super()._run()
        self.runs += 1
        if self.runs == 60:
            self.simulator.tokens[3] = 0


class WrongCause(SoftRegisters):
    def _run(self):
        super()._run()
        if self.words["error"]:
            self.words["error"] = self.words["error"] & ~15 | 3


@pytest.mark.parametrize("registers, check", [
    (StuckBit, "every register and field"), (WritableIdentity, "every register and field"),
    (WritesTwo, "every register and field"),
    (ErrorStays, "interrupt and its bits"), (ResetKeepsTokens, "reset clears tokens"),
    (ResetGoesOnRunning, "reset ends a run"),
    (StaleFinish, "interrupt and its bits"), (LosesToken, "launches in a row"),
    (WrongCause, "unknown opcode"), (WrongCause, "read from nowhere"), (WrongCause, "deadlock")])
def test_planted_fault_is_noticed(registers, check):
    assert check in set(failures(registers)) - BEYOND_SIMULATOR


def test_command(capsys):
    assert main(["selftest", "--device", "sim", "--config", "tiny"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == len(CHECKS) + 1 and out[-1] == "7 of 7 checks passed on sim, configuration tiny"
    assert main(["selftest", "--config", "tiny", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["passed"] for line in lines} == {True, None}


def test_command_fails_when_a_check_fails(monkeypatch, capsys):
    monkeypatch.setattr("vta.runtime.device.open_device", lambda *_: RegisterDevice(ResetKeepsTokens))
    assert main(["selftest"]) == 1
    assert "reset clears tokens        FAILED" in capsys.readouterr().out


@pytest.mark.rtl
def test_rtl():
    """Every check on the RTL, through its registers, its DRAM and its interrupt alone."""
    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        outcomes = selftest(device)
    assert not [outcome for outcome in outcomes if not outcome.passed]
