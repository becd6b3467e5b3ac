"""The ideal in-order machine: a lower bound on the cycles of a given stream on any machine of this shape.

Load, compute and store each execute their instructions in order and obey the tokens. Only the work itself takes time:

- instruction n is fetched when the stream up to it has crossed the bus, one latency after the start;
- a transfer takes its bytes at full bus width, each unit having a bus of its own, and is done one latency after its
  last beat. It is requested as soon as the bus is free, even while earlier instructions are still executing, but not
  before it is fetched and the tokens of it and of all before it in its unit are available;
- GEMM, WINDOW and ALU take one cycle for each micro-op step, once every earlier instruction of compute is done;
  requantising on the way out takes none;
- tokens are pushed when an instruction is done.

The run ends when compute is done, and no sooner than all reads, or all writes, can have crossed one bus.
"""

from dataclasses import dataclass

from vta.hw.columns import Columns
from vta.hw.isa import INSN_BYTES, Queue, Unit
from vta.sim.functional.order import order


class BoundError(ValueError):
    """A stream that never ends has no bound."""


@dataclass(frozen=True)
class Bound:
    """`cycles` is the bound, the other fields its terms. `tokens_left` is by queue name."""

    cycles: int
    gemm_steps: int
    reset_steps: int
    alu_steps: int
    read_bytes: int      # instructions not included
    write_bytes: int
    tokens_left: dict


def bound(insns, config, *, latency=0, bus_bytes=8, tokens_before=None):
    """The Bound of a stream, (n, 2) uint64, for a memory of this latency in cycles and a bus of this width.

    tokens_before: {"s2g": 1, ...}, tokens present at the start. BoundError for a stream that gets stuck.
    """
    columns = Columns(insns, config)
    names = {queue.name.lower(): queue for queue in Queue}
    start = [0] * len(Queue)
    for name, count in (tokens_before or {}).items():
        start[names[name]] = count
    path = order(columns, start)
    if not path.finished:
        raise BoundError(f"no bound: {path.deadlock(columns)}")
    steps, size = columns.steps, columns.tiles * columns.tile_bytes
    done = _compute_done(columns, path.executed, start, steps, size, latency, bus_bytes)
    read_bytes, write_bytes = int(size[columns.is_load].sum()), int(size[columns.is_store].sum())
    stream_bytes = INSN_BYTES * len(columns)
    cycles = max(done, read_bytes + stream_bytes, write_bytes) // bus_bytes
    kinds = (columns.is_gemm | columns.is_window) & ~columns.is_reset, columns.is_reset, columns.is_alu
    return Bound(int(cycles), *(int(steps[kind].sum()) for kind in kinds), read_bytes, write_bytes,
                 {name: path.tokens_left[queue] for name, queue in names.items()})


def _compute_done(columns, executed, start, steps, size, latency, bus_bytes):
    """When compute is done. Times are whole numbers of 1/bus_bytes cycles, so that all of them are exact."""
    latency = latency * bus_bytes
    tokens = [[0] * count for count in start]        # times of the pushes, first in first out
    popped = [0] * len(Queue)
    free, gate, done = ([0] * len(Unit) for _ in range(3))
    works = (steps * bus_bytes + size).tolist()      # an instruction has steps or bytes, never both
    transfer = (size > 0).tolist()
    pops, pushes = columns.pops, columns.pushes
    units = columns.unit.tolist()
    for n in executed.tolist():
        unit, work = units[n], works[n]
        go = max(gate[unit], latency + INSN_BYTES * (n + 1))
        for queue in pops[n]:
            go = max(go, tokens[queue][popped[queue]])
            popped[queue] += 1
        gate[unit] = go
        if transfer[n]:
            free[unit] = max(free[unit], go) + work
            end = max(done[unit], free[unit] + latency)
        else:
            end = max(done[unit], go) + work
        done[unit] = end
        for queue in pushes[n]:
            tokens[queue].append(end)
    return done[Unit.COMPUTE]
