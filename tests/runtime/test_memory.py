"""DRAM: allocation, bounds, sharing with another process, and operations that must be free."""

import itertools
import mmap

import numpy as np
import pytest

from vta.runtime.memory import PAGE, AddressError, Memory, OutOfMemory


@pytest.fixture
def memory():
    memory = Memory(1 << 20)
    yield memory
    memory.close()


def test_buffers_do_not_overlap_and_are_aligned(memory):
    rng = np.random.default_rng(0)
    live = []
    for _ in range(300):
        if live and rng.random() < 0.45:
            live.pop(int(rng.integers(len(live)))).free()
        else:
            align = 1 << int(rng.integers(0, 13))
            live.append(memory.alloc(int(rng.integers(1, 4000)), align))
            assert live[-1].address % align == 0 and live[-1].address >= PAGE
    spans = sorted((b.address, b.address + b.nbytes) for b in live)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    for buffer in live:
        buffer.free()
        buffer.free()
    assert memory.alloc((1 << 20) - PAGE, PAGE).address == PAGE      # all free ranges have joined


def test_no_room(memory):
    memory.alloc(1 << 19)
    with pytest.raises(OutOfMemory, match=r"no room for 1048576 bytes: the largest free range .* has 520192"):
        memory.alloc(1 << 20)
    with pytest.raises(OutOfMemory, match="at least 1"):
        memory.alloc(0)
    with pytest.raises(OutOfMemory, match="alignment 3 is not a power of two"):
        memory.alloc(8, align=3)


def test_views_are_the_memory(memory):
    with memory.alloc(64) as buffer:
        buffer.view(np.int32, (4, 4))[2, 3] = -2
        assert memory.read(buffer.address + 44, 4).tolist() == [254, 255, 255, 255]
        assert memory.bytes[buffer.address + 44] == 254
        assert buffer.view(np.int32).shape == (16,)
        with pytest.raises(AddressError, match=r"shape \(5, 4\) of int32 takes 80 bytes, the buffer has 64"):
            buffer.view(np.int32, (5, 4))


@pytest.mark.parametrize("address, nbytes", [(-1, 1), ((1 << 20) - 1, 2), (1 << 20, 1), (1 << 40, 4)])
def test_bounds(memory, address, nbytes):
    with pytest.raises(AddressError, match="outside of DRAM"):
        memory.read(address, nbytes)
    with pytest.raises(AddressError, match="outside of DRAM"):
        memory.write(address, b"x" * nbytes)


def test_negative_size(memory):
    with pytest.raises(AddressError, match="-1 bytes lies outside of DRAM"):
        memory.read(0, -1)


def test_write_takes_arrays_and_bytes(memory):
    memory.write(0x100, np.arange(4, dtype=np.int16)[::2])
    memory.write(0x104, b"\x07\x08")
    assert memory.read(0x100, 6).tolist() == [0, 0, 2, 0, 7, 8]


def test_base_address():
    memory = Memory(1 << 16, base=0x4000_0000)
    assert memory.alloc(16).address == 0x4000_0000
    memory.write(0x4000_FFFF, b"\x05")
    assert memory.bytes[-1] == 5
    with pytest.raises(AddressError, match="0x40000000 to 0x40010000"):
        memory.read(0x100, 1)
    memory.close()


def test_untouched_memory_is_known(memory):
    assert memory.extents() == []
    memory.write(0x5000, b"\x01")
    assert memory.extents() == [(0x5000, PAGE)]
    memory.clear()
    assert memory.extents() == [] and not memory.read(0x5000, 1)[0]


def test_foreign_storage():
    memory = Memory(2 * PAGE, storage=bytearray(2 * PAGE))
    assert memory.path is None and memory.extents() == [(0, 2 * PAGE)]
    memory.write(PAGE, b"\x01")
    memory.clear()
    assert not memory.bytes.any()


def test_another_mapping_sees_the_same_bytes(memory):
    with open(memory.path, "r+b") as file, mmap.mmap(file.fileno(), memory.size) as other:
        memory.write(0x3000, b"\x2a")
        assert other[0x3000] == 42
        other[0x3001] = 43
        assert memory.read(0x3000, 2).tolist() == [42, 43]


@pytest.mark.parametrize("size", [0, PAGE, PAGE * 2 + 1])
def test_sizes(size):
    with pytest.raises(AddressError, match="must be a multiple of 4096, at least 8192"):
        Memory(size)


def test_a_second_free_leaves_the_next_owner_alone(memory):
    first = memory.alloc(64)
    first.free()
    second = memory.alloc(64)
    first.free()
    assert second.address == first.address
    assert memory.alloc(64).address != second.address


def test_minus_one_in_a_shape_is_what_is_left(memory):
    buffer = memory.alloc(96)
    assert buffer.view(np.int32, (-1, 8)).shape == (3, 8)
    assert buffer.view(np.int8, (2, -1)).shape == (2, 48)
    with pytest.raises(ValueError, match="reshape"):
        buffer.view(np.int32, (-1, 7))


def test_closed_memory_says_so():
    memory = Memory(1 << 20)
    buffer = memory.alloc(64)
    memory.close()
    for use in (lambda: memory.alloc(1), lambda: buffer.array, lambda: memory.write(4096, b"1")):
        with pytest.raises(AddressError, match="was closed"):
            use()
    buffer.free()
