"""The board device with a stand-in for PYNQ: on the functional simulator, and on the RTL."""

import asyncio
import contextlib
import importlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import fake_pynq
import numpy as np
import pytest
from small_programs import Program
from soft_registers import SoftRegisters, with_wait

from vta.compiler.ops import conv2d
from vta.hw.boards import VLNV, bitstream_name
from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS
from vta.hw.isa import AluOp, MemType
from vta.hw.registers import identity, register_map
from vta.runtime.cached import LINE
from vta.runtime.device import DeviceError, InstructionError, open_device
from vta.runtime.memory import Memory
from vta.runtime.overlay import BitstreamError, find_bitstream
from vta.runtime.selftest import selftest
from vta.suite import random_arguments

CONFIG = replace(PRESETS["tiny"], target="pynq")
SIZE, BASE = 1 << 20, 0x1680_0000
FINISH = np.array([[3, 0]], np.uint64)


def write_bitstream(folder, config=CONFIG):
    """The three files of a bitstream, as `vta bitstream` leaves them; returns the .bit."""
    folder.mkdir(parents=True, exist_ok=True)
    bit = folder / f"{bitstream_name(config)}.bit"
    bit.write_bytes(b"bits")
    bit.with_suffix(".hwh").write_text("<hwh/>")
    bit.with_suffix(".json").write_text(json.dumps({"configuration": config.to_dict() | {"name": config.name}}))
    return bit


@pytest.fixture
def board(monkeypatch, tmp_path):
    """Opens the device on a board that the functional simulator stands in for."""
    monkeypatch.setenv("VTA_BITSTREAMS", str(tmp_path))
    monkeypatch.setenv("BOARD", "Pynq-Z2")
    write_bitstream(tmp_path / "pynq" / "0.0.2")
    memory = Memory(SIZE, BASE)

    def open_board(config="tiny", interrupts=None, vlnvs=(VLNV,), hang=False, connected=True, uio=True, **options):
        registers = SoftRegisters(CONFIG, memory)
        registers.hang = hang
        fake_pynq.install(monkeypatch, with_wait(registers, interrupts), vlnvs, connected, uio)
        return open_device("pynq", config, memory_size=SIZE, **options)

    yield open_board
    fake_pynq.forget()
    memory.close()


def run_shift(device, values, amount):
    """Shift one ACC tile for each value right on the device; returns the OUT values and the RunResult."""
    program = Program(device)
    program.fill(MemType.ACC, values)
    program.uops(*((n, n, 0) for n in range(len(values))))
    program.alu(AluOp.SHR, amount, uop=(0, len(values)))
    target = program.store(len(values))
    result = program.run()
    assert (target == target[:, :1]).all()
    return list(target[:, 0]), result


def test_runs(board):
    with board() as device:
        assert run_shift(device, [4, -8, 100], 2)[0] == [1, -2, 25]
        assert run_shift(device, [7, -1], 1)[0] == [3, -1]
        assert device.overlay.download is True and device.overlay.path.endswith(".bit")
        assert device.config == CONFIG and device.memory.base == 0
        assert device.stats()["out_store_nbytes"] == 5 * CONFIG.tile_bytes["OUT"]
        device.set_tokens(g2s=3)
        assert device.tokens["g2s"] == 3
        device.reset()
        assert device.tokens["g2s"] == 0
    assert fake_pynq.backend.freed


def test_memory_seen_for_the_first_time_after_a_run_is_not_stale(board):
    with board() as device:
        run_shift(device, [1], 0)
        fake_pynq.backend.memory.view(BASE + SIZE - 8, 8)[:] = 77        # as the accelerator would
        device.memory.invalidate()
        assert (device.memory.read(SIZE - 8, 8) == 77).all()
        assert (device.memory.bytes[-8:] == 77).all()


def test_reset_ends_a_run_that_still_writes(board):
    with board() as device:
        assert not device.memory.read(SIZE - 8, 8).any()
        fake_pynq.backend.memory.view(BASE + SIZE - 8, 8)[:] = 77        # after a run that timed out, say
        device.reset()
        assert (device.memory.read(SIZE - 8, 8) == 77).all()


def test_cache_maintenance_is_for_what_a_run_uses(board):
    """A run of a placed program flushes its inputs and invalidates its outputs: not its constants, nor the rest."""
    operator = conv2d((1, 16, 8, 8), 16, 3, pad=1, bias=True, shift=6, clip=(0, 127), config=CONFIG)
    arguments = random_arguments(operator)
    expected = operator.reference(*arguments)
    with board() as device, operator.program.place(device) as placed:
        inputs = operator.pack(*arguments)
        log = fake_pynq.Buffer.log
        for _ in range(3):
            log.clear()
            outputs, _ = placed.run(**inputs)
            assert np.array_equal(operator.output(*outputs.values()), expected)
            flushed, invalidated = (sum(nbytes for kind, _, nbytes in log if kind == name)
                                    for name in ("flush", "invalidate"))
        # of the last run: the first flushes constants and stream too
        lines = {name: sum(-(-b.nbytes // LINE) * LINE for b in operator.program.buffers if b.kind == name)
                 for name in ("input", "output")}
        assert flushed == lines["input"] and invalidated == lines["output"]


def test_errors_of_a_run(board):
    with board() as device:
        with pytest.raises(InstructionError) as caught:
            device.run_insns(np.array([[7, 0], [3, 0]], np.uint64))
        assert caught.value.insn == 0 and caught.value.result is not None
        assert run_shift(device, [9], 0)[0] == [9]


def test_interrupt_left_over_from_before_is_not_the_end(board):
    with board(interrupts=[True, False], hang=True, timeout=0.2) as device, \
            pytest.raises(DeviceError, match=r"no interrupt within 0\.2 s: the accelerator still runs"):
        device.run_insns(FINISH)


def test_no_interrupt(board):
    with board(interrupts=[False], timeout=0.1) as device, \
            pytest.raises(DeviceError, match=r"no interrupt within 0\.1 s: the run has ended, .*interrupt=False polls"):
        device.run_insns(FINISH)


@pytest.mark.parametrize("options, reason", [
    (dict(connected=False), "the overlay connects no interrupt of vta"),
    (dict(uio=False), "Linux has no UIO device for interrupt 61"),
    (dict(interrupt=False), None)])
def test_polls_without_an_interrupt(board, options, reason, caplog):
    with board(interrupts=[], **options) as device:
        assert run_shift(device, [12], 1)[0] == [6]
    assert [record.message for record in caplog.records] == (
        [f"{reason}: polling for the end of each run instead"] if reason else [])


def test_polling_ends(board):
    with board(interrupt=False, hang=True, timeout=0.1) as device, \
            pytest.raises(DeviceError, match=r"not ended within 0\.1 s: the accelerator still runs"):
        device.run_insns(FINISH)


def test_works_inside_a_running_loop(board):
    """In a notebook the calling thread runs an event loop of its own."""
    async def cell():
        with board() as device:
            return run_shift(device, [12], 1)[0]
    assert asyncio.run(cell()) == [6]


def test_works_in_a_thread_without_a_loop(board):
    with ThreadPoolExecutor(1) as worker, worker.submit(board).result() as device:
        assert worker.submit(run_shift, device, [12], 1).result()[0] == [6]


def test_a_second_device_in_the_same_process(board):
    with board() as first:
        assert run_shift(first, [12], 1)[0] == [6]
        with open_device("pynq", "tiny", memory_size=SIZE) as second:
            for device in (second, first, second):
                assert run_shift(device, [20], 2)[0] == [5]


def test_pynqs_own_wait_does_not_interfere(board):
    """An IP that PYNQ makes masks all interrupts, and is woken on the loop that was current then, on no other."""
    async def wait(ip):
        await asyncio.wait_for(ip.interrupt.wait(), 0.2)

    with board() as device, contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        ips = [device.overlay.vta, device.overlay.vta]
        asyncio.set_event_loop(None)
        assert run_shift(device, [12], 1)[0] == [6]
        fake_pynq.backend.wait = lambda: True
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(wait(ips[0]))            # why `PynqDevice` does not wait so
        loop.run_until_complete(wait(ips[1]))
        loop.remove_reader(ips[0].interrupt.parent.uio)


def test_counters_are_read_as_one(board):
    with board() as device:
        run_shift(device, [12], 1)
        before = fake_pynq.Words.accesses
        run_shift(device, [12], 1)
        assert fake_pynq.Words.accesses - before < len(COUNTERS), "that many accesses are milliseconds of Python"


@pytest.mark.parametrize("vlnvs, count", [((), 0), (("other:ip:x:1.0",), 0), ((VLNV, VLNV), 2)])
def test_overlay_without_exactly_one_accelerator(board, vlnvs, count):
    with pytest.raises(DeviceError, match=f"has {count} accelerators of the kind {VLNV}"):
        board(vlnvs=vlnvs)


def test_accelerator_of_another_configuration(board, monkeypatch):
    monkeypatch.setattr("soft_registers.identity", lambda config: {
        reg.name: identity(config)[reg.name] if reg.name in ("id", "version") else 0
        for reg in register_map(config)[:20]})
    with pytest.raises(DeviceError, match="another configuration than 'tiny'"):
        board()


@pytest.mark.parametrize("board_name, target", [("Pynq-Z1", "pynq"), ("Ultra96", "ultra96"),
                                                ("KV260", "kv260"), ("", "sim"), ("Other", "sim")])
def test_target_of_the_board(board_name, target, monkeypatch, tmp_path):
    monkeypatch.setenv("VTA_BITSTREAMS", str(tmp_path))
    monkeypatch.setenv("BOARD", board_name)
    bit = write_bitstream(tmp_path / target / "0.0.2", PRESETS["default"])
    assert find_bitstream(PRESETS["default"]) == bit


def test_bitstream_files(board, tmp_path):
    bit = find_bitstream(CONFIG)
    assert bit == tmp_path / "pynq" / "0.0.2" / f"{bitstream_name(CONFIG)}.bit"
    with pytest.raises(BitstreamError, match=r"no bitstream 1x16_i8w8a32_15_15_18_17\.bit .*vta bitstream"):
        find_bitstream(PRESETS["pynq"])
    with pytest.raises(BitstreamError, match="does not fit the program: it needs LOG_BLOCK = 4, configuration"):
        board("default", bitstream=bit)
    for text in ("{}", "[" * 100_000):
        bit.with_suffix(".json").write_text(text)
        with pytest.raises(BitstreamError, match="is not a manifest of `vta bitstream`"):
            board()
    bit.with_suffix(".hwh").unlink()
    with pytest.raises(BitstreamError, match=r"\.hwh is missing"):
        board()


def test_parameters_of_the_bitstream_count(board, tmp_path):
    wide = replace(CONFIG, axi_data_width=128)
    write_bitstream(tmp_path / "pynq" / "0.0.2", wide)
    with pytest.raises(DeviceError, match="config_shape reads"):
        board()                                  # the manifest says 128 bits, the accelerator 64


def test_memory_up_to_the_last_address(board, monkeypatch):
    monkeypatch.setattr(fake_pynq, "FAR", (1 << 32) - SIZE - BASE)
    assert board().bus_base + SIZE == 1 << 32


def test_memory_that_the_accelerator_cannot_reach(board, monkeypatch):
    monkeypatch.setattr(fake_pynq, "FAR", 1 << 32)
    with pytest.raises(DeviceError, match="lies at 0x116800000, the accelerator's addresses have 32 bits"):
        board()
    assert fake_pynq.backend.freed


def test_without_pynq(monkeypatch):
    fake_pynq.pretend(monkeypatch, None)
    module = importlib.import_module("vta.runtime.pynq")
    with pytest.raises(DeviceError, match=r"pip install amaranth-vta\[pynq\]"):
        module.PynqDevice("tiny")


@pytest.mark.rtl
def test_on_the_rtl(board, monkeypatch, tmp_path):
    """The board's device and self-test, PYNQ's registers and interrupt being those of the simulated RTL."""
    from vta.sim.cosim.build import build
    from vta.sim.cosim.simulation import Simulation
    memory = Memory(SIZE, BASE)
    with Simulation(build(CONFIG), memory) as simulation:
        fake_pynq.install(monkeypatch, Rtl(simulation, memory), (VLNV,))
        with open_device("pynq", "tiny", memory_size=SIZE) as device:
            for run in range(3):
                values, result = run_shift(device, [4 + run, -8, 100], 2)
                assert values == [(4 + run) >> 2, -2, 25]
                assert result.cycles > 0 and result.counters["out_tiles"] == 3
            assert not [outcome for outcome in selftest(device) if not outcome.passed]
    memory.close()


class Rtl:
    """A backend for fake_pynq in front of a simulation."""

    def __init__(self, simulation, memory):
        self.simulation, self.memory = simulation, memory
        self.read, self.write = simulation.read, simulation.write

    def wait(self):
        return self.simulation.run(1_000_000)["interrupt"]
