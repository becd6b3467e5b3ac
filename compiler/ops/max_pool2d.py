"""Max pooling on the ALU, one axis after the other: a window's rows are reduced first, then its columns.

Each axis is reduced in place where one tap's inputs can take the results (`Axis.seat`), which costs a tensor-tensor
MAX for each other tap and output; else into accumulators of its own, where the first tap is added to zero. Padding
never wins: it is left out, not loaded.

int8 inputs are widened by the tensor core (times the identity), whose addressing puts columns of one phase side by
side, so that results in place lie one behind the other, as a STORE wants them; or, which is shorter where the bus
is wide, by the accumulator's own load.

Powers of two lie between rows and between phases. Tiles whose indices differ in one bit are in different banks of the
accumulator, and the second of two taps that see the same inputs finds them in the ALU: few steps wait for a bank.
"""

import itertools

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.max_pool_plan import Axis, plans
from vta.compiler.ops.operator import Operator, cycles, in_dram, pair, picture, sizes
from vta.compiler.ops.window import Slots, cut, split_loops, unroll
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline
from vta.hw.config import Config
from vta.hw.isa import MAX_PAD, MAX_TRIPS, AluOp, MemType


def max_pool2d(shape, kernel, *, stride=None, pad=0, config="default"):
    """The largest of each window of (N, C, H, W) int8 data; stride is the kernel by default."""
    config = Config.load(config)
    n, c, h, w = sizes(shape)
    kernel, pad = pair(kernel, "kernel"), pair(pad, "pad")
    stride = kernel if stride is None else pair(stride, "stride")
    out_size = picture((h, w), kernel, stride, pad, limit=max(pad))      # padding is left out, not loaded
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    in_dram("max_pool2d", config, {"data": ("INP", (batch, blocks, h, w)), "out": ("OUT", (batch, blocks, *out_size))})
    lanes = (config.batch, config.block)
    axes = tuple(Axis(*each) for each in zip((h, w), out_size, kernel, stride, pad, strict=True))

    def emit(plan):
        p, (rows, cols, many) = Pipeline(config), plan.limits
        data = p.buffer("data", (batch, blocks, h, w, *lanes), "int8", "input", "NCHWnc")
        out = p.buffer("out", (batch, blocks, *out_size, *lanes), "int8", "output", "NCHWnc")
        pool = _Pool(p, plan, data, out)
        for image, (block, count), y, x in itertools.product(
                range(batch), cut(blocks, many), cut(out_size[0], rows), cut(out_size[1], cols)):
            pool.tile(image * blocks + block, count, axes[0].part(*y), axes[1].part(*x))
        return p.code()

    made = [(plan, emit(plan)) for plan in plans(axes, blocks, config)]
    plan, code = min(made, key=lambda each: cycles(each[1]))
    constants = {"weight": np.eye(config.block, dtype=np.int8)} if plan.multiplied else {}

    def reference(data):
        wide = np.pad(data, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2), constant_values=-128)
        seen = np.lib.stride_tricks.sliding_window_view(wide, kernel, (2, 3))
        return seen[:, :, ::stride[0], ::stride[1]].max((-1, -2))

    return Operator("max_pool2d", Program.from_code(code, "max_pool2d", constants),
                    {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
                    lambda packed: unpack_activations(packed, config, c, n), reference,
                    {"tilings": [(*plan.limits, plan.multiplied)], "predicted": cycles(code)})


class _Pool:
    """Emits tiles of a plan into a pipeline."""

    def __init__(self, pipeline, plan, data, out):
        self.p, self.plan, self.data, self.out = pipeline, plan, data, out
        depth, block = pipeline.config.depth, pipeline.config.block
        self.sums = Slots(2, plan.sums)
        if plan.multiplied:
            self.near = Slots(min(4, depth["INP"] // plan.inputs), plan.inputs)
            identity = pipeline.buffer("weight", (block, block), "int8", "const", "identity")
            pipeline.load(MemType.WGT, 0, identity, 0, 1)

    def tile(self, plane, count, y, x):
        """`count` planes from `plane` on: into accumulators, rows, columns, to DRAM."""
        plan, pitch = self.plan, self.plan.pitch
        base, _ = self.sums.hold((plane, y, x))
        (self._multiply if plan.multiplied else self._load)(base, plane, count, y, x)

        # rows, of every column; a side is (first tile, steps from plane to plane, from row to row, column)
        inputs = base, (plan.area, y.axis.stride * pitch, 1)
        taps = [(first, y.input(tap, first) * pitch, have) for tap, (first, have) in y.taps.items()]
        if plan.in_place[0]:
            rows = base + y.input(y.axis.seat, 0) * pitch, inputs[1]
        else:
            rows = base + plan.limits[2] * plan.area, (y.outputs * pitch, pitch, 1)
            self._zero(rows[0], count * y.outputs * pitch)
        for _, place, cols in plan.columns(x.inputs):
            self._reduce(1, rows, inputs, place, (count, y.outputs, cols), taps, plan.in_place[0])

        # columns, of every row that is left
        across = rows[0], (*rows[1][:2], x.axis.stride // plan.split)
        taps = [(first, plan.column(x.input(tap, first)), have) for tap, (first, have) in x.taps.items()]
        if plan.in_place[1]:
            result = rows[0] + plan.column(x.input(x.axis.seat, 0)), rows[1]
        else:
            result = base + plan.limits[2] * plan.area + plan.reduced, (y.outputs * x.outputs, x.outputs, 1)
            self._zero(result[0], count * y.outputs * x.outputs)
        self._reduce(2, result, across, 0, (count, y.outputs, x.outputs), taps, plan.in_place[1])
        self._store(result, plane, count, y, x)

    def _load(self, base, plane, count, y, x):
        """Inputs by the accumulator's own load, which pads rows up to the next. The last first: its place is free when
        all are, so that one token of the stores before is enough."""
        gap = self.plan.pitch - x.inputs
        pieces, pad = ([(0, y.inputs)], gap) if gap <= MAX_PAD else (cut(y.inputs, 1), 0)
        for n, (row, rows) in reversed([*itertools.product(range(count), pieces)]):
            self.p.load(MemType.ACC_8BIT, base + n * self.plan.area + row * self.plan.pitch, self.data,
                        self._first(0, plane + n, y.start + row, x.start), x.inputs, rows, x.axis.size, (0, 0, pad, 0))

    def _multiply(self, base, plane, count, y, x):
        """Inputs by the tensor core."""
        near, _ = self.near.hold((plane, y, x))
        inputs = y.inputs * x.inputs
        for n in range(count):
            self.p.load(MemType.INP, near + n * inputs, self.data, self._first(0, plane + n, y.start, x.start),
                        x.inputs, y.inputs, x.axis.size)
        for column, place, cols in self.plan.columns(x.inputs):
            for n in reversed(range(count)):     # as above
                self.p.reset(base + n * self.plan.area + place, cols, y.inputs, self.plan.pitch)
            dims = [(count, self.plan.area, inputs, 0), (y.inputs, self.plan.pitch, x.inputs, 0),
                    (cols, 1, self.plan.split, 0)]
            loops, rest = split_loops([dim for dim in dims if dim[0] > 1], self.p.config)
            self.p.gemm("widen", loops, unroll(rest, base + place, near + column, 0))

    def _zero(self, base, count):
        for start, tiles in cut(count, MAX_TRIPS):
            self.p.reset(base + start, tiles)

    def _reduce(self, axis, result, source, offset, extents, taps, in_place):
        """MAX along `axis` of `extents` outputs, all sides `offset` further on. `taps`: (first output that has it, its
        input from the source's first tile, how many have it); one is there already when in place."""
        (to, to_steps), (near, near_steps) = result, source
        taps = [(to + offset + first * to_steps[axis], near + offset + there, have) for first, there, have in taps]
        if in_place:
            taps.remove((to + offset, to + offset, extents[axis]))
        else:
            whole = next((tap for tap in taps if tap[2] == extents[axis]), None)
            if whole:
                taps.remove(whole)
                self._alu(AluOp.ADD, extents, [whole[:2]], to_steps, near_steps)
            else:
                self._alu(AluOp.ADD, extents, [(to + offset,)], to_steps, near_steps, -128)
        for steps, have in _together(taps, to_steps[axis], near_steps[axis]):
            many = [have if n == axis else extent for n, extent in enumerate(extents)]
            self._alu(AluOp.MAX, many, steps, to_steps, near_steps)

    def _alu(self, opcode, extents, steps, to_steps, near_steps, imm=None):
        dims = [(*dim, 0) for dim in zip(extents, to_steps, near_steps, strict=True) if dim[0] > 1]
        loops, rest = split_loops(dims, self.p.config)
        sides = 3 if imm is None else 2
        each = [tuple(a + b for a, b in zip(step, more, strict=False))
                for more in unroll(rest, 0, 0, 0) for step in steps]
        self.p.alu(opcode, [loop[:sides] for loop in loops], each, imm)

    def _store(self, result, plane, count, y, x):
        base, (area, row, _) = result
        for n in range(count):
            first = self._first(1, plane + n, y.first, x.first)
            if row == x.outputs:
                self.p.store(base + n * area, self.out, first, x.outputs, y.outputs, x.axis.outputs)
                continue
            for m in range(y.outputs):
                self.p.store(base + n * area + m * row, self.out, first + m * x.axis.outputs, x.outputs)

    def _first(self, side, plane, row, column):
        """The tile in DRAM of the inputs (side 0) or the outputs (1)."""
        height, width = ((axis.size, axis.outputs)[side] for axis in (self.plan.y, self.plan.x))
        return (plane * height + row) * width + column


def _together(taps, to_step, near_step):
    """[(steps, how many)]: two taps that see the same inputs become one kernel of two micro-ops, first the one whose
    tiles lie in different banks; the second finds the input in the ALU's src register."""
    found, left = [], list(taps)
    while left:
        to, near, have = left.pop(0)
        for other in left:
            shift, rest = divmod(other[1] - near, near_step)
            low, high = max(0, shift), min(have, shift + other[2])
            if rest or low >= high:
                continue
            left.remove(other)
            both = [(each + (low - first) * to_step, near + low * near_step) for each, first in
                    ((to, 0), (other[0], shift))]
            found.append((sorted(both, key=lambda step: (step[0] ^ step[1]).bit_count() % 2, reverse=True), high - low))
            for (there, here, count), first in (((to, near, have), 0), (other, shift)):
                for a, b in ((first, low), (high, first + count)):
                    if a < b:
                        left.append((there + (a - first) * to_step, here + (a - first) * near_step, b - a))
            break
        else:
            found.append(([(to, near)], have))
    return found
