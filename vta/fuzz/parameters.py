"""Parameters of requantisation for random programs: triples of accumulator tiles, in DRAM at DATA."""

import numpy as np

from vta.hw.requantisation import Rounding
from vta.sim.functional.requantise import Parameters

SETS = 32
TILES = 3                # of a set: M, B, S
CORNERS = np.array([0, 1, -1, 2, 1 << 30, (1 << 31) - 1, -1 << 31, (1 << 31) - 128, -(1 << 30), 1 << 16, 1 << 17])
EARLY_BITS = 21          # of a multiplier whose products are dropped early
RAW = 0.1                # of the lanes


def parameter_tiles(config, seed):
    """(SETS * TILES, lanes) int32. A third of the sets are what layers of networks have, a third give many results
    that are exactly between two, a third are anything; lanes have parameters of their own."""
    rng = np.random.default_rng((seed, SETS))
    shape = SETS, config.lanes
    kind = np.broadcast_to(np.arange(SETS)[:, None] % 3, shape)
    ties = kind == 1
    early = rng.random(shape) < 0.3
    multiplier = rng.integers(1 << 30, 1 << 31, shape)
    multiplier = np.where(ties, 1 << rng.integers(20, 31, shape), multiplier)
    multiplier = np.where(early, multiplier >> 31 - EARLY_BITS, multiplier)
    shift = np.where(early, rng.integers(0, 32, shape), rng.integers(0, 15, shape))
    bias = rng.integers(-1 << 17, 1 << 17, shape) >> rng.integers(0, 18, shape)
    sensible = Parameters(multiplier, bias, shift, rng.choice(list(Rounding), shape),
                          rng.choice((0, 0, -128, 127, *range(-256, 256, 51)), shape), early, rng.random(shape) < RAW)
    words = np.stack(sensible.words(), axis=1)
    anything = rng.integers(-1 << 31, 1 << 31, words.shape, np.int64)
    corners = rng.choice(CORNERS, words.shape)
    anything = np.where(rng.random(words.shape) < 0.2, corners, anything).astype(np.int32)
    return np.where((kind == 2)[:, None], anything, words).reshape(-1, config.lanes)
