"""Vector files: their contents, and a separate message for every way to be malformed."""

import numpy as np
import pytest
from vector_files import write_vector

from vta.hw.config import Config
from vta.runtime.vector import VectorError, load_vector

FINISH = [[3, 0]]


def test_reads_what_was_written(tmp_path):
    config = {"LOG_BLOCK": 5, "LOG_BATCH": 0}
    path = write_vector(tmp_path / "v.npz", FINISH, [(0x2000, [1, 2, 3])], [(0x3000, [9])], stats={
        "tokens_before": {"s2g": 1}, "tokens_left": {"s2g": 1}, "gemm_counter": 5, "config": config})
    vector = load_vector(path)
    assert vector.name == "v" and vector.config == Config(log_block=5)
    assert vector.insns.tolist() == FINISH and vector.insn_address == 0x10000
    assert [(address, data.tolist()) for address, data in vector.after] == [(0x3000, [9])]
    assert [address for address, _ in vector.before] == [0x10000, 0x2000]
    assert vector.tokens_before == {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": 1}
    assert vector.stats == {"gemm_counter": 5}


def test_configuration_defaults(tmp_path):
    assert load_vector(write_vector(tmp_path / "v.npz", FINISH)).config == Config()


@pytest.mark.parametrize("keep", [0, 1, 10, 200, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, keep):
    path = write_vector(tmp_path / "v.npz", FINISH)
    whole = path.read_bytes()
    path.write_bytes(whole[:int(keep if keep >= 1 else keep * len(whole))])
    with pytest.raises(VectorError, match="not a vector file, or a truncated one"):
        load_vector(path)


def test_damaged_file(tmp_path):
    path = write_vector(tmp_path / "v.npz", FINISH, [(0x2000, np.arange(256))])
    data = bytearray(path.read_bytes())
    for position in range(40, 60):
        data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(VectorError):
        load_vector(path)


def test_pickles_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(VectorError, match="not a vector file"):
        load_vector(tmp_path / "v.npy")


def test_single_array_is_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.zeros(3))
    with pytest.raises(VectorError, match="not a vector but a single array"):
        load_vector(tmp_path / "v.npy")


@pytest.mark.parametrize("keys, words", [
    ({"insns": np.zeros((4, 3), np.uint64)}, r"insns has shape \(4, 3\)"),
    ({"insns": np.zeros((0, 2), np.uint64)}, "insns has shape"),
    ({"insns": np.zeros((4, 2))}, "key 'insns' has type float64"),
    ({"mem_before_len": np.array([5])}, r"1 lengths of 5 bytes in all, but 16 bytes of data"),
    ({"mem_after_len": np.array([-1, 1])}, "mem_after"),
    ({"stats": "{"}, "stats: "),
    ({"stats": "[" * 100_000}, "stats: maximum recursion depth"),
    ({"regions": np.array(3)}, "regions is not a list of"),
    ({"regions": np.zeros((2, 3), np.uint64)}, "regions is not a list of"),
    ({"stats": "[]"}, "stats is not a JSON object"),
    ({"stats": '{"tokens_before": {"x": 1}}'}, "bad tokens_before"),
    ({"stats": '{"tokens_left": {"s2g": -1}}'}, "bad tokens_left"),
    ({"stats": '{"config": {"LOG_BLOCK": 9}}'}, "log_block = 9"),
])
def test_malformed_file(tmp_path, keys, words):
    with pytest.raises(VectorError, match=words):
        load_vector(write_vector(tmp_path / "v.npz", FINISH, **keys))


def test_missing_key(tmp_path):
    np.savez(tmp_path / "v.npz", insns=np.zeros((1, 2), np.uint64))
    with pytest.raises(VectorError, match="key 'insn_phy_addr' is missing"):
        load_vector(tmp_path / "v.npz")
