"""The device contract, on the functional simulator."""

import numpy as np
import pytest
from small_programs import Program

from vta.hw.config import Config, ConfigError
from vta.hw.isa import AluOp, MemType, Unit
from vta.hw.registers import ErrorCause
from vta.runtime.device import DeviceError, InstructionError, open_device, run_error
from vta.runtime.memory import AddressError


@pytest.fixture
def device():
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        yield device


def test_run_reports_everything(device):
    program = Program(device)
    program.uops((0, 0))
    program.fill(MemType.ACC, [1, 2, 3])
    program.alu(AluOp.ADD, 1, loop=(1, 3), dst=(0, 1))
    program.store(3)
    result = program.run()
    assert result.cycles is None and result.seconds > 0
    expected = {"acc_tiles": 3, "alu_steps": 3, "out_tiles": 3, "uop_words": 1}
    assert {name: result.counters[name] for name in expected} == expected
    assert result.stats == {"inp_load_nbytes": 0, "wgt_load_nbytes": 0, "acc_load_nbytes": 48,
                            "uop_load_nbytes": 4, "out_store_nbytes": 12, "gemm_counter": 0, "alu_counter": 3}
    assert not any(result.tokens_left.values())


def test_statistics_accumulate(device):
    program = Program(device)
    program.uops((0, 0))
    program.alu(AluOp.ADD, 1, loop=(3, 3))
    program.run()
    program.run()
    assert device.stats()["alu_counter"] == 18
    device.clear_stats()
    assert not any(device.stats().values())


def test_failed_run_counts(device):
    program = Program(device)
    program.uops((0, 0))
    program.alu(AluOp.ADD, 1, loop=(1, 2), dst=(0, device.config.depth["ACC"] - 1))
    program.alu(7, 1)
    with pytest.raises(InstructionError, match="compute, instruction 2: unknown opcode") as error:
        program.run()
    assert error.value.result.stats["alu_counter"] == 2 == device.stats()["alu_counter"]


@pytest.mark.parametrize("address, count, words", [
    (0x1000, 0, "a stream of 0 instructions"), (0x1008, 1, "0x1008 is not a multiple of 16"),
    ((1 << 20) - 16, 2, "outside of DRAM"), (-16, 1, "outside of DRAM")])
def test_bad_streams(device, address, count, words):
    with pytest.raises(ValueError, match=words):
        device.run(address, count)


def test_stream_is_freed(device):
    before = device.memory.alloc(16)
    device.run_insns(np.array([[3, 0]], np.uint64))
    before.free()
    assert device.memory.alloc(16).address == before.address


@pytest.mark.parametrize("counts, words", [
    ({"x2y": 1}, "no dependency queue 'x2y'"), ({"l2g": -1}, "-1 tokens in l2g"),
    ({"l2g": 1.5}, "1.5 tokens")])
def test_bad_tokens(device, counts, words):
    with pytest.raises(ValueError, match=words):
        device.set_tokens(**counts)


@pytest.mark.parametrize("name, options, words", [
    ("simulator", {}, "no device 'simulator'; there are sim, tsim, pynq"),
    ("sim", {"latency": 3}, "device 'sim' has no option 'latency'; it has memory_size"),
    ("sim", {"memory_size": 100}, "a DRAM of 100 bytes")])
def test_bad_devices(name, options, words):
    with pytest.raises(ValueError, match=words):
        open_device(name, **options)


def test_configuration_by_name_and_file(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(Config(log_block=3, log_inp_buff_size=14, log_wgt_buff_size=16,
                           log_acc_buff_size=16).to_json())
    with open_device("sim", path) as device:
        assert device.config.block == 8
    with pytest.raises(ConfigError, match="neither a file nor a preset"):
        open_device("sim", "nowhere")


def test_errors_in_words():
    error = run_error(ErrorCause.INDEX, Unit.LOAD, 5, "INP index 2048")
    assert str(error) == ("load, instruction 5: on-chip index beyond its memory: wrapped around: "
                          "INP index 2048")
    assert isinstance(error, InstructionError) and (error.unit, error.insn) == (Unit.LOAD, 5)
    for cause in ErrorCause:
        assert isinstance(run_error(cause), DeviceError) and str(run_error(cause))


def test_closed_device_refuses():
    device = open_device("sim", "tiny", memory_size=1 << 20)
    device.close()
    with pytest.raises(AddressError):
        device.run(0x1000, 1)
