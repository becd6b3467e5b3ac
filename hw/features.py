"""What a machine can do beyond the stock instruction set: the features, once, as data.

A configuration has a set of them. Each is known by name in configuration files, and by its bit in the register
`features`; `docs/isa.md` defines what they mean. No stream that TVM makes uses any of them.
"""

import enum


class Feature(enum.Enum):
    """A feature: `bit` of the register, `doc`."""

    def __init__(self, bit, doc):
        self.bit, self.doc = bit, doc

    REQUANTISE = 0, "ALU PAR and REQ, GEMM from zero and requantised: per-channel scales on the way to OUT."
    PAD_VALUE = 1, "LOAD INP with a byte other than 0 in the padding."
    DIAGONAL = 2, "LOAD WGT of diagonal tiles, from the bytes on the diagonal."
    WINDOW = 3, "The depthwise window step."

    @property
    def key(self):
        """The name in configuration files."""
        return self.name.lower()


FEATURES = {feature.key: feature for feature in Feature}


def mask(names):
    """The word of the register `features` for a set of names."""
    return sum(1 << FEATURES[name].bit for name in names)
