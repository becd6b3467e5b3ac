"""ALU in numpy: the steps of an instruction in rounds; within a round no step reads the result of another."""

import numpy as np

from vta.hw.isa import LANE_OPS, AluOp, check_complete
from vta.sim.functional.loop_nest import compact, wrap
from vta.sim.functional.requantised import LoadParameters, Requantise


def shift(x, y):
    """x >> y for y >= 0, x << -y for y < 0, amounts modulo 32, the sign taken from all of y (decision D4)."""
    right, left = np.right_shift(x, y & 31), np.left_shift(x, -y & 31)
    return np.where(y < 0, left, right)


OPERATIONS = {AluOp.MIN: np.minimum, AluOp.MAX: np.maximum, AluOp.ADD: np.add, AluOp.SHR: shift,
              AluOp.MUL: np.multiply}      # int32 arrays: numpy wraps modulo 2^32
check_complete(LANE_OPS, OPERATIONS, __name__)


class Elementwise:
    """ACC[dst] <- operation(ACC[x], y), y an int32 or tiles of ACC; no dst occurs twice, all reads come first."""

    def __init__(self, operation, dst, x, y):
        self.operation, self.dst, self.x, self.y = operation, dst, x, y

    def apply(self, machine):
        acc = machine.acc
        y = self.y if isinstance(self.y, np.int32) else acc[self.y]
        machine.writes(self.dst)
        acc[self.dst] = self.operation(acc[self.x], y)


def operations(nest, operation, use_imm, imm, micro_ops, config, chunk):
    """([operations], complaint) of one chunk of an ALU instruction.

    An immediate operation (`use_imm`, and REQ) reads dst, or src where the configuration says so (decision D3).
    """
    if operation is AluOp.PAR:
        src, complaint = wrap(nest.indices("src", micro_ops, config, chunk), config.depth["ACC"], "ACC (src)")
        return [LoadParameters(src[-1], imm)], complaint
    use_imm = use_imm or operation is AluOp.REQ
    dst, complaint = wrap(nest.indices("dst", micro_ops, config, chunk), config.depth["ACC"], "ACC (dst)")
    src = None
    if not use_imm or config.alu_imm_reads_src:
        src, beyond = wrap(nest.indices("src", micro_ops, config, chunk), config.depth["ACC"], "ACC (src)")
        complaint = complaint or beyond
    found = []
    for steps in rounds(dst, src):
        at = compact(dst[steps])
        other = None if src is None else compact(src[steps])
        x = other if use_imm and src is not None else at
        if operation is AluOp.REQ:
            found.append(Requantise(at, x, bool(imm & 1)))
        else:
            found.append(Elementwise(OPERATIONS[operation], at, x, np.int32(imm) if use_imm else other))
    return found, complaint


def rounds(dst, src):
    """Step numbers in groups: executing group after group, each all at once, equals executing step after step.

    `src` is None where a step reads only its dst.
    """
    everything = np.arange(len(dst))
    order = np.argsort(dst.astype(np.uint16), kind="stable")
    ordered = dst[order]
    fresh = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    start = np.maximum.accumulate(np.where(fresh, everything, 0))
    round_of = np.empty(len(dst), np.int64)        # how many earlier steps wrote this dst
    round_of[order] = everything - start
    if src is not None and _reads_written(dst, src, fresh.all()):
        round_of = _levels(dst, src)
    elif fresh.all():
        return [everything]
    order = np.argsort(round_of, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(round_of[order])) + 1)


def _reads_written(dst, src, unique):
    """Whether some step may read, as src, what an earlier step writes."""
    if not unique:
        return bool(np.isin(src, dst).any())
    writer = np.full(int(max(dst.max(), src.max())) + 1, len(dst))
    writer[dst] = np.arange(len(dst))
    return bool((writer[src] < np.arange(len(dst))).any())


def _levels(dst, src):
    """For each step the first round after those that write what it reads and not before those that read its dst."""
    written, read, levels = {}, {}, []
    for d, s in zip(dst.tolist(), src.tolist(), strict=True):
        level = max(written.get(d, -1) + 1, written.get(s, -1) + 1, read.get(d, 0))
        written[d] = level
        read[s] = max(read.get(s, 0), level)
        read[d] = max(read.get(d, 0), level)
        levels.append(level)
    return np.array(levels)
