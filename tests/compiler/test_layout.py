"""Layouts: compared element by element with their definition, round trips, and errors."""

import numpy as np
import pytest

from vta.compiler.layout import (
    LayoutError,
    pack_activations,
    pack_bias,
    pack_weights,
    unpack_activations,
    unpack_weights,
)
from vta.hw.config import Config

BATCH = Config(log_batch=1, log_block=3, log_inp_buff_size=12, log_wgt_buff_size=14, log_acc_buff_size=14)


def test_activations_by_definition():
    x = np.random.default_rng(0).integers(-128, 128, (4, 16, 3, 5))
    tiles = pack_activations(x, BATCH)
    assert tiles.shape == (2, 2, 3, 5, 2, 8) and tiles.dtype == np.int8 and tiles.flags.c_contiguous
    for n, c, h, w, b, k in np.ndindex(tiles.shape):
        assert tiles[n, c, h, w, b, k] == x[2 * n + b, 8 * c + k, h, w]


def test_weights_by_definition():
    x = np.random.default_rng(1).integers(-128, 128, (16, 8, 3, 1))
    tiles = pack_weights(x, BATCH)
    assert tiles.shape == (2, 1, 3, 1, 8, 8)
    for o, i, h, w, j, k in np.ndindex(tiles.shape):
        assert tiles[o, i, h, w, j, k] == x[8 * o + j, 8 * i + k, h, w]


def test_bias_is_the_same_in_each_row():
    tiles = pack_bias(np.arange(16) * 1000, BATCH)
    assert tiles.shape == (1, 2, 1, 1, 2, 8) and tiles.dtype == np.int32
    assert (tiles[0, :, 0, 0, 0] == tiles[0, :, 0, 0, 1]).all()
    assert tiles[0, :, 0, 0, 1].ravel().tolist() == (np.arange(16) * 1000).tolist()


@pytest.mark.parametrize("shape", [(2, 8), (4, 24, 7), (6, 16, 2, 3), (2, 8, 2, 2, 2)])
def test_round_trips(shape):
    x = np.random.default_rng(2).integers(-128, 128, shape).astype(np.int8)
    assert (unpack_activations(pack_activations(x, BATCH), BATCH) == x).all()
    y = x.repeat(4, axis=0)
    assert (unpack_weights(pack_weights(y, BATCH), BATCH) == y).all()


def test_padding_is_zero_and_is_cut_off():
    x = np.ones((3, 5, 2, 2), np.int8)
    tiles = pack_activations(x, BATCH, pad=True)
    assert tiles.shape == (2, 1, 2, 2, 2, 8) and tiles.sum() == x.sum()
    assert unpack_activations(tiles, BATCH, channels=5, batch=3).tolist() == x.tolist()
    w = pack_weights(np.ones((9, 3, 1, 1), int), BATCH, pad=True)
    assert w.shape == (2, 1, 1, 1, 8, 8)
    assert unpack_weights(w, BATCH, outputs=9, inputs=3).tolist() == np.ones((9, 3, 1, 1)).tolist()
    assert pack_bias(np.ones(3, int), BATCH, pad=True).sum() == 3 * BATCH.batch


@pytest.mark.parametrize("call, words", [
    (lambda: pack_activations(np.zeros((3, 8), int), BATCH), "batch 3 must be a multiple of 2, channels 8"),
    (lambda: pack_weights(np.zeros((8, 9), int), BATCH), "input channels 9 of 8"),
    (lambda: pack_bias(np.zeros(9, int), BATCH), "channels 9 of 8"),
    (lambda: pack_bias(np.zeros((8, 1), int), BATCH), "must have 1 dimension"),
    (lambda: pack_activations(np.zeros(8, int), BATCH), "at least 2 dimensions"),
    (lambda: pack_activations(np.zeros((2, 8)), BATCH), "type float64: must be integers"),
    (lambda: pack_activations(np.full((2, 8), 200), BATCH), r"200 to 200 do not fit int8 \(-128 to 127\)"),
    (lambda: unpack_activations(np.zeros((1, 1, 2, 4), np.int8), BATCH), r"must be \(2, 8\)"),
    (lambda: unpack_activations(np.zeros((1, 1, 2, 8), np.int8), BATCH, channels=9), "cannot keep 9 of 8"),
])
def test_errors(call, words):
    with pytest.raises(LayoutError, match=words):
        call()
