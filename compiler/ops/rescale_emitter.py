"""Emits one window whose sums are requantised on their way out.

Each block of channels has parameters of its own, so it gets a PAR and a GEMM, whose micro-ops are the whole sum of an
output: its first one starts from 0, its last one requantises. Nothing passes over the outputs afterwards.
"""

from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.loops import chunks, growing_chunks, join, split_loops, unroll
from vta.compiler.ops.rescale import WORDS
from vta.compiler.ops.window import reductions, row_pieces, row_steps
from vta.hw.isa import MAX_TRIPS, AluOp, MemType


class RescaleEmitter(Emitter):
    """As `Emitter`. rule: number of the window's rule."""

    def __init__(self, pipeline, window, tiling, post, buffers, blank, rule=0):
        super().__init__(pipeline, window, tiling, post, buffers, blank)
        self.rule = rule
        self.loaded = None          # what the requantiser's parameters are

    def output_tile(self, number, channel, patch, first, last):
        tiled, pieces = self.tiled, self.tiled.pieces
        _, ng, _, no = tiled.channels[channel]
        _, _, rows, _, cols = tiled.patches[patch]
        base, _ = self.sums.acquire(number)
        area, blocks = rows * cols, ng * no
        if len(pieces) != 1:
            for start, count in chunks(blocks * area, MAX_TRIPS):
                self.p.reset(base + start, count)
        for n, piece in enumerate(pieces[:-1]):
            for o, count, src, wgt in self.operands(channel, patch, n, first and n == 0 and ng == 1):
                loops, left = split_loops(tiled.loops(ng, count, piece, rows, cols), tiled.config)
                self.p.gemm("window", loops, unroll(left, base + o * area, src, wgt))
        stores = [count for _, count in reversed(growing_chunks(blocks))] if last else [blocks]
        done = stored = 0
        for count in self.requantised(channel, patch, base, first and len(pieces) == 1 and ng == 1):
            done += count
            while stores and done - stored >= stores[0]:
                self.store(base + stored * area, patch, self.first_block(channel) + stored, stores[0])
                stored += stores.pop(0)

    def first_block(self, channel):
        group, _, out, _ = self.tiled.channels[channel]
        return group * self.window.cout + out

    def requantised(self, channel, patch, base, early):
        """Emit what ends with the requantised outputs; yields the blocks that are done, in order."""
        tiled = self.tiled
        _, ng, _, no = tiled.channels[channel]
        _, _, rows, _, cols = tiled.patches[patch]
        area = rows * cols
        if not tiled.pieces:                     # no inputs: what there is, is zero
            for block in range(ng * no):
                self.parameters(channel, block)
                for start, count in chunks(area, MAX_TRIPS):
                    self.p.alu(AluOp.REQ, [(count, 1)], [(base + block * area + start,)], 0)
                yield 1
            return
        piece, fresh = tiled.pieces[-1], len(tiled.pieces) == 1
        plane = piece.ins
        for value in tiled.input_size(rows, cols, (piece.height, piece.width)):
            plane *= value
        for o, count, src, wgt in self.operands(channel, patch, len(tiled.pieces) - 1, early):
            if self.post.shared and not self.window.row_taps:
                self.parameters(channel, 0)
                self.products(tiled.loops(ng, count, piece, rows, cols), base + o * area, src, wgt, fresh)
                yield ng * count
                continue
            size = 0 if self.window.shared else self.weight_size(piece)
            for block in range(ng * count):
                self.parameters(channel, o + block)
                at = base + (o + block) * area, src + block // count * plane, wgt + block * size
                if self.window.row_taps:
                    self.row_products(rows, cols, *at)
                else:
                    self.products(tiled.loops(1, 1, piece, rows, cols), *at, fresh)
                yield 1

    def parameters(self, channel, block):
        """The parameters of a block of an output tile go to the requantiser, unless they are there."""
        shared, w = self.post.shared, self.window
        first, blocks = (0, 1) if shared else (self.first_block(channel), self.blocks(channel))
        number = first if shared else first + block
        if self.loaded == number:
            return
        tile, missing = self.biases.acquire("shared" if shared else channel)
        if self.tiled.bias_resident:
            tile = self.biases.base + WORDS * first
        if missing:
            offset = first + self.rule * (1 if shared else w.groups * w.cout)
            self.p.load(MemType.ACC, tile, self.bias, WORDS * offset, WORDS * blocks)
        self.p.parameters(tile + WORDS * (number - first), *self.post.clip)
        self.loaded = number

    def blocks(self, channel):
        _, ng, _, no = self.tiled.channels[channel]
        return ng * no

    def products(self, loops, dst, src, wgt, fresh):
        """GEMMs of outputs of one set of parameters, the sum of each as micro-ops."""
        sums = reductions(loops)
        outputs = join([loop for loop in loops if loop[1]])
        inner, outer = outputs[-2:], outputs[:-2]
        for at in unroll(outer, dst, src, wgt):
            self.p.gemm("window", inner, unroll(sums, *at), fresh=fresh, requantise=True)

    def row_products(self, rows, cols, dst, src, wgt):
        """WINDOWs of one block: a row of the window for all rows of outputs, then the next one. A step that completes
        no output writes scrap."""
        tiled, window = self.tiled, self.window
        width = tiled.input_size(rows, cols, window.kernel)[1]
        pieces = [(row, number, *piece) for row in range(window.kernel[0])
                  for number, piece in enumerate(row_pieces(window))]
        for n, (row, number, tap, taps) in enumerate(pieces):
            first, steps = row_steps(window, cols, (tap, taps))
            uops = []
            for step in range(steps):
                output, between = divmod(step - taps + 1, window.stride[1])
                uops.append((tiled.acc_size if output < 0 or between else dst + output,
                             src + row * tiled.dilation[0] * width + first + step,
                             wgt + row * (len(pieces) // window.kernel[0]) + number))
            loops = [(rows, cols, tiled.stride[0] * width, 0)] if rows > 1 else []
            self.p.gemm("row", loops, uops, fresh=n == 0, requantise=n == len(pieces) - 1, window=True)
