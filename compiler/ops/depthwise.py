"""Depthwise convolutions: the ways to multiply each channel by itself, and their weight tiles.

| way | a step multiplies | weight tiles of a block of channels |
|---|---|---|
| GEMM | one tap | kh x kw, each a diagonal, loaded from its bytes where the machine can |
| WINDOW | `row_taps` taps of a row, as it keeps the last inputs | kh x ceil(kw / row_taps) |
"""

from dataclasses import replace

import numpy as np

from vta.compiler.ops.window import row_pieces
from vta.hw.features import Feature


def depthwise_windows(window, config, requantised):
    """[(Window, function from (C, 1, kh, kw) weights to packed ones, memory type of the weights)] of the ways that
    `config` has beyond a GEMM with square weight tiles; `window` is that of the plain GEMM."""
    found = []
    if requantised and config.has(Feature.WINDOW) and window.kernel[1] > 1 and window.dilation[1] == 1:
        rows = replace(window, row_taps=config.window_taps)
        found.append((rows, lambda weight: pack_rows(weight, rows, config), "WGT"))
    if config.has(Feature.DIAGONAL):
        diagonal = replace(window, diagonal=True)
        found.append((diagonal, lambda weight: pack_diagonals(weight, config), "WGT_DIAG"))
    return found


def _blocks(weight, config):
    """(C, 1, kh, kw) -> (blocks, block, kh, kw), with zeros."""
    channels, _, *kernel = weight.shape
    blocks = -(-channels // config.block)
    padded = np.pad(weight[:, 0], ((0, blocks * config.block - channels), (0, 0), (0, 0)))
    return padded.reshape(blocks, config.block, *kernel)


def pack_diagonals(weight, config):
    """(C, 1, kh, kw) int8 weights as the diagonals of tiles: (blocks, 1, kh, kw, block)."""
    return np.ascontiguousarray(_blocks(np.asarray(weight, np.int8), config).transpose(0, 2, 3, 1)[:, None])


def pack_rows(weight, window, config):
    """(C, 1, kh, kw) int8 weights as tiles for WINDOW: (blocks, 1, kh, pieces of a row, block, block).

    A step multiplies the input of the step t before it by column t of a lane's half: even lanes have the left half,
    odd ones the right half of their row.
    """
    blocks, lanes = _blocks(np.asarray(weight, np.int8), config), np.arange(config.block)
    pieces = row_pieces(window)
    tiles = np.zeros((len(blocks), 1, window.kernel[0], len(pieces), config.block, config.block), np.int8)
    for number, (first, taps) in enumerate(pieces):
        for back in range(taps):
            column = lanes % 2 * (config.block // 2) + back
            tiles[:, 0, :, number, lanes, column] = blocks[..., first + taps - 1 - back].transpose(1, 0, 2)
    return tiles
