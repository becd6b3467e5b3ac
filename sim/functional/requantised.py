"""The requantiser in numpy: loading its parameters, and the two ways through it."""

import numpy as np

from vta.sim.functional.loop_nest import compact
from vta.sim.functional.requantise import Parameters, requantise


class LoadParameters:
    """Three accumulator tiles from `src` on become the parameters; `imm` holds the bounds, two signed bytes."""

    def __init__(self, src, imm):
        self.src = src
        self.low, self.high = np.array([imm & 0xff, imm >> 8 & 0xff], np.uint8).view(np.int8).tolist()

    def apply(self, machine):
        words = machine.acc[(self.src + np.arange(3)) % len(machine.acc)]
        machine.parameters = Parameters.from_words(*words, self.low, self.high)


class ToOut:
    """OUT[dst] <- requantised ACC[dst]."""

    def __init__(self, dst):
        self.dst = compact(np.unique(dst))

    def apply(self, machine):
        machine.requantised(self.dst, requantise(machine.acc[self.dst], machine.parameters))


class Requantise:
    """ACC[dst], OUT[dst] <- requantised ACC[x]; no dst occurs twice, all reads come first."""

    def __init__(self, dst, x, wide):
        self.dst, self.x, self.wide = dst, x, wide

    def apply(self, machine):
        result = requantise(machine.acc[self.x], machine.parameters, self.wide)
        machine.writes(self.dst)
        machine.acc[self.dst] = result
