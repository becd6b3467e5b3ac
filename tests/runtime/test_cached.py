"""Memory behind a cache: what the host and the accelerator see, and how much is flushed and invalidated for it."""

import contextlib
import random
from types import SimpleNamespace

import numpy as np
import pytest

from vta.runtime.cached import LINE, CachedMemory
from vta.runtime.memory import AddressError

SIZE = 128 * LINE                # two pages


def memory_and_dram(cache_line=LINE, kind=CachedMemory, base=0):
    """A memory and its DRAM; the cache holds every line, and writes back whole lines that the host changed.

    `dram.log` has (operation, start, end) of each maintenance.
    """
    storage, clean_copy = np.full(SIZE, 0xA5, np.uint8), np.full(SIZE, 0xA5, np.uint8)
    dram = SimpleNamespace(bytes=np.full(SIZE, 0x5A, np.uint8), log=[])

    def rows(start, end):
        assert start < end and start % LINE == end % LINE == 0, "whole lines"
        return (array[start:end].reshape(-1, cache_line) for array in (storage, clean_copy, dram.bytes))

    def clean(start, end):
        dram.log.append(("clean", start, end))
        seen, before, there = rows(start, end)
        dirty = (seen != before).any(axis=1)
        there[dirty] = before[dirty] = seen[dirty]

    def discard(start, end):
        dram.log.append(("discard", start, end))
        seen, before, there = rows(start, end)
        seen[:] = before[:] = there

    memory = kind(storage, clean, discard, base)
    dram.log.clear()
    return memory, dram


@contextlib.contextmanager
def run(memory, dram):
    """A run: the body is what the accelerator does in `dram.bytes`."""
    memory.flush()
    yield
    memory.invalidate()


def test_zero_at_first():
    memory, dram = memory_and_dram()
    assert not memory.bytes.any() and not dram.bytes.any()


def test_only_what_was_written_is_flushed_and_only_what_is_read_is_invalidated():
    memory, dram = memory_and_dram()
    memory.write(130, bytes(range(1, 5)))
    memory.write(1000, b"x")
    with run(memory, dram):
        assert dram.log == [("clean", 128, 192), ("clean", 960, 1024)]
        assert list(dram.bytes[130:134]) == [1, 2, 3, 4]
        dram.bytes[4096:4200] = 9
    dram.log.clear()
    assert (memory.read(4096, 100) == 9).all() and (memory.read(4096, 100) == 9).all()
    assert dram.log == [("discard", 4096, 4224)], "once, and only there"
    with run(memory, dram):
        pass
    assert dram.log[1:] == [], "nothing was written since"


def test_an_array_may_be_used_at_any_time():
    memory, dram = memory_and_dram()
    array = memory.view(256, 64).view(np.int8)[8:]
    for value in (1, 2):
        array[:4] = value
        with run(memory, dram):
            assert (dram.bytes[264:268] == value).all()
            array[4:8] = value                   # another thread, during the run
            dram.bytes[512] = value
        assert (array[:8] == value).all()
    dram.log.clear()
    del array
    with run(memory, dram):
        assert dram.log == [("clean", 256, 320)], "the last time"
        dram.bytes[264] = 77
    assert memory.read(264, 1) == 77 and memory.read(512, 1) == 2
    dram.log.clear()
    with run(memory, dram):
        assert dram.log == []


def test_an_array_that_goes_during_a_run():
    memory, dram = memory_and_dram()
    array = memory.view(256, 64)
    with run(memory, dram):
        array[0] = 5
        del array
        for n in range(200):                     # makes the memory look for arrays that are gone
            memory.view(64 * (n % 3), 64)
    assert memory.read(256, 1) == 5


def test_a_write_during_a_run_is_kept_for_the_next():
    memory, dram = memory_and_dram()
    with run(memory, dram):
        memory.write(640, b"next")
    assert bytes(memory.read(640, 4)) == b"next"
    with run(memory, dram):
        assert bytes(dram.bytes[640:644]) == b"next"


def test_many_arrays_do_not_pile_up():
    memory, _ = memory_and_dram()
    for n in range(1000):
        memory.view(n, 1)[:] = 1
    assert len(memory._lent) < 100


def test_buffers_have_lines_of_their_own():
    memory, _ = memory_and_dram()
    a, b = memory.alloc(3, align=1), memory.alloc(100, align=4)
    assert a.address % LINE == b.address % LINE == 0 and abs(a.address - b.address) >= LINE
    assert (a.nbytes, a.array.size, b.nbytes) == (3, 3, 100)


def test_base_clear_and_close():
    memory, dram = memory_and_dram(base=0x1000_0000)
    memory.write(0x1000_0010, b"abc")
    memory.flush()
    assert bytes(dram.bytes[16:19]) == b"abc"
    memory.clear()
    memory.flush()
    assert not dram.bytes.any()
    with pytest.raises(AddressError, match="outside of DRAM"):
        memory.read(0x1000_0000 + SIZE - 1, 2)
    memory.close()
    assert memory.bytes.size == 0
    with pytest.raises(AddressError, match="was closed"):
        memory.write(0x1000_0000, b"a")


class NeverFlushes(CachedMemory):
    def flush(self):
        pass


class NeverInvalidates(CachedMemory):
    def invalidate(self):
        pass


class ForgetsArrays(CachedMemory):
    def _unnoticed(self):
        return ()


class WritesIntoStaleLines(CachedMemory):
    def write(self, address, data):
        acquire, self._acquire = self._acquire, lambda start, end: None
        super().write(address, data)
        self._acquire = acquire


def coherent(seed, kind, cache_line):
    """Whether host and accelerator see each other's bytes in random runs; both act on buffers of their own."""
    rng = random.Random(seed)
    memory, dram = memory_and_dram(cache_line, kind)
    buffers, expected, held = [memory.alloc(rng.choice((40, 64, 200))) for _ in range(6)], {}, []
    for buffer in buffers:
        expected[buffer] = bytearray(buffer.nbytes)
        memory.write(buffer.address, bytes(buffer.nbytes))

    def part(buffer):
        start = rng.randrange(buffer.nbytes)
        return start, bytes(rng.randrange(256) for _ in range(rng.randint(1, buffer.nbytes - start)))

    def host(buffer):
        start, data = part(buffer)
        action = rng.choice(("write", "array", "hold", "drop", "read", "use"))
        if action == "write":
            memory.write(buffer.address + start, data)
        elif action == "array":
            buffer.array[start:start + len(data)] = list(data)
        elif action == "hold":
            held.append((buffer, buffer.view(np.int8)))
            return True
        elif action == "drop":
            del held[:1]
            return True
        elif action == "use" and held and held[0][0] is buffer:
            held[0][1].view(np.uint8)[start:start + len(data)] = list(data)
        else:
            return bytes(memory.read(buffer.address, buffer.nbytes)) == expected[buffer]
        expected[buffer][start:start + len(data)] = data
        return True

    for _ in range(30):
        if not all(host(rng.choice(buffers)) for _ in range(rng.randrange(6))):
            return False
        with run(memory, dram):
            own = rng.sample(buffers, 3)         # the accelerator's in this run; the rest are the host's
            if any(bytes(dram.bytes[b.address:b.address + b.nbytes]) != expected[b] for b in buffers):
                return False
            for buffer in own:
                start, data = part(buffer)
                dram.bytes[buffer.address + start:buffer.address + start + len(data)] = list(data)
                expected[buffer][start:start + len(data)] = data
            if not all(host(rng.choice([b for b in buffers if b not in own])) for _ in range(rng.randrange(3))):
                return False
        if any(array.tobytes() != expected[buffer] for buffer, array in held):
            return False
    return all(bytes(buffer.array) == expected[buffer] for buffer in buffers)


@pytest.mark.parametrize("cache_line", [32, 64])
@pytest.mark.parametrize("seed", range(20))
def test_random_runs_are_coherent(seed, cache_line):
    assert coherent(seed, CachedMemory, cache_line)


@pytest.mark.parametrize("kind", [NeverFlushes, NeverInvalidates, ForgetsArrays, WritesIntoStaleLines])
def test_mistakes_would_be_seen(kind):
    assert not all(coherent(seed, kind, 64) for seed in range(20))
