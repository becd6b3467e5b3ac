"""The RTL as a device: options, errors, traffic. The results of programs are tested elsewhere."""

import numpy as np
import pytest
from small_programs import Program

from vta.hw.config import PRESETS
from vta.hw.isa import MemType
from vta.hw.registers import ErrorCause
from vta.runtime.device import BusError, DeadlockError, DeviceError, open_device
from vta.runtime.driver import DEFAULT_WATCHDOG
from vta.runtime.selftest_program import SelftestProgram
from vta.runtime.tsim import LONGEST, memory_settings
from vta.sim.cosim.simulation import SimulationError

ORDINARY = {"latency": 16, "write_latency": 16, "outstanding": None, "bandwidth": 1.0, "stall": 0.0,
            "seed": 1, "order": "in_order", "early": 0.0}


def test_settings_name_the_promises_of_the_accelerator():
    config = PRESETS["tiny"]
    settings = memory_settings(config, **ORDINARY | {"stall": 0.25, "order": "interleave", "outstanding": 3})
    assert settings["max_reads"] == config.read_outstanding and settings["read_ids"] == config.read_ids
    assert settings["max_burst"] == config.max_burst and settings["max_writes"] == config.write_outstanding
    assert settings["stall_r"] == settings["stall_aw"] == 0.25 and settings["order"] == 2
    assert settings["reads"] == settings["writes"] == 3
    assert settings["write_latency"] == 16


def test_what_is_left_out_has_a_setting_too():
    settings = memory_settings(PRESETS["default"], **ORDINARY | {"latency": 5, "write_latency": None})
    assert settings["write_latency"] == 5
    assert settings["reads"] >= settings["max_reads"] and settings["writes"] >= settings["max_writes"]


def test_the_longest_latency_is_no_deadlock():
    assert 3 * LONGEST < DEFAULT_WATCHDOG            # "reorder" draws up to three times the latency


@pytest.mark.parametrize("option, value, words", [
    ("latency", 0, "latency = 0: must be a number from 1"),
    ("latency", 2.5, "latency = 2.5: must be a whole"),
    ("latency", "16", "latency = '16'"), ("write_latency", 10**9, "write_latency = 1000000000"),
    ("bandwidth", 0, "bandwidth = 0"), ("bandwidth", 1.5, "bandwidth = 1.5"), ("stall", 1, "stall = 1"),
    ("outstanding", 0, "outstanding = 0"), ("outstanding", 2.5, "outstanding = 2.5: must be a whole"),
    ("latency", LONGEST + 1, f"latency = {LONGEST + 1}: must be a number from 1 to {LONGEST}"),
    ("seed", -1, "seed = -1"), ("order", "random", "order = 'random'"),
    ("early", True, "early = True")])
def test_options_out_of_range(option, value, words):
    with pytest.raises(ValueError, match=words):
        memory_settings(PRESETS["default"], **ORDINARY | {option: value})


def test_memory_beyond_the_addresses():
    with pytest.raises(ValueError, match="memory_size = 8589934592: the accelerator's addresses have 32 bits"):
        open_device("tsim", "tiny", memory_size=8 << 30)


# on the RTL

@pytest.fixture(scope="module")
def device():
    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        yield device


@pytest.fixture
def program(device):
    """Loads accumulators and stores them; the fields of its LOAD are `program.first`."""
    device.reset()
    program = Program(device)
    program.first = program.fill(MemType.ACC, [1, 2, 3, 4])
    program.store(4)
    yield program
    for buffer in program.buffers:
        buffer.free()


@pytest.mark.rtl
def test_counters_are_what_the_memory_saw(device, program):
    result = program.run()
    counts = device.last_traffic["counts"]
    assert counts == {name: result.counters[name] for name in (
        "read_beats", "read_bursts", "write_beats", "write_bursts")} | {
            "under_way": 0, "violations": 0, "bad_addresses": 0}
    assert program.run().cycles == result.cycles
    assert device.stats()["cycle_count"] >= 2 * result.cycles


@pytest.mark.rtl
def test_address_outside_of_dram_is_named(device, program):
    program.first["dram_base"] = (2 << 20) // device.config.tile_bytes["ACC"]
    with pytest.raises(BusError, match=r"compute, .*outside of DRAM: read at 0x200000 in cycle") as caught:
        program.run()
    assert caught.value.result.cycles > 0
    program.first["dram_base"] = 0
    program.run()                                            # the device still works


@pytest.mark.rtl
def test_injected_errors(device, program):
    address = program.first["dram_base"] * device.config.tile_bytes["ACC"]
    device.inject_error(address, address + 8, writes=False)
    with pytest.raises(BusError, match="the memory reported a failure") as caught:
        program.run()
    assert caught.value.cause is ErrorCause.AXI_READ
    device.inject_error(0, 1 << 20, reads=False)
    with pytest.raises(BusError) as caught:
        program.run()
    assert caught.value.cause is ErrorCause.AXI_WRITE
    program.run()


@pytest.mark.rtl
def test_tokens_and_reset(device):
    device.set_tokens(l2g=2, s2g=1)
    assert device.tokens == {"l2g": 2, "g2l": 0, "g2s": 0, "s2g": 1}
    device.reset()
    assert not any(device.tokens.values())


@pytest.mark.rtl
def test_deadlock_ends_by_the_watchdog(device, program):
    program.first["pop_prev"] = 1
    with pytest.raises(DeadlockError, match="no unit made progress"):
        device.run_insns(program.words(), watchdog=500)
    device.reset()
    program.first["pop_prev"] = 0
    program.run()


@pytest.mark.rtl
def test_broken_rule_is_an_error_of_the_run():
    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        device._simulation.configure(max_burst=1)
        program = Program(device)
        program.fill(MemType.ACC, [1, 2, 3, 4])
        program.store(4)
        with pytest.raises(DeviceError, match=r"broke an AXI rule: cycle \d+, port 0, AR: \d+ beats, the limit"):
            program.run()


@pytest.mark.rtl
def test_memory_is_as_before_after_a_bad_option(device, program):
    cycles = program.run().cycles
    for options, words in (({"latency": 0}, "latency = 0"), ({"delay": 3}, "no option 'delay'")):
        with pytest.raises(ValueError, match=words):
            device.set_memory(**options)
    device.set_memory(stall=0)
    assert program.run().cycles == cycles


@pytest.mark.rtl
def test_numbers_of_numpy_and_watchdogs(device, program):
    words = program.words()
    with device.memory.alloc(words.nbytes, 4096) as stream:
        stream.view(np.uint64)[:] = words.reshape(-1)
        assert device.run(np.int64(stream.address), np.int64(len(words)), watchdog=np.int32(1000)).cycles
        for watchdog in (-1, 1 << 32):
            with pytest.raises(ValueError, match=f"watchdog = {watchdog}: must be from 0 to"):
                device.run(stream.address, len(words), watchdog=watchdog)
    assert program.run().cycles


@pytest.mark.rtl
def test_rule_broken_after_the_interrupt(device, program, monkeypatch):
    report = device.traffic
    monkeypatch.setattr(device, "traffic", lambda: report() | {"violations": ["cycle 9, port 0, AW: late"]})
    with pytest.raises(DeviceError, match="broke an AXI rule: cycle 9, port 0, AW: late") as caught:
        program.run()
    assert caught.value.result.cycles > 0


@pytest.mark.rtl
@pytest.mark.parametrize("kind", [KeyboardInterrupt, BrokenPipeError])
def test_a_run_broken_off_ends_the_simulator_at_once(kind):
    def stop(cycles):
        raise kind

    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        program = SelftestProgram(device)
        with pytest.raises(kind):
            device.run_insns(program.endless, watchdog=0, progress=stop)
        for use in (lambda: device.tokens, device.reset, lambda: device.run_insns(program.good)):
            with pytest.raises(SimulationError, match="the simulation has ended"):
                use()


@pytest.mark.rtl
def test_one_request_at_a_time():
    refused = []

    def ask(cycles):
        with pytest.raises(SimulationError, match="during another request") as caught:
            device.reset()
        refused.append(caught)

    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        program = SelftestProgram(device)
        device.run_insns(program.good)
        driver = device.driver
        with device.memory.alloc(program.endless.nbytes, 4096) as stream:
            stream.view(np.uint64)[:] = program.endless.reshape(-1)
            driver.launch(stream.address, len(program.endless), 0)
            device._simulation.run(10_000, ask, step=1000)
            device.reset()
        assert refused and device.run_insns(program.good).cycles
    with pytest.raises(SimulationError, match="the simulation has ended"):
        device.tokens                                # noqa: B018
