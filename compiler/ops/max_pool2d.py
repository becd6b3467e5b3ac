"""Max pooling on the ALU, one axis after the other: a window's rows are reduced first, then its columns.

An axis is reduced in place where the inputs of one tap can take the results (`Axis.in_place_tap`), at the cost of one
tensor-tensor MAX for each other tap and output. A window of 3 with stride 2 and pad 1, output n seeing 2n-1 to 2n+1:

    accumulators      0    1    2    3    4    5       inputs
    in-place tap 1    y0        y1        y2           output n is input 2n
    tap 2             y0 <-1    y1 <-3    y2 <-5       y[n] = MAX(y[n], input 2n+1)
    tap 0                  1->  y1   3->  y2           y[n] = MAX(y[n], input 2n-1), n > 0; the rest is padding

Other windows have accumulators for the results: zeros, to which one tap is added. Padding never wins: it is left out.

int8 inputs are widened by the tensor core (times the identity), which also sorts columns by phase (column % stride), so
that results in place are adjacent, as a STORE needs them; or, which takes fewer cycles where the bus is wide, by the
accumulator's own load, in the image's order.
"""

import itertools

import numpy as np

from vta.compiler.layout import pack_activations, unpack_activations
from vta.compiler.ops.checks import Pads, Pair, Shape, as_pads, as_pair, check_dram, check_shape, output_size
from vta.compiler.ops.loops import BufferRing, chunks, split_loops, unroll
from vta.compiler.ops.max_pool_layout import Axis, Extent, tilings
from vta.compiler.ops.operator import About, Operator, fastest, sliding_windows
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline
from vta.hw.config import Config
from vta.hw.isa import MAX_PAD, MAX_TRIPS, AluOp, MemType


def max_pool2d(shape: Shape, kernel: Pair, *, stride: Pair | None = None, pad: Pads = 0,
               config: Config | str = "default") -> Operator:
    """Maxima of the windows of int8 (N, C, H, W) data: int8 (N, C, rows, columns). stride: the window by default. pad:
    an int, (vertical, horizontal) or ((top, bottom), (left, right)); the maximum of padding alone is -128.

    Windows larger than the memories are reduced in parts. Its tiling is (rows, columns, channel blocks, the window's
    rows and columns at a time, whether GEMM widens).
    """
    config = Config.load(config)
    n, c, h, w = check_shape(shape)
    kernel, pads = as_pair(kernel, "kernel"), as_pads(pad)
    stride = kernel if stride is None else as_pair(stride, "stride")
    out_size = output_size((h, w), kernel, stride, pads)
    batch, blocks = -(-n // config.batch), -(-c // config.block)
    check_dram("max_pool2d", config,
               {"data": ("INP", (batch, blocks, h, w)), "out": ("OUT", (batch, blocks, *out_size))})
    lanes = (config.batch, config.block)
    axes = tuple(Axis(*each, before) for *each, (before, _) in
                 zip((h, w), out_size, kernel, stride, pads, strict=True))

    def emit(tiles):
        p, (rows, cols, count, *_) = Pipeline(config), tiles.tiling
        data = p.buffer("data", (batch, blocks, h, w, *lanes), "int8", "input", "NCHWnc")
        out = p.buffer("out", (batch, blocks, *out_size, *lanes), "int8", "output", "NCHWnc")
        emitter = _Emitter(p, tiles, data, out)
        for image, (block, planes), y, x in itertools.product(
                range(batch), chunks(blocks, count), chunks(out_size[0], rows), chunks(out_size[1], cols)):
            emitter.tile(image * blocks + block, planes, y, x)
        return p.code()

    tiles, code, cycles = fastest(tilings(axes, blocks, config), emit)
    uses_identity = any(buffer.name == "weight" for buffer in code.buffers)
    constants = {"weight": np.eye(config.block, dtype=np.int8)} if uses_identity else {}
    return Operator("max_pool2d", Program.from_code(code, "max_pool2d", constants),
                    {"data": (shape, lambda array: pack_activations(array, config, pad=True))},
                    lambda packed: unpack_activations(packed, config, c, n),
                    lambda data: sliding_windows(data, kernel, stride, pads, fill=-128).max((-1, -2)),
                    About(cycles, (tiles.tiling,)))


class _Emitter:
    """Emits tiles into a pipeline. A tensor in the accumulator is (first tile, pitches of planes, rows and columns)."""

    def __init__(self, pipeline, tiles, data, out):
        self.p, self.tiles, self.data, self.out = pipeline, tiles, data, out
        depth, block = pipeline.config.depth, pipeline.config.block
        self.sums = BufferRing(2, tiles.acc_size)
        self.totals = BufferRing(2, tiles.total_size, 2 * tiles.acc_size)
        if tiles.by_gemm:
            self.inputs = BufferRing(min(4, depth["INP"] // tiles.in_size), tiles.in_size)
            identity = pipeline.buffer("weight", (block, block), "int8", "const", "identity")
            pipeline.load(MemType.WGT, 0, identity, 0, 1)

    def tile(self, plane, count, y, x):
        """Outputs y, x, (first, how many) each, of `count` planes from `plane` on: reduced part by part, and stored."""
        extents = count, y[1], x[1]
        parts = [(layout, *(Extent(axis, *each) for axis, each in zip(layout.axes, (y, x), strict=True)))
                 for layout in self.tiles.parts]
        parts = [part for part in parts if part[1].inputs and part[2].inputs]
        if len(parts) == 1 and len(self.tiles.parts) == 1:
            result = self._part(plane, count, *parts[0])
        else:
            base = (self.totals if self.tiles.total_size else self.sums).acquire((plane, y, x))[0]
            result = self._zeros(base, *extents)
            self._alu(AluOp.ADD, extents, [(base,)], result[1], result[1], -128)
            for part in parts:
                source, pitches = self._part(plane, count, *part)
                self._alu(AluOp.MAX, extents, [(base, source)], result[1], pitches)
        self._store(result, plane, count, y, x)

    def _part(self, plane, count, layout, y, x):
        """The maxima, a tensor, of a layout's part of the windows; y and x are Extents: into accumulators, rows,
        columns."""
        self.layout, pitch = layout, layout.row_pitch
        base, _ = self.sums.acquire((plane, y, x))
        (self._widen_by_gemm if layout.by_gemm else self._widen_by_load)(base, plane, count, y, x)

        # rows, of every column
        inputs = base, (layout.plane_pitch, y.axis.stride * pitch, 1)
        taps = [(first, y.input(tap, first) * pitch, outputs) for tap, (first, outputs) in y.taps.items()]
        if layout.in_place[0]:
            rows = base + y.input(y.axis.in_place_tap, 0) * pitch, inputs[1]
        else:
            rows = self._zeros(base + layout.row_results, count, y.outputs, pitch)
        for _, offset, cols in layout.columns(x.inputs):
            self._reduce(1, rows, inputs, offset, (count, y.outputs, cols), taps, layout.in_place[0])

        # columns, of every row that is left
        inputs = rows[0], (*rows[1][:2], x.axis.stride // layout.phases)
        taps = [(first, layout.column(x.input(tap, first)), outputs) for tap, (first, outputs) in x.taps.items()]
        if layout.in_place[1]:
            result = rows[0] + layout.column(x.input(x.axis.in_place_tap, 0)), rows[1]
        else:
            result = self._zeros(base + layout.column_results, count, y.outputs, x.outputs)
        self._reduce(2, result, inputs, 0, (count, y.outputs, x.outputs), taps, layout.in_place[1])
        return result

    def _widen_by_load(self, base, plane, count, y, x):
        """Inputs by the accumulator's own load, which pads rows up to the next. The last first: earlier stores free
        these last, so that one token is enough."""
        pitch = self.layout.row_pitch
        gap = pitch - x.inputs
        runs, pad = ([(0, y.inputs)], gap) if gap <= MAX_PAD else (chunks(y.inputs, 1), 0)
        for n, (row, rows) in reversed([*itertools.product(range(count), runs)]):
            self.p.load(MemType.ACC_8BIT, base + n * self.layout.plane_pitch + row * pitch, self.data,
                        _dram_tile(plane + n, y.axis.size, y.start + row, x.axis.size, x.start),
                        x.inputs, rows, x.axis.size, (0, 0, pad, 0))

    def _widen_by_gemm(self, base, plane, count, y, x):
        """Inputs by the tensor core, columns sorted by phase."""
        src, _ = self.inputs.acquire((plane, y, x))
        layout, inputs = self.layout, y.inputs * x.inputs
        for n in range(count):
            self.p.load(MemType.INP, src + n * inputs, self.data,
                        _dram_tile(plane + n, y.axis.size, y.start, x.axis.size, x.start),
                        x.inputs, y.inputs, x.axis.size)
        for column, offset, cols in layout.columns(x.inputs):
            for n in reversed(range(count)):     # as above
                self.p.reset(base + n * layout.plane_pitch + offset, cols, y.inputs, layout.row_pitch)
            loops = [(count, layout.plane_pitch, inputs, 0), (y.inputs, layout.row_pitch, x.inputs, 0),
                     (cols, 1, layout.phases, 0)]
            loops, left = split_loops([loop for loop in loops if loop[0] > 1], self.p.config)
            self.p.gemm("widen", loops, unroll(left, base + offset, src + column, 0))

    def _zeros(self, first, planes, rows, pitch):
        """A tensor of zeros."""
        for start, tiles in chunks(planes * rows * pitch, MAX_TRIPS):
            self.p.reset(first + start, tiles)
        return first, (rows * pitch, pitch, 1)

    def _reduce(self, axis, result, source, offset, extents, taps, in_place):
        """MAX along `axis` into `extents` outputs, both tensors `offset` tiles further on. taps: (first output that has
        it, that one's input from the source's first tile, outputs that have it); in place, one is there already."""
        (dst, dst_pitches), (src, src_pitches) = result, source
        taps = [(dst + offset + first * dst_pitches[axis], src + offset + at, outputs) for first, at, outputs in taps]
        if in_place:
            taps.remove((dst + offset, dst + offset, extents[axis]))
        elif complete := next((tap for tap in taps if tap[2] == extents[axis]), None):
            taps.remove(complete)
            self._alu(AluOp.ADD, extents, [complete[:2]], dst_pitches, src_pitches)
        else:
            self._alu(AluOp.ADD, extents, [(dst + offset,)], dst_pitches, src_pitches, -128)
        if extents[axis] == 1:
            for first, count, pitch in _runs(taps):
                self._alu(AluOp.MAX, (count, *extents), [first[:2]], (0, *dst_pitches), (pitch, *src_pitches))
            return
        for steps, outputs in _pair_taps(taps, dst_pitches[axis], src_pitches[axis]):
            reduced = [outputs if n == axis else extent for n, extent in enumerate(extents)]
            self._alu(AluOp.MAX, reduced, steps, dst_pitches, src_pitches)

    def _alu(self, opcode, extents, steps, dst_pitches, src_pitches, imm=None):
        loops = [(*loop, 0) for loop in zip(extents, dst_pitches, src_pitches, strict=True) if loop[0] > 1]
        loops, left = split_loops(loops, self.p.config)
        fields = 3 if imm is None else 2
        uops = [tuple(a + b for a, b in zip(step, more, strict=False))
                for more in unroll(left, 0, 0, 0) for step in steps]
        self.p.alu(opcode, [loop[:fields] for loop in loops], uops, imm)

    def _store(self, result, plane, count, y, x):
        base, (plane_pitch, row_pitch, _) = result
        (first, outputs), (column, cols) = y, x
        height, width = (axis.outputs for axis in self.tiles.parts[0].axes)
        runs = [(0, outputs)] if row_pitch == cols else chunks(outputs, 1)
        for n, (row, rows) in itertools.product(range(count), runs):
            self.p.store(base + n * plane_pitch + row * row_pitch, self.out,
                         _dram_tile(plane + n, height, first + row, width, column), cols, rows, width)


def _dram_tile(plane, height, row, width, column):
    return (plane * height + row) * width + column


def _runs(taps):
    """[(first tap, how many, distance)] of taps (dst, src, outputs), whose src are equally far apart."""
    found = []
    for tap in sorted(taps, key=lambda tap: tap[1]):
        if found:
            first, count, pitch = found[-1]
            distance = tap[1] - first[1]
            if count == 1 or distance == count * pitch:
                found[-1] = first, count + 1, distance if count == 1 else pitch
                continue
        found.append((tap, 1, 0))
    return found


def _pair_taps(taps, dst_pitch, src_pitch):
    """[(micro-ops (dst, src), outputs)] of taps (dst, src, outputs). Two taps that see the same inputs share a micro-op
    kernel, first the one whose tiles lie in different banks: the second finds the input in the ALU's src register."""
    def restricted(tap, first, end):          # to its outputs first to end - 1
        return tap[0] + first * dst_pitch, tap[1] + first * src_pitch, end - first

    found, left = [], list(taps)
    while left:
        tap = left.pop(0)
        for other in left:
            shift, rest = divmod(other[1] - tap[1], src_pitch)      # in outputs, from `tap` to `other`
            low, high = max(0, shift), min(tap[2], shift + other[2])
            if rest or low >= high:
                continue
            left.remove(other)
            both = [restricted(tap, low, high)[:2], restricted(other, low - shift, high - shift)[:2]]
            found.append((sorted(both, key=lambda uop: (uop[0] ^ uop[1]).bit_count() % 2, reverse=True), high - low))
            left += [restricted(each, first, end) for each, first, end in (
                (tap, 0, low), (tap, high, tap[2]), (other, 0, low - shift), (other, high - shift, other[2]))
                if first < end]
            break
        else:
            found.append(([tap[:2]], tap[2]))
    return found
