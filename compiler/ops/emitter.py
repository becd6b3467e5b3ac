"""Emits one window, tiled, into a pipeline.

Instructions are in program order, as `compiler.stream.pipeline` takes them: for each output tile a reset, for each
piece of the sum loads and one GEMM, then the ALU and the store.

- Data that is still in its buffer is not loaded again, and loads of the next chunk run while the tensor core works.
- The first GEMM is split along the output channels, so that it starts when the first weights have arrived; so is
  the last ALU work, so that the last store is short.
"""

import itertools

from vta.compiler.ops.checks import need
from vta.compiler.ops.loops import BufferRing, chunks, growing_chunks, split_loops, unroll
from vta.compiler.ops.window import TiledWindow
from vta.hw.isa import MAX_PAD, MAX_SIZE, MAX_TRIPS, AluOp, MemType


class Emitter:
    """Emits one window into a pipeline. `buffers`: data, weights, bias (or None) and out, of the pipeline; `blank`: a
    function that returns one of a single input tile of padding, called where a window sees much of it."""

    def __init__(self, pipeline, window, tiling, post, buffers, blank):
        config = pipeline.config
        self.p, self.window, self.post = pipeline, window, post
        self.tiled = tiled = TiledWindow(window, tiling, config, post)
        room = tiled.room
        need(tiled.fits, f"a tile of {tiling} needs {tiled.in_size} of {room['input']} input tiles, {tiled.wgt_size} "
                         f"of {room['weight']} weight tiles and {tiled.acc_size} of {room['accumulator']} accumulators")
        self.data, self.weights, self.bias, self.out = buffers
        self.blank = blank
        self.inputs = BufferRing(tiled.in_buffers, tiled.in_size)
        self.weight_tiles = BufferRing(tiled.wgt_buffers, tiled.wgt_size)
        # the second buffer lies behind the scrap, so that neither of the two and the scrap enclose the other one
        self.sums = BufferRing(tiled.acc_buffers, tiled.acc_size + tiled.scrap_size)
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
        tiled = self.tiled
        _, ng, _, no = tiled.channels[channel]
        _, _, rows, _, cols = tiled.patches[patch]
        base, _ = self.sums.acquire(number)
        area, blocks = rows * cols, ng * no
        for start, count in chunks(blocks * area, MAX_TRIPS):
            self.p.reset(base + start, count)
        for n, piece in enumerate(tiled.pieces):
            for o, count, src, wgt in self.operands(channel, patch, n, first and n == 0 and ng == 1):
                loops, left = split_loops(tiled.loops(ng, count, piece, rows, cols), tiled.config)
                self.p.gemm("window", loops, unroll(left, base + o * area, src, wgt))
        shrinking = [(blocks - o - count, count) for o, count in reversed(growing_chunks(blocks))]
        for o, count in shrinking if last else [(0, blocks)]:
            self.finish(base + o * area, channel, patch, o, count, area)

    def operands(self, channel, patch, n, early):
        """The operands of piece `n`, loaded unless they are on chip: yields (output block, blocks, first input tile,
        first weight tile), several where the first ones are needed `early`."""
        tiled, shared, piece = self.tiled, self.window.shared, self.tiled.pieces[n]
        group, ng, out, no = tiled.channels[channel]
        src = self.load_data(patch, group, ng, n, tiled.input_region(tiled.patches[patch], piece))
        wgt, missing = self.weight_tiles.acquire("shared" if shared else (channel, n))
        for o, count in growing_chunks(no) if early else [(0, no)]:
            if missing and (o == 0 or not shared):
                self.load_weights(wgt, group, ng, out, o, count, piece)
            yield o, count, src, wgt + (0 if shared else o * self.weight_size(piece))

    def weight_size(self, piece):
        """Weight tiles of a piece and an output block."""
        return piece.ins * (self.window.taps if self.window.row_taps else piece.taps)

    def load_data(self, patch, group, ng, n, region):
        """The input of a patch and piece `n`, a `region` of each plane, if it is not on chip; its first tile."""
        tiled, w = self.tiled, self.window
        base, missing = self.inputs.acquire((patch, group, n))
        if not missing:
            return base
        piece, image, (in_h, in_w) = tiled.pieces[n], tiled.patches[patch][0], w.size
        (row, col), (real_h, real_w), pads = region
        planes, area, stride = ng * piece.ins, in_h * in_w, in_w * tiled.skip
        first = ((image * w.groups + group) * w.cin + piece.first) * area + row * in_w + col
        rows_join = tiled.skip == 1 and real_w == in_w and real_h * in_w <= MAX_SIZE
        if not any(pads) and rows_join and (planes == 1 or area <= MAX_SIZE):
            self.p.load(MemType.INP, base, self.data, first, real_h * in_w, planes, area)
        elif not any(pads) and real_h * stride == area and planes * real_h <= MAX_SIZE:      # planes join
            self.p.load(MemType.INP, base, self.data, first, real_w, planes * real_h, stride)
        else:
            size = (real_w + pads[0] + pads[2]) * (real_h + pads[1] + pads[3])
            for plane in range(planes):
                self.load_padded(base + plane * size, first + plane * area, real_w, real_h, stride, pads)
        return base

    def load_padded(self, base, first, width, height, stride, pads):
        """One plane's region: `pads` (left, top, right, bottom) around `height` x `width` tiles. A transfer pads by
        MAX_PAD at most: what is more is loaded from a tile of padding."""
        x0, y0, x1, y1 = pads
        pitch = x0 + width + x1
        if not width:
            self.fill(base, pitch * (y0 + y1))
            return
        if max(x0, x1) > MAX_PAD:           # row by row
            self.fill(base, y0 * pitch)
            for row in range(height):
                begin = base + (y0 + row) * pitch
                self.fill(begin, x0)
                self.p.load(MemType.INP, begin + x0, self.data, first + row * stride, width)
                self.fill(begin + x0 + width, x1)
            self.fill(base + (y0 + height) * pitch, y1 * pitch)
            return
        top, bottom = (0 if pad > MAX_PAD else pad for pad in (y0, y1))
        self.fill(base, (y0 - top) * pitch)
        self.p.load(MemType.INP, base + (y0 - top) * pitch, self.data, first, width, height, stride,
                    (x0, top, x1, bottom), self.window.pad_value)
        self.fill(base + (y0 + height + bottom) * pitch, (y1 - bottom) * pitch)

    def fill(self, base, tiles):
        """Padding to `tiles` input tiles: rows of one tile and its padding."""
        row = 2 * MAX_PAD + 1
        for start, count in chunks(tiles, row * row):
            for at, width, height in ((0, row, count // row), (count // row * row, count % row, 1)):
                if width and height:
                    left, top = (width - 1) // 2, (height - 1) // 2
                    self.p.load(MemType.INP, base + start + at, self.blank(), 0, 1, 1, 1,
                                (left, top, width - 1 - left, height - 1 - top), self.window.pad_value)

    def load_weights(self, base, group, ng, out, o, count, piece):
        """Weights of output blocks out + o to out + o + count - 1 and the piece's inputs and taps."""
        w, kernel_w = self.window, self.window.kernel[1]
        row, blocks, size = w.cin * w.taps, ng * count, self.weight_size(piece)
        memory = MemType.WGT_DIAG if w.diagonal else MemType.WGT
        first = w.weight_offset + (group * w.cout + out + o) * row + piece.first * w.taps
        base += o * size
        if w.shared:
            self.p.load(memory, base, self.weights, w.weight_offset, 1)
        elif size == row and blocks * row <= MAX_SIZE:
            self.p.load(memory, base, self.weights, first, blocks * row)
        elif size == piece.ins * w.taps:
            self.p.load(memory, base, self.weights, first, size, blocks, row)
        else:
            first += piece.row * kernel_w + piece.col
            for block, i in itertools.product(range(blocks), range(piece.ins)):
                self.p.load(memory, base + (block * piece.ins + i) * piece.taps, self.weights,
                            first + block * row + i * w.taps, piece.width, piece.height, kernel_w)

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
        for tile, *region in self.output_rows(base, patch, block, count):
            self.p.store(tile, self.out, *region)

    def output_rows(self, base, patch, block, count):
        """Yields (tile on chip, first tile in DRAM, tiles of a row, rows, stride) of output blocks of a patch."""
        w = self.window
        n, y, rows, x, cols = self.tiled.patches[patch]
        height, width = w.planes or w.out
        plane = height * width
        first = (n * w.groups * w.cout + block) * plane
        first += (w.origin[0] + y * w.step[0]) * width + w.origin[1] + x * w.step[1]
        rows_join = w.step == (1, 1) and cols == width and rows * cols <= MAX_SIZE
        if rows_join and (count == 1 or plane <= MAX_SIZE):
            yield base, first, rows * cols, count, plane
            return
        for o in range(count):
            tile, dram = base + o * rows * cols, first + o * plane
            if w.step[1] == 1:
                yield tile, dram, cols, rows, width * w.step[0]
                continue
            for row in range(rows):
                yield tile + row * cols, dram + row * width * w.step[0], 1, cols, w.step[1]
