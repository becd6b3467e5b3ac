"""A launch under construction: the state shared by everything that appends random instructions to it."""

from functools import partial

import numpy as np

from vta.fuzz.case import UOP_WORDS
from vta.fuzz.sequencer import Sequencer, token_nop
from vta.hw.isa import layouts


class MicroOps:
    """The micro-ops of a case: `memory` is what the micro-op memory holds, where `known`; `image` is in DRAM, and
    `next` is about where in it the next LOAD UOP reads."""

    def __init__(self, config, rng, seed):
        self.memory = np.zeros(config.depth["UOP"], np.uint32)
        self.known = np.zeros(config.depth["UOP"], bool)
        self.image = np.random.default_rng(seed).integers(0, 1 << 32, UOP_WORDS, np.uint32)
        self.next = rng.randrange(64)


class Draft:
    """One launch; all randomness is `rng`, instructions are appended to `sequencer`.

    `working_sets`: memory -> (start, size) of the tiles that most instructions access, so that they depend on each
    other. `faulty` counts the instructions that must be reported as errors, `features` are for the coverage.
    """

    def __init__(self, config, rng, tokens, micro_ops):
        self.config, self.rng, self.formats, self.micro_ops = config, rng, layouts(config), micro_ops
        self.features, self.faulty = [], 0
        self.working_sets = {name: self._working_set(config.depth[name]) for name in ("INP", "WGT", "ACC")}
        self.sequencer = Sequencer(config, rng, tokens, partial(token_nop, config, rng),
                                   rng.choice((0, 0.1, 0.3, 0.6)))

    def record(self, feature, present=True):
        """Record that the launch has a feature, if it is `present`."""
        if present:
            self.features.append(feature)

    def _working_set(self, depth):
        size = min(depth, self.rng.choice((2, 4, 8, 32, depth)))
        return self.rng.choice((0, depth - size, self.rng.randrange(depth - size + 1))), size
