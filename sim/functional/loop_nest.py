"""The loop nest of GEMM, WINDOW and ALU as index vectors: exact sums first, then modulo the depth."""

from dataclasses import dataclass

import numpy as np

from vta.hw.isa import extract, layouts

MAX_STEPS = 1 << 18      # steps whose index vectors are held at once


@dataclass(frozen=True)
class LoopNest:
    """The fields of a GEMM, WINDOW or ALU instruction that define its steps; factors are (outer, inner)."""

    uop_bgn: int
    uop_end: int
    iter_out: int
    iter_in: int
    dst: tuple
    src: tuple
    wgt: tuple

    @property
    def uops(self):
        return max(self.uop_end - self.uop_bgn, 0)

    @property
    def steps(self):
        return self.uops * self.iter_out * self.iter_in

    def micro_ops(self, scratchpad):
        """The micro-ops of the nest, in order; beyond the end of the scratchpad they wrap around."""
        if self.uop_end <= len(scratchpad):
            return scratchpad[self.uop_bgn:self.uop_end, 0]
        return scratchpad[np.arange(self.uop_bgn, self.uop_end) % len(scratchpad), 0]

    def chunks(self):
        """Ranges (first, last) of iterations, outer * iter_in + inner, of at most MAX_STEPS steps each."""
        total, each = self.iter_out * self.iter_in, max(1, MAX_STEPS // max(self.uops, 1))
        return [(first, min(first + each, total)) for first in range(0, total, each)]

    def indices(self, name, micro_ops, config, chunk):
        """The indices "dst", "src" or "wgt" of all steps of `chunk`, in order: int64, not yet wrapped."""
        outer, inner = np.divmod(np.arange(*chunk), self.iter_in)
        factor = getattr(self, name)
        start = extract(micro_ops, layouts(config).uop[name])
        return ((outer * factor[0] + inner * factor[1])[:, None] + start).ravel()


def wrap(indices, depth, what):
    """(indices modulo depth, complaint): the complaint is None if all indices are below the depth."""
    highest = int(indices.max())
    if highest < depth:
        return indices, None
    return indices % depth, f"{what} index {highest} reaches beyond {depth - 1}"


def compact(indices):
    """`indices` as a slice where they ascend in equal steps, which numpy reads and writes much faster."""
    first = int(indices[0])
    if len(indices) == 1:
        return slice(first, first + 1)
    step, last = int(indices[1]) - first, int(indices[-1])
    if step > 0 and last - first == step * (len(indices) - 1) and (np.diff(indices) == step).all():
        return slice(first, last + 1, step)
    return indices
