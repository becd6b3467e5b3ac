"""The ideal in-order machine: cycles that no machine of this shape needs fewer of, for a given stream.

Load, compute and store each work through their instructions in order and obey the tokens. Nothing else costs
time but the work itself:

- instruction n is there when the stream up to it has come over the bus, one latency after the start;
- a transfer takes its bytes at full bus width, each unit having a bus of its own, and is done one latency
  after its last beat. Requests go out as soon as the bus is free, ahead of what earlier instructions still
  do, but not before the instruction is fetched and its tokens, and those of all before it in its unit, are
  there;
- GEMM and ALU take one cycle a micro-op step, once every earlier instruction of compute is done;
- tokens are given when an instruction is done.

The run is over when compute is done, and no sooner than all reads, or all writes, can have passed one bus.
"""

from dataclasses import dataclass

import numpy as np

from vta.hw.columns import Columns
from vta.hw.isa import Opcode, Queue, Unit
from vta.sim.functional.order import order


class BoundError(ValueError):
    """A stream that never ends has no bound."""


@dataclass(frozen=True)
class Bound:
    """`cycles` is the bound; the rest is what it was made from. `tokens_left` is by queue name."""

    cycles: int
    gemm_steps: int
    reset_steps: int
    alu_steps: int
    read_bytes: int      # instructions not included
    write_bytes: int
    tokens_left: dict


def bound(insns, config, *, latency=0, bus_bytes=8, tokens_before=None):
    """The Bound of a stream, (n, 2) uint64, for a memory of this latency in cycles and a bus of this width.

    tokens_before: {"s2g": 1, ...}, the tokens there at the start. BoundError for a stream that gets stuck.
    """
    columns = Columns(insns, config)
    names = {queue.name.lower(): queue for queue in Queue}
    start = [0] * len(Queue)
    for name, count in (tokens_before or {}).items():
        start[names[name]] = count
    path = order(columns, start)
    if not path.finished:
        raise BoundError(f"no bound: {path.deadlock(columns)}")
    steps, size = columns.steps(), columns.tiles() * _tile_bytes(config)[columns.mem_type]
    done = _compute_done(columns, path.executed, start, steps, size, latency, bus_bytes)
    store, gemm = columns.opcode == Opcode.STORE, columns.opcode == Opcode.GEMM
    reset = gemm & (columns.gemm["reset"] != 0)
    read_bytes, write_bytes = int(size[~store].sum()), int(size[store].sum())
    stream_bytes = 16 * len(columns)
    cycles = max(done, read_bytes + stream_bytes, write_bytes) // bus_bytes
    return Bound(int(cycles), int(steps[gemm & ~reset].sum()), int(steps[reset].sum()),
                 int(steps[columns.opcode == Opcode.ALU].sum()), read_bytes, write_bytes,
                 {name: path.tokens_left[queue] for name, queue in names.items()})


def _compute_done(columns, executed, start, steps, size, latency, bus_bytes):
    """When compute is done. Times are whole numbers of 1/bus_bytes cycles, so that all of them are exact."""
    latency = latency * bus_bytes
    tokens = [[0] * count for count in start]        # times at which tokens were given, first in first out
    taken = [0] * len(Queue)
    free, gate, done = ([0] * len(Unit) for _ in range(3))
    works = (steps * bus_bytes + size).tolist()      # an instruction has steps or bytes, never both
    transfer = (size > 0).tolist()
    pops, pushes = (_queues(flags) for flags in columns.tokens())
    units = columns.unit.tolist()
    for n in executed.tolist():
        unit, work = units[n], works[n]
        go = max(gate[unit], latency + 16 * (n + 1))
        for queue in pops[n]:
            go = max(go, tokens[queue][taken[queue]])
            taken[queue] += 1
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


def _queues(flags):
    """For each instruction the numbers of the queues in which its flag is set; `flags` is (queues, n)."""
    sets = [tuple(q for q in range(len(flags)) if code >> q & 1) for code in range(1 << len(flags))]
    codes = (flags * (1 << np.arange(len(flags)))[:, None]).sum(axis=0)
    return [sets[code] for code in codes.tolist()]


def _tile_bytes(config):
    names = ("UOP", "WGT", "INP", "ACC", "OUT", "ACC_8BIT")
    return np.array([config.tile_bytes[name] for name in names] + [0, 0])
