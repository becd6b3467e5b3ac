"""Background runs: correct results in order, preparation during a run, errors in the right future."""

import asyncio
import threading

import numpy as np
import pytest

import vta
from vta.compiler.program import Program, ProgramError
from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.stream import COMPUTE, STORE, Stream
from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType
from vta.runtime.device import DeadlockError, open_device
from vta.runtime.functional import FunctionalDevice
from vta.runtime.jobs import Jobs

CONFIG = PRESETS["tiny"]
DEADLINE = 60
TILES = 3
SHAPE = (TILES, CONFIG.lanes)


def shift(amount):
    """A program: res = data >> amount, on a few accumulator tiles."""
    s = Stream(CONFIG)
    data = s.buffer("data", SHAPE, "int32", "input")
    res = s.buffer("res", SHAPE, "int8", "output")
    s.load_buffer_2d(data, 0, TILES, 1, TILES, (0, 0, 0, 0), 0, MemType.ACC)
    with s.uop_kernel("shift"), s.uop_loop(TILES, 1, 1, 0):
        s.uop_push(KernelMode.ALU, 0, 0, 0, 0, AluOp.SHR, True, amount)
    s.dep_push(COMPUTE, STORE)
    s.dep_pop(COMPUTE, STORE)
    s.store_buffer_2d(0, MemType.OUT, res, 0, TILES, 1, TILES)
    s.sync()
    return Program.from_code(s.code(), f"shift_{amount}")


def data(n):
    return (np.arange(TILES * CONFIG.lanes, dtype=np.int32) * 5 + n).reshape(SHAPE)


@pytest.fixture
def device():
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        yield device


@pytest.fixture
def held_up(monkeypatch):
    """(running, go_on): runs set the one and wait for the other."""
    running, go_on = threading.Event(), threading.Event()
    plain = FunctionalDevice._run

    def slow(self, *arguments):
        running.set()
        assert go_on.wait(DEADLINE)
        return plain(self, *arguments)

    monkeypatch.setattr(FunctionalDevice, "_run", slow)
    return running, go_on


def test_two_programs_in_turn(device):
    free = device.memory.alloc(1).address
    with Jobs(device) as jobs:
        one, two = jobs.load(shift(1)), jobs.load(shift(2), slots=3)
        futures = [(one, two)[n % 2].submit(data=data(n)) for n in range(20)]
        for n, future in enumerate(futures):
            outputs, result = future.result(DEADLINE)
            assert (outputs["res"] == (data(n) >> 1 + n % 2).astype(np.int8)).all()
            assert result.counters["out_tiles"] == TILES
    assert device.memory.alloc(1).address == free + 64, "the programs' memory is free again"


def check_many(device, count):
    with Jobs(device) as jobs:
        program = jobs.load(shift(2))
        futures = [program.submit(data=data(n)) for n in range(count)]
        for n, future in enumerate(futures):
            assert (future.result(DEADLINE)[0]["res"] == (data(n) >> 2).astype(np.int8)).all()


def test_on_a_remote_device():
    pytest.importorskip("msgpack")
    from vta.runtime.remote.serve import Server
    server = Server(lambda: FunctionalDevice("tiny", 1 << 20), None)
    threading.Thread(target=server.serve_forever).start()
    try:
        with open_device(server.url, "tiny") as device:
            check_many(device, 50)
    finally:
        server.close()


@pytest.mark.rtl
def test_on_the_rtl():
    with open_device("tsim", "tiny", memory_size=1 << 20) as device:
        check_many(device, 10)


def test_inputs_are_written_while_another_run_is_under_way(device, held_up):
    running, go_on = held_up
    with Jobs(device) as jobs:
        program = jobs.load(shift(1))
        first = program.submit(data=data(1))
        assert running.wait(DEADLINE)
        second = program.submit(data=data(2))        # returns: the second slot is free
        assert not first.done() and not second.done()
        go_on.set()
        for n, future in ((1, first), (2, second)):
            assert (future.result(DEADLINE)[0]["res"] == (data(n) >> 1).astype(np.int8)).all()


def test_leaving_waits_for_all(device):
    with Jobs(device) as jobs:
        program = jobs.load(shift(1))
        futures = [program.submit(data=data(n)) for n in range(5)]
    assert all(future.done() for future in futures)


def test_wrong_inputs_raise_at_once_and_take_no_slot(device):
    with Jobs(device) as jobs:
        program = jobs.load(shift(1), slots=1)
        for _ in range(3):
            with pytest.raises(ProgramError, match="missing"):
                program.submit()
        assert program.submit(data=data(0)).result(DEADLINE)


def test_a_failed_run_does_not_spoil_the_next(device, monkeypatch):
    plain, runs = FunctionalDevice._run, []

    def failing(self, *arguments):
        runs.append(1)
        if len(runs) == 2:
            self.set_tokens(g2s=5)
            raise DeadlockError("no unit made progress")
        return plain(self, *arguments)

    monkeypatch.setattr(FunctionalDevice, "_run", failing)
    with Jobs(device) as jobs:
        program = jobs.load(shift(1))
        futures = [program.submit(data=data(n)) for n in range(3)]
        with pytest.raises(DeadlockError):
            futures[1].result(DEADLINE)
        for n in (0, 2):
            assert (futures[n].result(DEADLINE)[0]["res"] == (data(n) >> 1).astype(np.int8)).all()
    assert device.tokens["g2s"] == 0


def test_in_a_coroutine(device):
    async def several():
        with Jobs(device) as jobs:
            program = jobs.load(shift(1))
            futures = [asyncio.wrap_future(program.submit(data=data(n))) for n in range(3)]
            return [outputs["res"] for outputs, _ in await asyncio.gather(*futures)]
    for n, found in enumerate(asyncio.run(several())):
        assert (found == (data(n) >> 1).astype(np.int8)).all()


def test_no_slots(device):
    with Jobs(device) as jobs, pytest.raises(ValueError, match="0 slots: at least 1"):
        jobs.load(shift(1), slots=0)


def test_statistics_of_the_process():
    vta.clear_stats()
    assert set(vta.stats().values()) == {0}
    for _ in range(2):
        with open_device("sim", "tiny", memory_size=1 << 20) as device:
            shift(1).run(device, data=data(0))
    assert vta.stats()["out_store_nbytes"] == 2 * TILES * CONFIG.tile_bytes["OUT"]
    vta.clear_stats()
    assert vta.stats()["out_store_nbytes"] == 0


def test_a_cancelled_job_gives_its_slot_back(device, held_up):
    running, go_on = held_up
    with Jobs(device) as jobs:
        program = jobs.load(shift(1))
        first = program.submit(data=data(1))
        assert running.wait(DEADLINE)
        for n in range(5):                           # more than there are slots
            assert program.submit(data=data(n)).cancel()
        last = program.submit(data=data(7))
        go_on.set()
        for n, future in ((1, first), (7, last)):
            assert (future.result(DEADLINE)[0]["res"] == (data(n) >> 1).astype(np.int8)).all()


def test_nothing_is_written_after_the_end(device):
    with Jobs(device) as jobs:
        program = jobs.load(shift(1))
    others = device.memory.alloc(1 << 18)            # where the program lay
    others.array[:] = 7
    with pytest.raises(RuntimeError, match="have ended"):
        program.submit(data=data(1))
    assert (others.array == 7).all()
    with pytest.raises(RuntimeError, match="have ended"):
        jobs.load(shift(1))
