"""Tilings: which are possible, and a closed form that ranks them.

The estimate is of cycles: whichever is longer of computing and loading, the loads that nothing hides (the
first) and the store that nothing hides (the last), and a little for every instruction and every kernel. The
constants are those of `compiler.timing`.
"""

import itertools
import math

from vta.compiler.ops.operator import cycles, need
from vta.compiler.ops.tilings import kept
from vta.compiler.ops.window import Plan, Tiling, ramp, split_loops
from vta.compiler.timing import CONSTANTS

MAX_UOPS = 4          # a kernel fills at most this share (1/n) of the micro-op memory
INSTRUCTION = 4       # cycles that one more instruction costs, about
KERNEL = 40           # cycles that one more kernel costs, besides the beats of its micro-ops, about
GOOD = 1.001          # a tiling this close to the floor ends the search
JUDGED = 16           # candidates that are compiled and timed


def candidates(window, config):
    """Every tiling worth a look."""
    def sizes(total):
        return sorted({-(-total // parts) for parts in range(1, total + 1)}, reverse=True)

    acc, inp, wgt = (config.depth[name] for name in ("ACC", "INP", "WGT"))
    heights = sizes(window.out[0])
    widths = [cols for cols in sizes(window.out[1]) if cols <= acc
              and window.kernel[0] * ((cols - 1) * window.stride[1] + window.kernel[1]) <= inp]
    if widths and widths[0] < window.out[1]:        # too wide for one row: also what leaves room for a second
        widths = widths[:4] + [cols for cols in widths[4:] if cols <= widths[0] // 2][:4]
    else:
        widths = widths[:4]
    shapes = [(1, o, i) for o in sizes(window.cout) for i in sizes(window.cin)]
    shapes += [(g, window.cout, window.cin) for g in sizes(window.groups) if g > 1]
    for g, o, i in shapes:
        if not window.shared and g * o * i * window.taps > wgt:
            continue
        for rows, cols in itertools.product(heights, widths):
            if g * o * rows * cols > acc or g * i * (rows + window.kernel[0] - 1) * cols > inp:
                continue
            yield Tiling(rows, cols, o, i, g)
            one_place = window.batch == 1 and (rows, cols) == window.out
            if not one_place and (g, o) != (window.groups, window.cout):
                yield Tiling(rows, cols, o, i, g, weights_stay=False)


def estimate(plan, post):
    """Cycles that the plan takes, roughly, or infinity if it does not fit."""
    if not plan.fits:
        return math.inf
    w, t, config = plan.window, plan.tiling, plan.config
    chunks, channels, places = len(plan.chunks), len(plan.channels), len(plan.places)
    _, ng, _, no = plan.channels[0]
    ni = plan.chunks[0][1]
    _, left = split_loops(plan.dims(ng, no, ni, t.rows, t.cols), config)
    uops = math.prod(dim[0] for dim in left)
    if uops > config.depth["UOP"] // MAX_UOPS:
        return math.inf
    beats = {name: size / config.bus_bytes for name, size in config.tile_bytes.items()}
    latency, tiles = CONSTANTS["latency"], channels * places
    kernels = min(plan.in_slots * plan.wgt_slots * plan.acc_slots, tiles * chunks)
    passes = 1 + post.adds + len(post.operations())
    compute = w.steps + passes * w.outputs + tiles * (chunks + passes) * INSTRUCTION
    compute += kernels * (uops * beats["UOP"] + KERNEL)

    # bulk loads: once, or for every tile that needs them
    groups = {tile[0]: tile[1] for tile in plan.channels}
    pixels = sum(_real(plan, place) for place in plan.places)
    keep = plan.in_slots >= chunks * places * len(groups) or (not t.weights_stay and plan.in_slots >= chunks)
    planes = w.cin * sum(groups.values() if keep else (tile[1] for tile in plan.channels))
    weights = w.groups * w.cout * w.cin * w.taps * beats["WGT"] if not w.shared else beats["WGT"]
    stay = w.shared or plan.wgt_slots >= chunks * channels or (t.weights_stay and plan.wgt_slots >= chunks)
    load = pixels * planes * beats["INP"] + weights * (1 if stay else places) + 2 * tiles * chunks * INSTRUCTION

    # what nothing hides: the first loads, new weights that do not come while one tile is computed, the last store
    tile_in = pixels / places * ng * w.cin * beats["INP"]
    tile_wgt = weights / channels
    tile_work = (w.steps + passes * w.outputs) / tiles
    first_out = no if ng > 1 else ramp(no)[0][1]
    hidden = tile_work * (chunks - 1) / chunks + tile_work / chunks * (no - first_out) / no
    first = latency + max((tile_in + tile_wgt * first_out / no) / chunks, tile_in + tile_wgt - hidden)
    if stay and t.weights_stay and not w.shared and channels > 1:
        ahead = max(1, min(plan.in_slots, plan.wgt_slots) // chunks)
        first += (channels - 1) * max(0, tile_wgt + tile_in - ahead * tile_work)
    last = 2 * latency + ramp(ng * no)[0][1] * t.rows * t.cols * beats["OUT"]
    if plan.acc_slots < 2:
        compute += tiles * (plan.acc_size * beats["OUT"] + 2 * latency)
    if (plan.in_slots < 2 and not keep) or (plan.wgt_slots < 2 and not stay):
        compute += load             # nothing is hidden
    return max(compute, load) + first + last


def _real(plan, place):
    """Input tiles of one plane that are loaded for a place."""
    height, width = plan.region(place[2], place[4])
    _, _, (left, top, right, bottom) = plan.edges(place)
    return (height - top - bottom) * (width - left - right)


def ranked(window, post, config):
    """[(estimated cycles, tiling)], best first; an error where nothing fits."""
    found = []
    for tiling in candidates(window, config):
        cycles = estimate(Plan(window, tiling, config, post.adds), post)
        if cycles < math.inf:
            found.append((cycles, tiling))
    need(found, f"no tiling of this operator fits the memories: one output pixel needs "
                f"{1 if window.shared else window.taps} weight tiles (of {config.depth['WGT']}) and {window.taps} "
                f"input tiles (of {config.depth['INP']})")
    found.sort(key=lambda pair: pair[0])
    return found


def diverse(window, post, config, count):
    """The best `count` tilings by estimate; of those alike in channels only the best, so that others come in."""
    seen, found = set(), []
    for _, tiling in ranked(window, post, config):
        kind = (tiling.outs, tiling.ins, tiling.groups)
        if kind not in seen and len(found) < count:
            seen.add(kind)
            found.append(tiling)
    return found


def choose(window, post, config, emit, tiling=None):
    """The tiling with the fewest predicted cycles: the one given, else the one that a tilings file has, else
    the best of a search. `emit` makes the code of a tiling."""
    need(tiling is None or isinstance(tiling, Tiling), f"tiling = {tiling!r} must be a Tiling")
    tiling = tiling or kept(window, post, config)
    if tiling is not None:
        return tiling
    best = (math.inf, None)
    for each in diverse(window, post, config, JUDGED):
        best = min(best, (cycles(emit(each)), each), key=lambda found: found[0])
        if best[0] <= GOOD * floor(window, post):
            break
    return best[1]


def floor(window, post):
    """The cycles that any tiling takes: GEMM steps, and a pass over the outputs for the reset and each ALU
    operation."""
    return window.steps + (1 + post.adds + len(post.operations())) * window.outputs
