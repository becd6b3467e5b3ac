"""Conversion of numpy tensors to the tiled layouts in DRAM, and back.

| tensor | numpy | tiled |
|---|---|---|
| activations | (N, C, H, W), or (N, C) | (N/batch, C/block, H, W, batch, block) |
| weights | (O, I, H, W), or (O, I) | (O/block, I/block, H, W, block, block), a tile being [out][in] |
| bias | (O,) | (1, O/block, 1, 1, batch, block), the same for each row of the batch |

Any number of dimensions may lie between the channels and the tile. With `pad=True` channels and batch are
zero-padded to full tiles, and unpacking removes the padding; else they must fit. Values are checked, never
clipped.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from vta.hw.config import Config


class LayoutError(ValueError):
    """A tensor that does not fit the layout; the message shows shape or value, and the limit."""


def pack_activations(array: ArrayLike, config: Config, *, pad: bool = False, dtype: DTypeLike = np.int8) -> np.ndarray:
    """(N, C, ...) -> (N/batch, C/block, ..., batch, block), contiguous."""
    array = _checked(array, dtype, 2, "activations")
    return _pack(array, config.batch, config.block, pad, "activations", ("batch", "channels"))


def unpack_activations(tiles: np.ndarray, config: Config, channels: int | None = None,
                       batch: int | None = None) -> np.ndarray:
    """(n, c, ..., batch, block) -> (N, C, ...); `channels` and `batch` remove the padding."""
    return _unpack(tiles, config.batch, config.block, batch, channels, "activations")


def pack_weights(array: ArrayLike, config: Config, *, pad: bool = False, dtype: DTypeLike = np.int8) -> np.ndarray:
    """(O, I, ...) -> (O/block, I/block, ..., block, block), contiguous."""
    array = _checked(array, dtype, 2, "weights")
    return _pack(array, config.block, config.block, pad, "weights", ("output channels", "input channels"))


def unpack_weights(tiles: np.ndarray, config: Config, outputs: int | None = None,
                   inputs: int | None = None) -> np.ndarray:
    """(o, i, ..., block, block) -> (O, I, ...); `outputs` and `inputs` remove the padding."""
    return _unpack(tiles, config.block, config.block, outputs, inputs, "weights")


def pack_bias(array: ArrayLike, config: Config, *, pad: bool = False, dtype: DTypeLike = np.int32) -> np.ndarray:
    """(O,) -> (1, O/block, 1, 1, batch, block), the same for each row of the batch."""
    array = _checked(array, dtype, 1, "bias")
    if array.ndim != 1:
        raise LayoutError(f"bias of shape {array.shape}: must have 1 dimension")
    rows = np.broadcast_to(array[None, :, None, None], (config.batch, len(array), 1, 1))
    return _pack(rows, config.batch, config.block, pad, "bias", ("batch", "channels"))


def _checked(array, dtype, dimensions, what):
    array, dtype = np.asarray(array), np.dtype(dtype)
    if array.ndim < dimensions:
        raise LayoutError(f"{what} of shape {array.shape}: must have at least {dimensions} dimensions")
    if array.dtype.kind not in "iu":
        raise LayoutError(f"{what} of type {array.dtype}: must be integers")
    limits = np.iinfo(dtype)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise LayoutError(f"{what} from {array.min()} to {array.max()} do not fit {dtype} "
                          f"({limits.min} to {limits.max})")
    return array.astype(dtype)


def _pack(array, rows, columns, pad, what, names):
    """(R, C, ...) -> (R/rows, C/columns, ..., rows, columns)."""
    missing = [-size % tile for size, tile in zip(array.shape, (rows, columns), strict=False)]
    if any(missing):
        if not pad:
            raise LayoutError(f"{what} of shape {array.shape}: {names[0]} {array.shape[0]} must be a "
                              f"multiple of {rows}, {names[1]} {array.shape[1]} of {columns} (or set pad)")
        array = np.pad(array, [(0, n) for n in missing] + [(0, 0)] * (array.ndim - 2))
    split = array.reshape(array.shape[0] // rows, rows, array.shape[1] // columns, columns, *array.shape[2:])
    return np.ascontiguousarray(np.moveaxis(split, (1, 3), (-2, -1)))


def _unpack(tiles, rows, columns, keep_rows, keep_columns, what):
    """The inverse of _pack, the first `keep_rows` and `keep_columns` of it."""
    tiles = np.asarray(tiles)
    if tiles.ndim < 4 or tiles.shape[-2:] != (rows, columns):
        raise LayoutError(f"{what} of shape {tiles.shape}: the last two dimensions must be "
                          f"({rows}, {columns}), with at least two before them")
    array = np.moveaxis(tiles, (-2, -1), (1, 3))
    array = array.reshape(array.shape[0] * rows, array.shape[2] * columns, *array.shape[4:])
    for keep, size in zip((keep_rows, keep_columns), array.shape, strict=False):
        if keep is not None and not 0 < keep <= size:
            raise LayoutError(f"{what}: cannot keep {keep} of {size}")
    return np.ascontiguousarray(array[:keep_rows, :keep_columns])
