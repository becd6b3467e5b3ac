"""Replaying vectors: the whole vector folder on the functional simulator, and every kind of difference."""

import numpy as np
import pytest
from vector_files import each_vector, write_vector

from vta.hw.isa import MemType, Opcode, encode, layouts, to_words
from vta.runtime.device import open_device
from vta.runtime.memory import AddressError
from vta.runtime.replay import replay
from vta.runtime.vector import VectorError, load_vector

SIZE = 1 << 20


@each_vector
def test_vectors_on_the_functional_simulator(path):
    vector = load_vector(path)
    with open_device("sim", vector.config) as device:
        assert replay(vector, device).differences == ()


@pytest.fixture
def device():
    with open_device("sim", "tiny", memory_size=SIZE) as device:
        yield device


def copy(device):
    """A stream that stores tile 0 of the accumulator, loaded from 0x8000, to 0x9000."""
    memory, tile = layouts(device.config).memory, device.config.tile_bytes
    one = {"y_size": 1, "x_size": 1, "x_stride": 1}
    words = [encode(memory, one | {"opcode": Opcode.LOAD, "mem_type": MemType.ACC,
                                   "dram_base": 0x8000 // tile["ACC"], "push_next": 1}),
             encode(memory, one | {"opcode": Opcode.STORE, "mem_type": MemType.OUT,
                                   "dram_base": 0x9000 // tile["OUT"], "pop_prev": 1, "push_prev": 1}),
             encode(memory, {"opcode": Opcode.LOAD, "pop_next": 1}), int(Opcode.FINISH)]
    return [to_words(word) for word in words]


DATA = (0x8000, np.arange(1, 17).astype(np.int32).view(np.uint8)[:16])


def test_equal(device, tmp_path):
    path = write_vector(tmp_path / "v.npz", copy(device), [DATA], [(0x9000, [1, 2, 3, 4])],
                        stats={"acc_load_nbytes": 16, "out_store_nbytes": 4})
    for _ in range(2):      # on one device, again and again
        assert replay(load_vector(path), device).equal


@pytest.mark.parametrize("after, words", [
    ([(0x9000, [1, 2, 7, 9])], "DRAM at 0x9002: expected 0x07, got 0x03 (2 bytes differ)"),
    ([], "DRAM at 0x9000: expected 0x00, got 0x01 (4 bytes differ)"),
    ([(0x9000, [1, 2, 3, 4]), (SIZE - 1, [1])], "DRAM at 0xfffff: expected 0x01, got 0x00 (1 bytes differ)"),
    ([(0x9000, [1, 2, 3, 4]), (0, [8])], "DRAM at 0x0: expected 0x08, got 0x00 (1 bytes differ)"),
])
def test_first_differing_address(device, tmp_path, after, words):
    path = write_vector(tmp_path / "v.npz", copy(device), [DATA], after)
    assert replay(load_vector(path), device).differences == (words,)


def test_what_a_vector_before_left_does_not_matter(device, tmp_path):
    replay(load_vector(write_vector(tmp_path / "a.npz", copy(device), [(0x40000, [1] * 4096)])), device)
    path = write_vector(tmp_path / "b.npz", copy(device), [DATA], [(0x9000, [1, 2, 3, 4])])
    assert replay(load_vector(path), device).equal


def test_tokens_and_statistics_are_compared(device, tmp_path):
    path = write_vector(tmp_path / "v.npz", copy(device), [DATA], [(0x9000, [1, 2, 3, 4])], stats={
        "tokens_before": {"l2g": 2}, "tokens_left": {"l2g": 1}, "acc_load_nbytes": 32})
    assert replay(load_vector(path), device).differences == (
        "tokens: expected l2g = 1, got 2", "statistics: expected acc_load_nbytes = 32, got 16")


def test_error_of_the_run_is_a_difference(device, tmp_path):
    path = write_vector(tmp_path / "v.npz", copy(device)[1:])
    outcome = replay(load_vector(path), device)
    assert "store waits at its instruction 0" in outcome.differences[0] and outcome.result is not None


def test_vector_outside_of_dram(device, tmp_path):
    path = write_vector(tmp_path / "v.npz", copy(device), [(SIZE - 2, [1, 2, 3])])
    with pytest.raises(AddressError, match=r"0xffffe \+ 3 bytes lies outside of DRAM"):
        replay(load_vector(path), device)


def test_instructions_that_are_not_in_dram(device, tmp_path):
    words = np.array(copy(device), np.uint64)
    words[1, 1] ^= 1
    path = write_vector(tmp_path / "v.npz", copy(device), [DATA], insns=words)
    with pytest.raises(VectorError, match=r"v.npz: instruction 1 of insns is not the one in DRAM at 0x10010"):
        replay(load_vector(path), device)
