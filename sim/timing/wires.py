"""The wire model of the static estimate: delay of a connection by the number of pins that its net reaches.

Before placement the fan-out is all that is known of a net. The logarithm stands for the distance that a net with more
sinks has to cover; `docs/timing.md` has the errors of the model against routed designs.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class WireModel:
    """A connection of a net with n sinks takes `base` + `slope` * log2(n) ns."""

    base: float
    slope: float

    def __str__(self):
        return f"{self.base:.2f} + {self.slope:.2f} log2(n) ns"

    def delay(self, fanout):
        return self.base + self.slope * math.log2(fanout) if fanout > 1 else self.base


XC7 = WireModel(base=0.45, slope=0.21)
