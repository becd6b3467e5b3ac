"""Emits one window, tiled, into a pipeline.

Instructions are in program order, as `compiler.stream.pipeline` takes them: for each output tile a reset, for each
chunk of input channels loads and one GEMM, then the ALU and the store.

- Data that is still in its buffer is not loaded again, and loads of the next chunk run while the tensor core works.
- The first GEMM is split along the output channels, so that it starts when the first weights have arrived; so is
  the last ALU work, so that the last store is short.
"""

from vta.compiler.ops.checks import need
from vta.compiler.ops.loops import BufferRing, chunks, growing_chunks, split_loops, unroll
from vta.compiler.ops.window import TiledWindow
from vta.hw.isa import MAX_PAD, MAX_SIZE, MAX_TRIPS, AluOp, MemType


class Emitter:
    """Emits one window into a pipeline. `buffers`: data, weights, bias (or None) and out, of the pipeline."""

    def __init__(self, pipeline, window, tiling, post, buffers):
        config = pipeline.config
        self.p, self.window, self.post = pipeline, window, post
        self.tiled = tiled = TiledWindow(window, tiling, config, post.needs_bias)
        need(tiled.fits, f"a tile of {tiling} needs {tiled.in_size} of {config.depth['INP']} input tiles, "
                         f"{tiled.wgt_size} of {config.depth['WGT']} weight tiles and {tiled.acc_size} of "
                         f"{config.depth['ACC'] - tiled.bias_size} accumulators")
        self.data, self.weights, self.bias, self.out = buffers
        self.inputs = BufferRing(tiled.in_buffers, tiled.in_size)
        self.weight_tiles = BufferRing(tiled.wgt_buffers, tiled.wgt_size)
        self.sums = BufferRing(tiled.acc_buffers, tiled.acc_size)
        self.biases = BufferRing(len(tiled.channels) if tiled.bias_resident else 2, tiled.bias_size // 2,
                                 config.depth["ACC"] - tiled.bias_size)

    def run(self):
        """Emit everything."""
        channels, patches = range(len(self.tiled.channels)), range(len(self.tiled.patches))
        tiles = [(channel, patch) for channel in channels for patch in patches]
        if not self.tiled.tiling.weights_stay:
            tiles.sort(key=lambda tile: tile[1])
        for number, (channel, patch) in enumerate(tiles):
            self.output_tile(number, channel, patch, number == 0, number == len(tiles) - 1)

    def output_tile(self, number, channel, patch, first, last):
        """One output tile: `channel` and `patch` are indices into the lists of the TiledWindow."""
        tiled, shared = self.tiled, self.window.shared
        group, ng, out, no = tiled.channels[channel]
        _, _, rows, _, cols = tiled.patches[patch]
        base, _ = self.sums.acquire(number)
        area, blocks = rows * cols, ng * no
        for start, count in chunks(blocks * area, MAX_TRIPS):
            self.p.reset(base + start, count)
        for chunk, (ci, ni) in enumerate(tiled.in_chunks):
            src = self.load_data(patch, group, ng, chunk, ci, ni)
            wgt, missing = self.weight_tiles.acquire("shared" if shared else (channel, chunk))
            for o, count in growing_chunks(no) if first and chunk == 0 and ng == 1 else [(0, no)]:
                if missing and (o == 0 or not shared):
                    self.load_weights(wgt, group, ng, out, o, count, ci, ni)
                offset = 0 if shared else o * ni * self.window.taps
                loops, left = split_loops(tiled.loops(ng, count, ni, rows, cols), tiled.config)
                self.p.gemm("window", loops, unroll(left, base + o * area, src, wgt + offset))
        shrinking = [(blocks - o - count, count) for o, count in reversed(growing_chunks(blocks))]
        for o, count in shrinking if last else [(0, blocks)]:
            self.finish(base + o * area, channel, patch, o, count, area)

    def load_data(self, patch, group, ng, chunk, ci, ni):
        """The input of a patch and chunk, if it is not on chip; its first tile."""
        tiled, w = self.tiled, self.window
        n, y, rows, x, cols = tiled.patches[patch]
        base, missing = self.inputs.acquire((patch, group, chunk))
        if not missing:
            return base
        (height, width), (in_h, in_w) = tiled.input_size(rows, cols), w.size
        (top, left), (real_h, real_w), (x0, y0, x1, y1) = tiled.input_region(tiled.patches[patch])
        need(real_h > 0 and real_w > 0 and max(y0, y1, x0, x1) <= MAX_PAD,
             f"outputs from ({y}, {x}): {y0} + {y1} of {height} rows and {x0} + {x1} of {width} columns of input "
             f"are padding; some must not be, and a transfer adds at most {MAX_PAD} on a side")
        planes, area, stride = ng * ni, in_h * in_w, in_w * tiled.skip
        first = ((n * w.groups + group) * w.cin + ci) * area + (top + y0) * in_w + left + x0
        padded = bool(y0 or y1 or x0 or x1)
        rows_join = tiled.skip == 1 and real_w == in_w and real_h * in_w <= MAX_SIZE
        if not padded and rows_join and (planes == 1 or area <= MAX_SIZE):
            self.p.load(MemType.INP, base, self.data, first, real_h * in_w, planes, area)
        elif not padded and real_h * stride == area and planes * real_h <= MAX_SIZE:      # planes join
            self.p.load(MemType.INP, base, self.data, first, real_w, planes * real_h, stride)
        else:
            for plane in range(planes):
                self.p.load(MemType.INP, base + plane * height * width, self.data, first + plane * area,
                            real_w, real_h, stride, (x0, y0, x1, y1))
        return base

    def load_weights(self, base, group, ng, out, o, count, ci, ni):
        """Weights of output blocks out + o to out + o + count - 1 and the chunk's inputs."""
        w = self.window
        row, blocks = w.cin * w.taps, ng * count
        first = w.weight_offset + (group * w.cout + out + o) * row + ci * w.taps
        if w.shared:
            self.p.load(MemType.WGT, base, self.weights, w.weight_offset, 1)
        elif ni == w.cin and blocks * row <= MAX_SIZE:
            self.p.load(MemType.WGT, base + o * row, self.weights, first, blocks * row)
        else:
            self.p.load(MemType.WGT, base + o * ni * w.taps, self.weights, first, ni * w.taps, blocks, row)

    def finish(self, base, channel, patch, o, count, area):
        """Bias, shift, clip and store of `count` output blocks from block `o` of the tile."""
        group, ng, out, no = self.tiled.channels[channel]
        block = group * self.window.cout + out
        if self.post.needs_bias:
            bias, missing = self.biases.acquire(channel)
            if self.tiled.bias_resident:
                bias = self.biases.base + block
            if missing:
                self.p.load(MemType.ACC, bias, self.bias, block, ng * no)
            loops = [(count, area, 1), (area, 1, 0)]
            self.p.alu(AluOp.ADD, [loop for loop in loops if loop[0] > 1], [(base, bias + o)])
        for opcode, imm in self.post.operations():
            for start, tiles in chunks(count * area, MAX_TRIPS):
                self.p.alu(opcode, [(tiles, 1)], [(base + start,)], imm)
        self.store(base, patch, block + o, count)

    def store(self, base, patch, block, count):
        """Output blocks of a patch to DRAM."""
        w = self.window
        n, y, rows, x, cols = self.tiled.patches[patch]
        height, width = w.planes or w.out
        plane = height * width
        first = (n * w.groups * w.cout + block) * plane
        first += (w.origin[0] + y * w.step[0]) * width + w.origin[1] + x * w.step[1]
        rows_join = w.step == (1, 1) and cols == width and rows * cols <= MAX_SIZE
        if rows_join and (count == 1 or plane <= MAX_SIZE):
            self.p.store(base, self.out, first, rows * cols, count, plane)
            return
        for o in range(count):
            tile, dram = base + o * rows * cols, first + o * plane
            if w.step[1] == 1:
                self.p.store(tile, self.out, dram, cols, rows, width * w.step[0])
                continue
            for row in range(rows):
                self.p.store(tile + row * cols, self.out, dram + row * width * w.step[0], 1, cols, w.step[1])
