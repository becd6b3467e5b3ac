"""Tilings: which are possible, and a closed form that ranks them.

The estimate is of cycles: whichever is longer of computing and loading, the loads that nothing hides (the
first) and the store that nothing hides (the last), and a little for every instruction and every kernel. The
constants are those of `compiler.timing`.
"""

import itertools
import math

from vta.compiler.ops.operator import need
from vta.compiler.ops.window import Plan, Tiling, ramp, split_loops
from vta.compiler.timing import CONSTANTS

MAX_UOPS = 4          # a kernel fills at most this share (1/n) of the micro-op memory


def candidates(window, config):
    """Every tiling worth a look."""
    def sizes(total):
        return sorted({-(-total // parts) for parts in range(1, total + 1)}, reverse=True)

    acc, inp, wgt = (config.depth[name] for name in ("ACC", "INP", "WGT"))
    shapes = [(1, o, i) for o in sizes(window.cout) for i in sizes(window.cin)]
    shapes += [(g, window.cout, window.cin) for g in sizes(window.groups) if g > 1]
    for g, o, i in shapes:
        if not window.shared and g * o * i * window.taps > wgt:
            continue
        for rows, cols in itertools.product(sizes(window.out[0]), sizes(window.out[1])[:4]):
            if g * o * rows * cols > acc or g * i * (rows + window.kernel[0] - 1) * cols > inp:
                continue
            for stay in (True, False):
                yield Tiling(rows, cols, o, i, g, stay)


def estimate(plan, post):
    """Cycles that the plan takes, or infinity if it does not fit."""
    if not plan.fits:
        return math.inf
    c, w, t, config = CONSTANTS, plan.window, plan.tiling, plan.config
    chunks, channels, places = len(plan.chunks), len(plan.channels), len(plan.places)
    _, ng, _, no = plan.channels[0]
    ni = plan.chunks[0][1]
    _, left = split_loops(plan.dims(ng, no, ni, min(t.rows, w.out[0]), min(t.cols, w.out[1])), config)
    uops = math.prod(dim[0] for dim in left)
    if uops > config.depth["UOP"] // MAX_UOPS:
        return math.inf
    bus = config.bus_bytes
    tile = {name: size / bus for name, size in config.tile_bytes.items()}

    tiles = channels * places
    passes = 1 + post.adds + len(post.operations())
    gemms = tiles * chunks
    compute = w.steps + passes * w.outputs + gemms * c["gemm"] + tiles * passes * c["alu"]
    variants = min(plan.in_slots * max(plan.wgt_slots, 1) * plan.acc_slots, gemms)
    compute += variants * (uops * tile["UOP"] + c["load_uop"])

    in_all = sum(ng * ni for _, ng, _, _ in plan.channels for _, ni in plan.chunks)      # planes seen
    parts = {tile[0]: tile[1] for tile in plan.channels}
    in_once = sum(parts.values()) * w.cin
    pixels = sum(_real(plan, place) for place in plan.places)
    again = plan.in_slots >= chunks * places * len(parts) or (not t.weights_stay and plan.in_slots >= chunks)
    in_tiles = pixels * (in_once if again else in_all)
    wgt_once = w.groups * w.cout * w.cin * w.taps
    stay = plan.wgt_slots >= chunks * channels or (t.weights_stay and plan.wgt_slots >= chunks)
    wgt_tiles = 1 if w.shared else wgt_once * (1 if stay else places)
    load = in_tiles * tile["INP"] + wgt_tiles * tile["WGT"] + 2 * gemms * c["load"]
    if plan.acc_slots < 2:
        compute += tiles * (plan.acc_size * tile["OUT"] + 2 * c["latency"])
    if (plan.in_slots < 2 and not again) or (plan.wgt_slots < 2 and not stay):
        compute += load             # nothing is hidden
    first_out = ramp(no)[0][1] if ng == 1 else no
    first = c["latency"] + ng * ni * pixels / places * tile["INP"]
    first += tile["WGT"] * (1 if w.shared else ng * first_out * ni * w.taps)
    last = 2 * c["latency"] + ramp(ng * no)[0][1] * t.rows * t.cols * tile["OUT"]
    return max(compute, load) + first + last


def _real(plan, place):
    """Input tiles of one plane that are loaded for a place."""
    w = plan.window
    _, y, rows, x, cols = place
    (height, width), skip = plan.region(rows, cols), w.stride[0] if plan.row_step == 1 else 1
    top, left = y * w.stride[0] - w.start[0], x * w.stride[1] - w.start[1]
    real_h = height - max(0, -top) - max(0, top + (height - 1) * skip + 1 - w.size[0])
    return real_h * (width - max(0, -left) - max(0, left + width - w.size[1]))


def ranked(window, post, config):
    """[(estimated cycles, tiling)], best first; an error where nothing fits."""
    found = []
    for tiling in candidates(window, config):
        cycles = estimate(Plan(window, tiling, config, post.adds), post)
        if cycles < math.inf:
            found.append((cycles, tiling))
    need(found, f"no tiling of this operator fits the memories: one output pixel needs {window.taps} weight "
                f"tiles "
                f"(of {config.depth['WGT']}) and {window.taps} input tiles (of {config.depth['INP']})")
    found.sort(key=lambda pair: pair[0])
    return found


