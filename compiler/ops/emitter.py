"""Emits one window, tiled, into a pipeline.

Everything is said in program order through `compiler.pipeline`: for each output tile a reset, for each chunk
of input channels loads and one GEMM, then the ALU and the store.

- What is still in its slot is not loaded again, and loads of the next chunk run while the tensor core works.
- The first GEMM is cut along the output channels, so that it starts when the first weights are there; the last
  ALU work likewise, so that the last store is short.
"""

from vta.compiler.ops.operator import need
from vta.compiler.ops.window import Plan, Slots, cut, ramp, split_loops, unroll
from vta.hw.isa import MAX_PAD, MAX_SIZE, MAX_TRIPS, AluOp, MemType


class Emitter:
    """Emits one window into a pipeline. `buffers`: data, weights, bias (or None) and out, of the pipeline."""

    def __init__(self, pipeline, window, tiling, post, buffers):
        config = pipeline.config
        self.p, self.window, self.post = pipeline, window, post
        self.plan = plan = Plan(window, tiling, config, post.adds)
        need(plan.fits, f"a tile of {tiling} needs {plan.in_size} of {config.depth['INP']} input tiles, "
                        f"{plan.wgt_size} of {config.depth['WGT']} weight tiles and {plan.acc_size} of "
                        f"{config.depth['ACC'] - plan.bias_size} accumulators")
        self.data, self.weights, self.bias, self.out = buffers
        self.inputs = Slots(plan.in_slots, plan.in_size)
        self.weight_slots = Slots(plan.wgt_slots, plan.wgt_size)
        self.sums = Slots(plan.acc_slots, plan.acc_size)
        count = len(plan.channels) if plan.bias_all else 2
        self.biases = Slots(count, plan.bias_size // 2, config.depth["ACC"] - plan.bias_size)

    def run(self):
        """Emit everything."""
        channels, places = range(len(self.plan.channels)), range(len(self.plan.places))
        if self.plan.tiling.weights_stay:
            tiles = [(channel, place) for channel in channels for place in places]
        else:
            tiles = [(channel, place) for place in places for channel in channels]
        for number, (channel, place) in enumerate(tiles):
            self.tile(number, channel, place, number == 0, number == len(tiles) - 1)

    def tile(self, number, channel, place, first, last):
        """One output tile: `channel` and `place` are positions in the plan's lists."""
        plan = self.plan
        group, ng, out, no = plan.channels[channel]
        _, _, rows, _, cols = plan.places[place]
        base, _ = self.sums.hold(number)
        area = rows * cols
        for start, count in cut(ng * no * area, MAX_TRIPS):
            self.p.reset(base + start, count)
        for chunk, (ci, ni) in enumerate(plan.chunks):
            src = self.load_data(place, group, ng, chunk, ci, ni)
            pieces = ramp(no) if first and chunk == 0 and ng == 1 else [(0, no)]
            wgt, missing = self.weight_slots.hold("shared" if self.window.shared else (channel, chunk))
            for o, count in pieces:
                if missing and (o == 0 or not self.window.shared):
                    self.load_weights(wgt, group, ng, out, o, count, no, ci, ni)
                offset = 0 if self.window.shared else o * ni * self.window.taps
                loops, left = split_loops(plan.dims(ng, count, ni, rows, cols), plan.config)
                self.p.gemm("window", loops, unroll(left, base + o * area, src, wgt + offset))
        blocks = ng * no
        pieces = [(blocks - a - n, n) for a, n in reversed(ramp(blocks))] if last else [(0, blocks)]
        for o, count in pieces:
            self.finish(base + o * area, channel, place, o, count, area)

    def load_data(self, place, group, ng, chunk, ci, ni):
        """The input of a place and chunk, if it is not on chip; its first tile."""
        plan, w = self.plan, self.window
        n, y, rows, x, cols = plan.places[place]
        base, missing = self.inputs.hold((place, group, chunk))
        if not missing:
            return base
        (height, width), (in_h, in_w) = plan.region(rows, cols), w.size
        top, left, (x0, y0, x1, y1) = plan.edges(plan.places[place])
        real_h, real_w = height - y0 - y1, width - x0 - x1
        need(real_h > 0 and real_w > 0 and max(y0, y1, x0, x1) <= MAX_PAD,
             f"outputs from ({y}, {x}): {y0} + {y1} of {height} rows and {x0} + {x1} of {width} columns of input "
             f"are padding; some must not be, and a transfer adds at most {MAX_PAD} on a side")
        planes, area, line = ng * ni, in_h * in_w, in_w * plan.skip
        first = ((n * w.groups + group) * w.cin + ci) * area + (top + y0) * in_w + left + x0
        padded = bool(y0 or y1 or x0 or x1)
        rows_join = plan.skip == 1 and real_w == in_w and real_h * in_w <= MAX_SIZE
        if not padded and rows_join and (planes == 1 or area <= MAX_SIZE):
            self.p.load(MemType.INP, base, self.data, first, real_h * in_w, planes, area)
        elif not padded and real_h * line == area and planes * real_h <= MAX_SIZE:      # planes join
            self.p.load(MemType.INP, base, self.data, first, real_w, planes * real_h, line)
        else:
            for plane in range(planes):
                self.p.load(MemType.INP, base + plane * height * width, self.data, first + plane * area,
                            real_w, real_h, line, (x0, y0, x1, y1))
        return base

    def load_weights(self, base, group, ng, out, o, count, no, ci, ni):
        """Weights of output blocks out + o to out + o + count - 1 and the chunk's inputs."""
        w = self.window
        if w.shared:
            self.p.load(MemType.WGT, base, self.weights, w.weight_offset, 1)
            return
        row = w.cin * w.taps
        first = w.weight_offset + (group * w.cout + out + o) * row + ci * w.taps
        count = ng * count
        if ni == w.cin and count * row <= MAX_SIZE:
            self.p.load(MemType.WGT, base + o * row, self.weights, first, count * row)
            return
        self.p.load(MemType.WGT, base + o * ni * w.taps, self.weights, first, ni * w.taps, count, row)

    def finish(self, base, channel, place, o, count, area):
        """Bias, shift, clip and store of `count` output blocks from block `o` of the tile."""
        group, _, out, _ = self.plan.channels[channel]
        block = group * self.window.cout + out
        if self.post.adds:
            bias = self.load_bias(channel, block) + o
            loops = [(count, area, 1), (area, 1, 0)]
            self.p.alu(AluOp.ADD, [loop for loop in loops if loop[0] > 1], [(base, bias)])
        for opcode, imm in self.post.operations():
            for start, tiles in cut(count * area, MAX_TRIPS):
                self.p.alu(opcode, [(tiles, 1)], [(base + start,)], imm)
        self.store(base, place, block + o, count)

    def load_bias(self, channel, block):
        """The first accumulator of the tile's bias."""
        _group, ng, _out, no = self.plan.channels[channel]
        base, missing = self.biases.hold(channel)
        if self.plan.bias_all:
            base = self.biases.base + block
        if missing:
            self.p.load(MemType.ACC, base, self.bias, block, ng * no)
        return base

    def store(self, base, place, block, count):
        """Output blocks to where they belong in the result."""
        w = self.window
        n, y, rows, x, cols = self.plan.places[place]
        height, width = w.planes or w.out
        plane = height * width
        first = (n * w.groups * w.cout + block) * plane
        first += (w.origin[0] + y * w.step[0]) * width + w.origin[1] + x * w.step[1]
        rows_join = w.step == (1, 1) and cols == width and rows * cols <= MAX_SIZE
        if rows_join and (count == 1 or plane <= MAX_SIZE):
            self.p.store(base, self.out, first, rows * cols, count, plane)
            return
        for o in range(count):
            here, there = base + o * rows * cols, first + o * plane
            if w.step[1] == 1:
                self.p.store(here, self.out, there, cols, rows, width * w.step[0])
                continue
            for row in range(rows):
                self.p.store(here + row * cols, self.out, there + row * width * w.step[0], 1, cols, w.step[1])
