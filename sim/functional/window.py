"""WINDOW in numpy: a step multiplies, lane by lane, the tile that it reads and those of the steps before it."""

import numpy as np

from vta.sim.functional.loop_nest import compact, wrap
from vta.sim.functional.requantised import ToOut


class WindowSteps:
    """The products of consecutive steps, added to or, if `fresh`, written to accumulator tiles.

    `src` has as many tiles more in front as there are steps before the first one to look back at; negative ones are 0.
    """

    def __init__(self, dst, src, wgt, taps, fresh, to_out):
        self.dst, self.src, self.wgt, self.taps, self.fresh, self.to_out = dst, src, wgt, taps, fresh, to_out
        if fresh:                # what counts is the last step that writes a tile
            last = np.unique(dst[::-1], return_index=True)[1]
            self.kept = len(dst) - 1 - last

    def apply(self, machine):
        batch, block = machine.config.batch, machine.config.block
        inputs = machine.inp[np.maximum(self.src, 0)].astype(np.int32)
        inputs[self.src < 0] = 0
        inputs = inputs.reshape(-1, batch, block)
        weights = machine.wgt[self.wgt].reshape(-1, block, block).astype(np.int32)
        first = len(self.src) - len(self.dst)
        lanes = np.arange(block)
        sums = sum(inputs[first - tap:len(self.src) - tap] * weights[:, None, lanes, tap_column(lanes, tap, block)]
                   for tap in range(self.taps)).reshape(len(self.dst), -1)
        machine.writes(compact(np.unique(self.dst)), self.to_out)
        if self.fresh:
            machine.acc[self.dst[self.kept]] = sums[self.kept]
        else:
            np.add.at(machine.acc, self.dst, sums)


def tap_column(lane, tap, block):
    """The column of a weight tile that holds a tap of output lane `lane`: even lanes use the left half, odd ones the
    right one, because two lanes share their multipliers."""
    return lane % 2 * (block // 2) + tap


def operations(nest, fresh, requantise, micro_ops, config, chunk):
    """([operations], complaint) of one chunk of a WINDOW; with `fresh` every step starts from 0, with `requantise` each
    goes to OUT."""
    def index(name, memory, of=chunk):
        return wrap(nest.indices(name, micro_ops, config, of), config.depth[memory], f"{memory} ({name})")

    dst, complaint = index("dst", "ACC")
    wgt, beyond_wgt = index("wgt", "WGT")
    back = config.window_taps - 1
    iterations = min(chunk[0], -(-back // nest.uops))
    src, beyond_inp = index("src", "INP", (chunk[0] - iterations, chunk[1]))
    start = iterations * nest.uops
    src = np.concatenate([np.full(max(back - start, 0), -1), src[max(start - back, 0):]])
    found = [WindowSteps(dst, src, wgt, config.window_taps, fresh, not requantise)]
    return found + [ToOut(dst)] * requantise, complaint or beyond_inp or beyond_wgt
