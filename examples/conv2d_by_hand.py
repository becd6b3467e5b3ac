"""A 3x3 convolution written by hand: one page of the calls that the compiler's last pass would make.

data (1, 256, 14, 14) int8, kernel (256, 256, 3, 3) int8, padding 1, then >> 8 and clip to 0..127. Two virtual
threads take half of the output channels each, so that one loads while the other computes; each computes its half
in two tiles of 7 rows. Run it with `python examples/conv2d_by_hand.py [sim|tsim]`.
"""

import sys

import numpy as np

from vta.compiler.program import Program
from vta.compiler.stream.kernel import KernelMode
from vta.compiler.stream.stream import COMPUTE, LOAD, STORE, Stream
from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType

SHIFT, LOW, HIGH = 8, 0, 127
THREADS = 2
ROWS = COLS = 14                # of the image
TILE_ROWS = 7                   # rows computed at a time
CHANNELS = 16                   # input and output channels, in blocks of 16
HALF = CHANNELS // THREADS      # output channel blocks of one thread
INP = (TILE_ROWS + 2) * (COLS + 2)   # on-chip tiles of one thread's input, padding included
WGT = HALF * 9                       # of its weights
ACC = HALF * TILE_ROWS * COLS        # of its results


def build(config=PRESETS["default"]):
    """The program, for configurations with 1x16 tiles."""
    if (config.batch, config.block) != (1, 16):
        raise ValueError(f"conv2d_by_hand is written for tiles of 1x16, not {config.batch}x{config.block}")
    s = Stream(config)
    data = s.buffer("data", (1, CHANNELS, ROWS, COLS, 1, 16), "int8", "input", "NCHWnc")
    kernel = s.buffer("kernel", (CHANNELS, CHANNELS, 3, 3, 16, 16), "int8", "input", "OIHWoi")
    res = s.buffer("res", (1, CHANNELS, ROWS, COLS, 1, 16), "int8", "output", "NCHWnc")
    for _ in range(THREADS):
        s.dep_push(STORE, COMPUTE)                        # both halves of the output memory start free
    for tile in range(ROWS // TILE_ROWS):
        for thread in range(THREADS):
            reset(s, thread)
        for channel in range(CHANNELS):
            for thread in range(THREADS):
                load(s, data, kernel, tile, channel, thread)
            for thread in range(THREADS):
                convolve(s, thread)
        for _ in range(THREADS):
            s.dep_pop(COMPUTE, LOAD)
        for thread in range(THREADS):
            requantise(s, thread)
        for thread in range(THREADS):
            store(s, res, tile, thread)
    for _ in range(THREADS):
        s.dep_pop(STORE, COMPUTE)
    s.sync()
    return Program.from_code(s.code(), "conv2d_by_hand")


def reset(s, thread):
    """Clear this thread's accumulators; then its inputs and weights may be loaded."""
    s.dep_pop(STORE, COMPUTE)
    with (s.uop_kernel("reset"), s.uop_loop(HALF, TILE_ROWS * COLS, 0, 0), s.uop_loop(TILE_ROWS, COLS, 0, 0)):
        for j in range(COLS):
            s.uop_push(KernelMode.GEMM, 1, thread * ACC + j, 0, 0, 0, 0, 0)
    s.dep_push(COMPUTE, LOAD)


def load(s, data, kernel, tile, channel, thread):
    """9 of 16 padded rows of one input channel block, and the weights for that block."""
    above, below = (1, 0) if tile == 0 else (0, 1)
    first = channel * ROWS * COLS + (tile * TILE_ROWS - 1 + above) * COLS
    s.dep_pop(COMPUTE, LOAD)
    s.load_buffer_2d(data, first, COLS, TILE_ROWS + 2 - above - below, COLS, (1, above, 1, below),
                     thread * INP, MemType.INP)
    s.load_buffer_2d(kernel, thread * HALF * CHANNELS * 9 + channel * 9, 9, HALF, CHANNELS * 9, (0, 0, 0, 0),
                     thread * WGT, MemType.WGT)
    s.dep_push(LOAD, COMPUTE)


def convolve(s, thread):
    """Add one input channel block to the thread's accumulators: 9 taps x 14 columns as micro-ops, the rest in loops."""
    s.dep_pop(LOAD, COMPUTE)
    with (s.uop_kernel("convolve"), s.uop_loop(HALF, TILE_ROWS * COLS, 0, 9),
          s.uop_loop(TILE_ROWS, COLS, COLS + 2, 0)):
        for dy, dx, j in np.ndindex(3, 3, COLS):
            s.uop_push(KernelMode.GEMM, 0, thread * ACC + j, thread * INP + dy * (COLS + 2) + j + dx,
                       thread * WGT + dy * 3 + dx, 0, 0, 0)
    s.dep_push(COMPUTE, LOAD)


def requantise(s, thread):
    """acc >> 8, clipped to 0..127."""
    for op, imm in ((AluOp.SHR, SHIFT), (AluOp.MAX, LOW), (AluOp.MIN, HIGH)):
        with s.uop_kernel(op.name), s.uop_loop(ACC, 1, 1, 0):
            s.uop_push(KernelMode.ALU, 0, thread * ACC, thread * ACC, 0, op, 1, imm)
    s.dep_push(COMPUTE, STORE)


def store(s, res, tile, thread):
    """Store the thread's results, one on-chip tile at a time."""
    s.dep_pop(COMPUTE, STORE)
    for block, row, col in np.ndindex(HALF, TILE_ROWS, COLS):
        source = thread * ACC + (block * TILE_ROWS + row) * COLS + col
        target = (thread * HALF + block) * ROWS * COLS + (tile * TILE_ROWS + row) * COLS + col
        s.store_buffer_2d(source, MemType.OUT, res, target, 1, 1, 1)
    s.dep_push(STORE, COMPUTE)


def reference(data, kernel):
    """The same in numpy, on (1, C, H, W) and (O, C, 3, 3) int8 arrays."""
    padded = np.pad(data.astype(np.int32), ((0, 0), (0, 0), (1, 1), (1, 1)))
    acc = np.zeros((1, kernel.shape[0], ROWS, COLS), np.int32)
    for dy, dx in np.ndindex(3, 3):
        window = padded[0, :, dy:dy + ROWS, dx:dx + COLS].reshape(data.shape[1], -1)
        # float64 holds sums of 2304 products of two bytes exactly
        tap = kernel[:, :, dy, dx].astype(np.float64) @ window.astype(np.float64)
        acc += tap.astype(np.int32).reshape(acc.shape)
    return np.clip(acc >> SHIFT, LOW, HIGH).astype(np.int8)


def main(device, seed=0, progress=None):
    """Run on random data, compare with numpy, print the statistics; returns the device's RunResult."""
    random = np.random.default_rng(seed)
    data = random.integers(-128, 128, (1, 256, ROWS, COLS), dtype=np.int8)
    kernel = random.integers(-128, 128, (256, 256, 3, 3), dtype=np.int8)
    outputs, result = build(device.config).run(
        device, progress=progress,
        data=data.reshape(1, 1, 16, 16, ROWS, COLS).transpose(0, 2, 4, 5, 1, 3),
        kernel=kernel.reshape(16, 16, 16, 16, 3, 3).transpose(0, 2, 4, 5, 1, 3))
    want = reference(data, kernel).reshape(1, 1, 16, 16, ROWS, COLS).transpose(0, 2, 4, 5, 1, 3)
    if not np.array_equal(outputs["res"], want):
        wrong = np.argwhere(outputs["res"] != want)
        at = tuple(int(n) for n in wrong[0])
        raise AssertionError(f"{len(wrong)} of {want.size} results differ from numpy, the first at {at}: "
                             f"{outputs['res'][at]} instead of {want[at]}")
    print("Execution statistics:")
    for name, value in result.stats.items():
        print(f"\t{name:<16}: {value:>16}")
    print("Successful 2D convolution test!")
    return result


if __name__ == "__main__":
    from vta.runtime.device import open_device

    with open_device(sys.argv[1] if len(sys.argv) > 1 else "sim", PRESETS["default"]) as the_device:
        main(the_device)
