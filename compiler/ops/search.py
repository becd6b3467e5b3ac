"""Tilings: which are possible, and a closed form that ranks them.

The estimate is in cycles: the longer of computing and loading, the first loads and the last store, which overlap
with nothing, and a little for every instruction and micro-op kernel. Constants are those of `compiler.timing`.
"""

import itertools
import math

from vta.compiler.ops.checks import extents, need
from vta.compiler.ops.loops import growing_chunks
from vta.compiler.ops.operator import fastest
from vta.compiler.ops.post import Post
from vta.compiler.ops.rescale import Rescale
from vta.compiler.ops.tilings import saved
from vta.compiler.ops.window import TiledWindow, Tiling, Window
from vta.compiler.timing import CONSTANTS
from vta.hw.config import Config

PIECES = 6            # sizes of pieces of a large window that are tried
MAX_UOPS = 4          # a micro-op kernel fills at most this share (1/n) of its memory
INSTRUCTION = 4       # approximate cycles of one more instruction
UOP_KERNEL = 40       # approximate cycles of one more micro-op kernel, apart from the beats of its micro-ops
PARAMETERS = 30       # approximate cycles from the GEMM of one block to that of the next one, requantised
GOOD = 1.001          # a tiling this close to the floor ends the search
TIMED = 16            # candidates that are compiled and timed


def candidates(window, config, requantised=False):
    """Every tiling worth an estimate. The window's taps are taken piece by piece where the memories have no room for
    two of it, or, if it is requantised, for a micro-op for each of them."""
    yield from _tilings(window, config, (None, None))
    inputs, weights = (config.depth[name] // 2 for name in ("INP", "WGT"))

    def crowded(kernel):
        return (math.prod(extents(kernel, window.on_chip(kernel)[2])) > inputs
                or (math.prod(kernel) > weights and not window.shared)
                or (math.prod(kernel) > config.depth["UOP"] // MAX_UOPS and requantised))

    if crowded(window.kernel) and not window.row_taps:
        pieces = [(rows, window.kernel[1]) for rows in _sizes(window.kernel[0])]
        pieces += [(1, cols) for cols in _sizes(window.kernel[1])]
        for piece in [piece for piece in pieces if not crowded(piece)][:PIECES]:
            yield from _tilings(window, config, piece)


def _sizes(total):
    """Every size of equal parts of `total`, the largest first; 1 where there is nothing to divide."""
    return sorted({-(-total // count) for count in range(1, total + 1)}, reverse=True) or [1]


def _tilings(window, config, taps):
    """The tilings with `taps` (rows, columns) of the window at a time."""
    acc, inp, wgt = (config.depth[name] for name in ("ACC", "INP", "WGT"))
    kernel = Tiling(1, 1, 1, 1, 1, True, *taps).taps(window.kernel)
    span = extents(kernel, window.on_chip(kernel)[2])
    heights = _sizes(window.out[0])
    widths = [cols for cols in _sizes(window.out[1]) if cols <= acc
              and span[0] * ((cols - 1) * window.stride[1] + span[1]) <= inp]
    narrow = [cols for cols in widths[4:] if cols <= widths[0] // 2]
    widths = widths[:4] + (narrow[:4] if widths[:1] != [window.out[1]] else [])     # half a row: leaves room for two
    shapes = [(1, o, i) for o in _sizes(window.cout) for i in _sizes(window.cin)]
    shapes += [(g, window.cout, max(1, window.cin)) for g in _sizes(window.groups) if g > 1]
    fitting = [shape for shape in shapes if window.shared or math.prod(shape) * math.prod(kernel) <= wgt]
    for (g, o, i), rows, cols in itertools.product(fitting, heights, widths):
        if g * o * rows * cols <= acc and g * i * (rows + span[0] - 1) * cols <= inp:
            yield Tiling(rows, cols, o, i, g, True, *taps)
            one_patch = window.batch == 1 and (rows, cols) == window.out
            if not one_patch and (g, o) != (window.groups, window.cout):
                yield Tiling(rows, cols, o, i, g, False, *taps)


def estimate(tiled: TiledWindow, post: Post) -> float:
    """Approximate cycles of a tiled window, infinity if it does not fit."""
    if not tiled.fits:
        return math.inf
    w, t, config = tiled.window, tiled.tiling, tiled.config
    chunks, channels, patches = max(1, len(tiled.pieces)), len(tiled.channels), len(tiled.patches)
    _, ng, _, no = tiled.channels[0]
    requantised = isinstance(post, Rescale)
    uops = tiled.micro_ops(ng, no, requantised)
    if uops > config.depth["UOP"] // MAX_UOPS:
        return math.inf
    beats = {name: size / config.bus_bytes for name, size in config.tile_bytes.items()}
    latency, tiles = CONSTANTS["latency"], channels * patches
    kernels = min(tiled.in_buffers * tiled.wgt_buffers * tiled.acc_buffers, tiles * chunks)
    compute = floor(w, post) + tiles * (chunks + post.passes) * INSTRUCTION
    if requantised and not post.shared:          # each block by itself
        compute += tiles * ng * no * PARAMETERS
        kernels *= ng * no
    compute += kernels * (uops * beats["UOP"] + UOP_KERNEL)

    # bulk loads: once, or for every tile that needs them
    groups = {channel[0]: channel[1] for channel in tiled.channels}
    same_inputs = [piece for piece in tiled.pieces if piece.first == 0]
    pixels = sum(math.prod(tiled.input_region(patch, piece)[1]) for patch in tiled.patches for piece in same_inputs)
    keep = tiled.in_buffers >= chunks * patches * len(groups) or (not t.weights_stay and tiled.in_buffers >= chunks)
    planes = w.cin * sum(groups.values() if keep else (channel[1] for channel in tiled.channels))
    tile = beats["WGT_DIAG" if w.diagonal else "WGT"]
    weights = tile if w.shared else w.groups * w.cout * w.cin * w.taps * tile
    stay = w.shared or tiled.wgt_buffers >= chunks * channels or (t.weights_stay and tiled.wgt_buffers >= chunks)
    load = pixels * planes * beats["INP"] + weights * (1 if stay else patches) + 2 * tiles * chunks * INSTRUCTION
    if post.residual:
        load += w.outputs * beats["INP"]

    # what overlaps with nothing: the first loads, new weights that take longer than one tile's work, the last store
    tile_in = pixels / patches * ng * w.cin * beats["INP"]
    tile_wgt = weights / channels
    tile_work = floor(w, post) / tiles
    first_out = no if ng > 1 else growing_chunks(no)[0][1]
    hidden = tile_work * (chunks - 1) / chunks + tile_work / chunks * (no - first_out) / no
    first = latency + max((tile_in + tile_wgt * first_out / no) / chunks, tile_in + tile_wgt - hidden)
    if stay and t.weights_stay and not w.shared and channels > 1:
        ahead = max(1, min(tiled.in_buffers, tiled.wgt_buffers) // chunks)
        first += (channels - 1) * max(0, tile_wgt + tile_in - ahead * tile_work)
    last = 2 * latency + growing_chunks(ng * no)[0][1] * t.rows * t.cols * beats["OUT"]
    if tiled.acc_buffers < 2:
        compute += tiles * (tiled.acc_size * beats["OUT"] + 2 * latency)
    if (tiled.in_buffers < 2 and not keep) or (tiled.wgt_buffers < 2 and not stay):
        compute += load             # nothing overlaps
    return max(compute, load) + first + last


def ranked(window: Window, post: Post, config: Config) -> list[tuple[float, Tiling]]:
    """[(estimated cycles, tiling)], best first; OperatorError where nothing fits."""
    found = []
    for tiling in candidates(window, config, isinstance(post, Rescale)):
        cycles = estimate(TiledWindow(window, tiling, config, post), post)
        if cycles < math.inf:
            found.append((cycles, tiling))
    need(found, f"no tiling of {window} fits the memories: {config.depth}")
    found.sort(key=lambda pair: pair[0])
    return found


def diverse(window: Window, post: Post, config: Config, count: int) -> list[Tiling]:
    """The best `count` tilings by estimate, at most one for each split of the channels."""
    best = {}
    for _, tiling in ranked(window, post, config):
        best.setdefault((tiling.outs, tiling.ins, tiling.groups), tiling)
    return list(best.values())[:count]


def choose(window, post, config, emit, tiling=None) -> Tiling:
    """The tiling with the fewest predicted cycles: the one given, else the one that a tilings file has, else
    the best of a search. `emit` makes the code of a tiling."""
    need(tiling is None or isinstance(tiling, Tiling), f"tiling = {tiling!r} must be a Tiling")
    return tiling or saved(window, post, config) or fastest(
        diverse(window, post, config, TIMED), emit, enough=GOOD * floor(window, post))[0]


def floor(window: Window, post: Post) -> int:
    """The cycles that any tiling takes: GEMM steps, and a pass over the outputs for the reset and each ALU
    operation."""
    return window.steps + post.passes * window.outputs
