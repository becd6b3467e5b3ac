"""Draws the pictures of docs/requantisation.md: `python -m vta.pictures.requantisation`.

A test compares the committed ones with new ones, and the stages with the requantiser's latency.
"""

from pathlib import Path

from vta.pictures.svg import Picture

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
STAGES = (("25 bits", "of the sum"), ("+ B",), ("\u00d7 M, in two", "products"), ("added",),
          ("\u226b 31",), ("\u226b r",), ("rounded",), ("+ zero", "point"), ("clipped",))
STEPS = 4                                                # GEMM steps of a tile in the chart
STOCK = (("reset", "reset"), *[("gemm", "GEMM step")] * STEPS,
         *(("alu", f"ALU pass: {name}") for name in ("bias", "shift", "MAX", "MIN")))
WIDTH, MARGIN = 960, 24
TAPS, OUTPUTS = 3, 6                                     # of the row of a depthwise convolution


def _box(picture, x, y, width, height, colour, *lines, faint=(), title=None):
    """A box with lines of text in its middle; those in `faint` come last, smaller."""
    picture.rect(x, y, width, height, "panel", round=5, title=title)
    picture.line([(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)], colour, width=1.5)
    top = y + height / 2 - 7.5 * (len(lines) + len(faint) - 1) + 4
    for number, words in enumerate((*lines, *faint)):
        is_faint = number >= len(lines)
        picture.text(x + width / 2, top + 15 * number, words, "faint" if is_faint else "ink",
                     size=11 if is_faint else 12, anchor="middle")


def _arrow(picture, *points, colour="line", dashed=False):
    """A line through points with a head at its last one; the last piece must be straight along an axis."""
    picture.line(points, colour, width=1.5, dashed=dashed)
    (x0, y0), (x, y) = points[-2:]
    dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
    for side in (-1, 1):
        picture.line([(x - 6 * dx - 4 * side * dy, y - 6 * dy - 4 * side * dx), (x, y)], colour, width=1.5)


def pipeline():
    """From inputs and weights to OUT, and below it the same over time."""
    picture = Picture(WIDTH, 520, "The requantiser behind the accumulators, and why GEMM does not wait for it")
    _blocks(picture)
    _chart(picture, 300)
    return picture


def _blocks(picture):
    wide, gap, left, top = 74, 9, MARGIN, 156
    right = left + len(STAGES) * (wide + gap) - gap
    _box(picture, MARGIN, 40, 110, 50, "load", "INP, WGT")
    _box(picture, 174, 40, 150, 50, "gemm", "GEMM array", faint=("a product of tiles a cycle",))
    _box(picture, 364, 40, 170, 50, "gemm", "accumulators' adders", faint=("a sum a cycle",))
    _box(picture, 620, 40, 110, 50, "load", "ACC", faint=("int32",))
    _box(picture, 826, top, 110, 50, "store", "OUT", faint=("int8",))
    _arrow(picture, (134, 65), (174, 65))
    _arrow(picture, (324, 65), (364, 65))
    _arrow(picture, (534, 56), (620, 56))
    _arrow(picture, (620, 74), (534, 74))
    _arrow(picture, (500, 90), (500, 112), (881, 112), (881, top))
    picture.label(690, 106, "plain results: the low bytes, at once")
    _arrow(picture, (400, 90), (400, 112), (left + wide / 2, 112), (left + wide / 2, top), colour="alu")
    picture.label(230, 106, "a tile's last sum, to be requantised")
    for number, lines in enumerate(STAGES):
        x = left + number * (wide + gap)
        _box(picture, x, top, wide, 50, "alu", *lines, title=f"cycle {number + 1} behind the sum")
        if number:
            picture.line([(x - gap, top + 25), (x, top + 25)], "alu", width=1.5)
        picture.label(x + wide / 2, top + 65, f"{number + 1}")
    _arrow(picture, (right, top + 25), (826, top + 25), colour="alu")
    middle = right - wide / 2
    _arrow(picture, (middle, top), (middle, 134), (450, 134), (450, 90), colour="alu", dashed=True)
    picture.label(600, 148, "REQ: back into ACC as well")
    picture.label((left + right) / 2, top + 84, "each lane has M, B, r, zero point and rounding in registers, loaded "
                                                "from ACC by PAR; a tile enters in any cycle")


def _chart(picture, top):
    """The stock machine's passes and, here, a tile's way through the requantiser, cycle by cycle."""
    left, cell, row = 176, 20, 24
    cycles = (WIDTH - MARGIN - left) // cell

    def cells(y, first, kinds, tile):
        for number, (colour, words) in enumerate(kinds):
            if first + number < cycles:
                picture.rect(left + (first + number) * cell + 1, y, cell - 2, row - 6, colour,
                             title=f"tile {tile}: {words}", round=2)

    def tile_name(y, first, tile, colour="page"):
        if first < cycles:
            picture.text(left + first * cell + cell / 2, y + 13, tile, colour, size=11, anchor="middle", bold=True)

    picture.line([(MARGIN, top - 28), (WIDTH - MARGIN, top - 28)], "grid")
    picture.text(MARGIN, top - 6, f"Tiles A, B, C, ... of {STEPS} GEMM steps each, over time (one cell is a cycle)",
                 bold=True)
    y = top + 8
    picture.text(MARGIN, y + 13, "stock machine")
    for number in range(-(-cycles // len(STOCK))):
        cells(y, number * len(STOCK), STOCK, "ABCDEFGHI"[number])
        tile_name(y, number * len(STOCK) + 1, "ABCDEFGHI"[number])
    picture.label(left, y + row + 8, f"{len(STOCK)} cycles a tile: reset, {STEPS} steps, bias, shift, MAX, MIN",
                  anchor="start")

    y += 52
    picture.text(MARGIN, y + 13, "here: GEMM")
    lanes = -(-len(STAGES) // STEPS)                     # tiles that are in the requantiser at a time
    names = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number in range(-(-cycles // STEPS)):
        tile, first, enters = names[number], number * STEPS, (number + 1) * STEPS - 1
        cells(y, first, [("gemm", "GEMM step")] * STEPS, tile)
        tile_name(y, first, tile)
        below = y + row * (1 + number % lanes)
        cells(below, enters + 1, [("alu", " ".join(words)) for words in STAGES], tile)
        tile_name(below, enters + 1, tile)
        written = enters + len(STAGES)                   # the result leaves the last register into OUT
        cells(y + row * (lanes + 1), written, [("store", "written to OUT")], tile)
        tile_name(y + row * (lanes + 1), written, tile)
    picture.text(MARGIN, y + row + 13, "requantiser")
    picture.text(MARGIN, y + row * (lanes + 1) + 13, "OUT is written")
    picture.label(left, y + row * (lanes + 2) + 10, f"{STEPS} cycles a tile: the first step starts from zero, the last "
                  f"sum enters the requantiser, which holds {lanes} tiles at a time", anchor="start")


def window():
    """A row of a depthwise convolution by window steps."""
    picture = Picture(WIDTH, 246, "Window steps: the array keeps the last input tiles, and multiplies all taps at once")
    left, cell, row = 250, 76, 34
    steps = OUTPUTS + TAPS - 1
    for n in range(steps):
        picture.label(left + n * cell + cell / 2, 34, f"step {n}")
        for tap in range(TAPS):
            y = 44 + tap * row
            if n >= tap:
                picture.rect(left + n * cell + 3, y, cell - 6, row - 8, "load" if tap == 0 else "panel", round=3)
                picture.text(left + n * cell + cell / 2, y + 18, f"T{n - tap} \u00b7 w{tap}",
                             "page" if tap == 0 else "ink", anchor="middle")
            else:
                picture.label(left + n * cell + cell / 2, y + 18, "0")
        y = 44 + TAPS * row + 14
        is_output = n >= TAPS - 1
        picture.rect(left + n * cell + 3, y, cell - 6, row - 8, "store" if is_output else "wait", round=3)
        picture.text(left + n * cell + cell / 2, y + 18, f"out {n - TAPS + 1}" if is_output else "unused",
                     "page" if is_output else "faint", anchor="middle")
    for tap, words in enumerate(("the tile that it reads", "the step before's", "the one before that")):
        picture.text(MARGIN, 62 + tap * row, words, "ink" if tap == 0 else "faint")
    picture.text(MARGIN, 44 + TAPS * row + 32, "the sum, lane by lane")
    y = 44 + (TAPS + 1) * row + 32
    picture.label(MARGIN, y, f"{steps} steps for {OUTPUTS} outputs and {TAPS} taps; a GEMM with diagonal weights "
                             f"multiplies one tap a step and takes {OUTPUTS * TAPS}.", anchor="start")
    picture.label(MARGIN, y + 18, "w0, w1, w2 are read from one weight tile; w0 belongs to the newest input, so it is "
                                  "the kernel's last column.", anchor="start")
    return picture


PICTURES = {"requantiser.svg": pipeline, "window-step.svg": window}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (FOLDER / name).write_text(draw().svg())
        print(FOLDER / name)
