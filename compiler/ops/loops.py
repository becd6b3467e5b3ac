"""Chunks, rings of buffers and loops, shared by the emitters of all operators."""

from dataclasses import dataclass, field

from vta.hw.isa import MAX_TRIPS


def chunks(total, size):
    """[(first, count)]: `total` split into chunks of at most `size`."""
    return [(first, min(size, total - first)) for first in range(0, total, size)]


def growing_chunks(total):
    """The same in chunks of 1, 1, 2, 4, ..."""
    found, first = [], 0
    while first < total:
        found.append((first, min(max(first, 1), total - first)))
        first += found[-1][1]
    return found


@dataclass
class BufferRing:
    """`count` buffers of `size` tiles in one memory, from tile `base` on; a new key takes the oldest."""

    count: int
    size: int
    base: int = 0
    fills: int = 0
    keys: list = field(default_factory=list)        # of each buffer's contents

    def acquire(self, key):
        """(first tile of the buffer of `key`, whether it must be filled)."""
        missing = key not in self.keys
        if missing:
            oldest = self.fills % self.count
            self.keys[oldest:oldest + 1] = [key]
            self.fills += 1
        return self.base + self.keys.index(key) * self.size, missing


def buffer_count(capacity, size, total, per_tile):
    """How many buffers: `total` if they fit, else `per_tile` (the chunks of one output tile) twice or once, else two
    or one. More would only make more micro-op kernels: each combination of buffers has its own."""
    fits = max(0, capacity) // size
    if fits >= total:
        return total
    return min(fits // per_tile, 2) * per_tile if fits >= 2 * per_tile or fits >= per_tile > 1 else min(fits, 2)


def join(loops):
    """`loops`, neighbours that continue each other joined."""
    joined = []
    for loop in loops:
        extent, *factors = loop
        if joined and [*joined[-1][1:]] == [n * extent for n in factors] and joined[-1][0] * extent <= MAX_TRIPS:
            joined[-1] = (joined[-1][0] * extent, *factors)
        else:
            joined.append(loop)
    return joined


def split_loops(loops, config):
    """(hardware loops, loops left for micro-ops): of the joined loops, the two longest whose factors fit become
    hardware loops."""
    joined = join(loops)
    limits = (MAX_TRIPS, *(config.depth[name] - 1 for name in ("ACC", "INP", "WGT")))
    able = [n for n, loop in enumerate(joined) if all(a <= b for a, b in zip(loop, limits, strict=True))]
    best = sorted(sorted(able, key=lambda n: -joined[n][0])[:2])
    return [joined[n] for n in best], [loop for n, loop in enumerate(joined) if n not in best]


def unroll(loops, dst, src, wgt):
    """The micro-ops of loops: the sum outermost, so that neighbours write different accumulators."""
    steps = [(dst, src, wgt)]
    for extent, *factors in sorted(loops, key=lambda loop: loop[1] > 0):
        steps = [tuple(a + n * b for a, b in zip(step, factors, strict=True)) for step in steps for n in range(extent)]
    return steps
