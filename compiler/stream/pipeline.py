"""Pipelines: instructions in program order, with tokens derived from what they read and write.

    p = Pipeline(config)
    data = p.buffer("data", shape, "int8", "input")
    p.load(MemType.INP, base, data, offset, x_size, y_size, stride, pads)
    p.gemm("conv", loops, steps)                  # loops: (extent, dst, src, wgt); steps: (dst, src, wgt)
    p.alu(AluOp.SHR, loops, steps, imm=8)         # loops: (extent, dst, src); steps: (dst, src)
    p.store(base, result, offset, x_size, y_size, stride)
    code = p.code()

Operators are written this way: one transfer or kernel after another, as if the machine executed sequentially. Each
memory has one unit that writes it and one that reads it, so a hazard is between two units and over a range of
tiles. A consumer needs a token only if it depends on a later instruction than all before it in its unit did; then the
k-th push matches the k-th pop, and no token is left at the end. Every dependency points backward in program order,
so such a stream cannot deadlock. Only the reuse of on-chip memory limits how far a unit runs ahead.
Micro-ops are loaded in advance (`compiler/stream/prefetch.py`).
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from vta.compiler.stream.code import Code, DramBuffer
from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.prefetch import prefetch
from vta.compiler.stream.stream import Stream
from vta.hw.config import Config
from vta.hw.isa import LOAD_UNIT, MAX_TRIPS, AluOp, MemType, Queue, Unit

# memory -> (queue for read after write, queue for write after read); ACC stands for OUT as well
HAZARDS = {"INP": (Queue.L2G, Queue.G2L), "WGT": (Queue.L2G, Queue.G2L), "ACC": (Queue.G2S, Queue.S2G)}


class PipelineError(ValueError):
    """An invalid instruction, or an output that is not stored exactly once."""


@dataclass
class _Task:
    """One transfer or kernel: `emit` makes the stream's calls; `reads` and `writes` are (memory, first, end)."""

    unit: Unit
    emit: Callable[[Stream], None]
    reads: tuple = ()
    writes: tuple = ()
    pops: list = field(default_factory=list)
    pushes: list = field(default_factory=list)


class Pipeline:
    """See the module's docstring."""

    def __init__(self, config: Config):
        self.config, self.stream, self.tasks = config, Stream(config), []
        self.stored = {}          # output -> (offset, x_size, y_size, stride) of its stores
        self.buffer = self.stream.buffer

    def load(self, memory: MemType, base: int, buffer: DramBuffer, offset: int, x_size: int, y_size: int = 1,
             stride: int | None = None, pads: tuple[int, int, int, int] = (0, 0, 0, 0)) -> None:
        """LOAD: rows of tiles from DRAM to `base`; sizes and pads as in `Stream.load_buffer_2d`."""
        stride = x_size if stride is None or y_size == 1 else stride      # without effect for one row, but must fit
        if memory not in LOAD_UNIT or memory is MemType.UOP:
            raise PipelineError(f"LOAD of {memory!r}: INP, WGT, ACC and ACC_8BIT can be loaded; kernels load their own "
                                f"micro-ops")
        tiles = (pads[0] + x_size + pads[2]) * (pads[1] + y_size + pads[3])
        name = "ACC" if memory is MemType.ACC_8BIT else memory.name
        self._add(LOAD_UNIT[memory], lambda stream: stream.load_buffer_2d(
            buffer, offset, x_size, y_size, stride, pads, base, memory), writes=((name, base, base + tiles),))

    def store(self, base: int, buffer: DramBuffer, offset: int, x_size: int, y_size: int = 1,
              stride: int | None = None) -> None:
        """STORE: rows of output tiles from `base` to DRAM."""
        stride = x_size if stride is None or y_size == 1 else stride
        self._add(Unit.STORE, lambda stream: stream.store_buffer_2d(
            base, MemType.OUT, buffer, offset, x_size, y_size, stride),
            reads=(("ACC", base, base + x_size * y_size),))
        self.stored.setdefault(buffer.name, []).append((offset, x_size, y_size, stride))

    def gemm(self, site: str, loops: Sequence[tuple], steps: Sequence[tuple]) -> None:
        """GEMM: at most two loops around micro-ops (dst, src, wgt)."""
        spans = _spans("gemm", loops, steps, 3)
        self._kernel(site, loops, [(KernelMode.GEMM, 0, *step, 0, 0, 0) for step in steps],
                     (("INP", *spans[1]), ("WGT", *spans[2]), ("ACC", *spans[0])), (("ACC", *spans[0]),))

    def reset(self, base: int, tiles: int, rows: int = 1, pitch: int = 0) -> None:
        """GEMM with reset: zero to `rows` times `tiles` accumulators, `pitch` from row to row, from `base`."""
        if max(tiles, rows) > MAX_TRIPS:
            raise ValueError(f"reset of {rows} x {tiles} tiles: one loop runs at most {MAX_TRIPS} times")
        loops = [(tiles, 1, 0, 0)] if rows == 1 else [(rows, pitch, 0, 0), (tiles, 1, 0, 0)]
        self._kernel("reset", loops, [(KernelMode.GEMM, 1, base, 0, 0, 0, 0, 0)], (),
                     (("ACC", base, base + (rows - 1) * pitch + tiles),))

    def alu(self, opcode: AluOp, loops: Sequence[tuple], steps: Sequence[tuple], imm: int | None = None) -> None:
        """ALU: dst = dst op src, or dst op imm. `steps` are (dst, src), or (dst,) with an immediate."""
        if imm is not None:
            _spans("alu with an immediate", loops, steps, 1)
            steps, loops = [(dst, dst) for (dst,) in steps], [(extent, dst, dst) for extent, dst in loops]
        spans = _spans("alu", loops, steps, 2)
        use, value = (0, 0) if imm is None else (1, imm)
        self._kernel("alu", [(*loop, 0) for loop in loops],
                     [(KernelMode.ALU, 0, dst, src, 0, opcode, use, value) for dst, src in steps],
                     (("ACC", *spans[0]), ("ACC", *spans[1])), (("ACC", *spans[0]),))

    def _kernel(self, site, loops, pushes, reads, writes):
        def emit(stream):
            # only micro-ops are cached: kernels of one site that differ in loops or operation share them
            with stream.uop_kernel(site), ExitStack() as open_loops:
                for loop in loops:
                    open_loops.enter_context(stream.uop_loop(*loop))
                for push in pushes:
                    stream.uop_push(*push)
        self._add(Unit.COMPUTE, emit, reads, writes)

    def _add(self, unit, emit, reads=(), writes=()):
        for memory, first, end in (*reads, *writes):
            if not 0 <= first < end <= self.config.depth[memory]:
                raise PipelineError(f"{end - first} tiles from {first} of {memory}: at least one, and none beyond its "
                                    f"{self.config.depth[memory]}")
        self.tasks.append(_Task(unit, emit, reads, writes))

    # the end
    def code(self, partial: bool = False) -> Code:
        """The finished stream (`compiler.stream.Code`). Every tile of every output must have been stored exactly once
        (PipelineError), unless the program is only a part."""
        if not partial:
            self._check_outputs()
        self._plan_tokens()
        for task in self.tasks:
            for queue in task.pops:
                self.stream.dep_pop(queue.producer, queue.consumer)
            task.emit(self.stream)
            for queue in task.pushes:
                self.stream.dep_push(queue.producer, queue.consumer)
        self.stream.sync()
        return prefetch(self.stream.code())

    def _check_outputs(self):
        tile = self.config.tile_bytes["OUT"]
        for buffer in self.stream.buffers:
            if buffer.kind != "output":
                continue
            times = np.zeros(buffer.nbytes // tile, np.int64)
            for offset, x_size, y_size, stride in self.stored.get(buffer.name, ()):
                tiles = (offset + np.arange(y_size)[:, None] * stride + np.arange(x_size)).ravel()
                if tiles.min() < 0 or tiles.max() >= len(times):
                    raise PipelineError(f"tiles {tiles.min()} to {tiles.max()} of output {buffer.name!r} are stored, "
                                        f"it has {len(times)}")
                np.add.at(times, tiles, 1)
            for wrong in np.flatnonzero(times != 1)[:1]:
                raise PipelineError(f"tile {wrong} of output {buffer.name!r} is stored {times[wrong]} times, "
                                    f"{np.count_nonzero(times != 1)} of {len(times)} tiles are not stored once")

    def _plan_tokens(self):
        """Set the queues that each task pops and pushes."""
        depth = self.config.depth
        last = {(memory, mode): np.full(depth[memory], -1, np.int64) for memory in HAZARDS for mode in "rw"}
        covered = dict.fromkeys(Queue, -1)
        for number, task in enumerate(self.tasks):
            needs = {}
            for memory, first, end in task.reads:
                if task.unit is not LOAD_UNIT[MemType[memory]]:        # the unit that writes it
                    needs.setdefault(HAZARDS[memory][0], []).append(last[memory, "w"][first:end].max())
                    last[memory, "r"][first:end] = number
            for memory, first, end in task.writes:
                needs.setdefault(HAZARDS[memory][1], []).append(last[memory, "r"][first:end].max())
                last[memory, "w"][first:end] = number
            for queue, numbers in needs.items():
                if max(numbers) > covered[queue]:
                    covered[queue] = max(numbers)
                    self.tasks[covered[queue]].pushes.append(queue)
                    task.pops.append(queue)


def _spans(what, loops, steps, sides):
    """(first, end) of the tiles that each operand of a kernel accesses; no factor may be negative."""
    if not steps or any(len(step) != sides for step in steps) or any(len(loop) != sides + 1 for loop in loops):
        raise PipelineError(f"{what}: steps {steps} and loops {loops} must have {sides} and {sides + 1} numbers each, "
                            f"and there must be a step")
    if any(number < 0 for loop in loops for number in loop):
        raise PipelineError(f"{what}: loops {loops} must not go backwards")
    spans = []
    for side in range(sides):
        indices = [step[side] for step in steps]
        spans.append((min(indices), max(indices) + sum((loop[0] - 1) * loop[side + 1] for loop in loops) + 1))
    return spans
