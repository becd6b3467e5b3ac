"""The RTL as a device: options, errors, traffic. What programs compute is tested elsewhere."""

import pytest
from programs import Program

from vta.hw.config import PRESETS
from vta.hw.isa import MemType
from vta.hw.registers import ErrorCause
from vta.runtime.device import BusError, DeadlockError, DeviceError, open_device
from vta.runtime.tsim import memory_settings

ORDINARY = {"latency": 16, "write_latency": 16, "outstanding": None, "bandwidth": 1.0, "stall": 0.0,
            "seed": 1, "order": "in_order", "early": 0.0}


def test_settings_name_the_promises_of_the_accelerator():
    config = PRESETS["tiny"]
    settings = memory_settings(config, **ORDINARY | {"stall": 0.25, "order": "interleave", "outstanding": 3})
    assert settings["max_reads"] == config.read_outstanding and settings["read_ids"] == config.read_ids
    assert settings["max_burst"] == config.max_burst and settings["max_writes"] == config.write_outstanding
    assert settings["stall_r"] == settings["stall_aw"] == 0.25 and settings["order"] == 2
    assert settings["reads"] == settings["writes"] == 3


@pytest.mark.parametrize("option, value, words", [
    ("latency", 0, "latency = 0: must be a number from 1"),
    ("latency", 2.5, "latency = 2.5: must be a whole"),
    ("latency", "16", "latency = '16'"), ("write_latency", 10**9, "write_latency = 1000000000"),
    ("bandwidth", 0, "bandwidth = 0"), ("bandwidth", 1.5, "bandwidth = 1.5"), ("stall", 1, "stall = 1"),
    ("outstanding", 0, "outstanding = 0"), ("seed", -1, "seed = -1"), ("order", "random", "order = 'random'"),
    ("early", True, "early = True")])
def test_options_out_of_range(option, value, words):
    with pytest.raises(ValueError, match=words):
        memory_settings(PRESETS["default"], **ORDINARY | {option: value})


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
    program.run()                                            # the device goes on


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
