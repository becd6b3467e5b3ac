"""Rooflines: the rates of layers against the limits of array and bus, as a picture.

A layer's operational intensity is its multiply-accumulates (MACs) per byte of DRAM traffic; its roof is the lower of
the array's peak, batch x block x block MACs a cycle, and intensity x bytes that the ports move in a cycle. Reads and
writes have separate channels, so the bytes are those of the busier direction, the instruction stream included. Both
axes are logarithmic.
"""

import math
from dataclasses import dataclass

from vta.pictures.svg import Picture

WIDTH, HEIGHT = 960, 480
LEFT, RIGHT, TOP, AXIS = 64, 600, 44, 50             # of the plot; below it the axis, right of it the table
MAX_HEIGHT = 560                                     # of the plot, however long the table
TABLE, LINE = 632, 20
NUMBER_OFFSETS = [(dx, dy) for distance in (15, 24, 34, 44, 56, 70) for dx, dy in
                  ((0, distance), (distance, 0), (-distance, 0), (distance * 0.7, distance * 0.7),
                   (-distance * 0.7, distance * 0.7))]        # from a dot to its number, the nearest first


@dataclass(frozen=True)
class Point:
    """A layer that was run: MACs, bytes read and written, cycles."""

    name: str
    macs: int
    read_bytes: int
    write_bytes: int
    cycles: int

    @property
    def intensity(self):
        return self.macs / max(self.read_bytes, self.write_bytes, 1)

    @property
    def rate(self):
        return self.macs / self.cycles


def peak(config):
    """MACs of the array in a cycle."""
    return config.batch * config.block * config.block


def bandwidth(config):
    """Bytes that all ports together move in a cycle, in one direction."""
    return config.bus_bytes * config.axi_ports


def roof(config, intensity):
    """The highest MACs a cycle at an intensity."""
    return min(peak(config), intensity * bandwidth(config))


def roofline(points, config, latency):
    """The Picture of some Points, measured at a memory latency. ValueError where none has MACs."""
    drawn = [point for point in points if point.macs]
    if not drawn:
        raise ValueError("a roofline needs layers with GEMM steps: none was measured")
    rows = len(drawn) + (len(points) - len(drawn) + 1) // 2
    height = max(HEIGHT, TOP + LINE * (rows + 3))
    picture = Picture(WIDTH, height,
                      f"Roofline of configuration {config.name}: {len(drawn)} layers, MACs a cycle against MACs per "
                      f"byte of DRAM traffic")
    plot = _Axes(drawn, config, min(height - AXIS, TOP + MAX_HEIGHT))
    picture.text(LEFT, 26, f"Roofline of configuration {config.name}, memory latency {latency} cycles", bold=True,
                 size=14)
    _grid(picture, plot)
    _roof(picture, plot, config)
    _dots(picture, plot, drawn, config)
    _table(picture, drawn, config, [point.name for point in points if not point.macs])
    return picture


class _Axes:
    """From values to pixels; the axes end at powers of two around the points and the roof's ridge."""

    def __init__(self, points, config, bottom):
        self.bottom = bottom
        ridge = peak(config) / bandwidth(config)
        values = [*(point.intensity for point in points), ridge]
        self.low_x, self.high_x = _powers(min(values) / 1.2, max(*values, 4 * ridge) * 1.1)
        self.low_y, self.high_y = _powers(min(point.rate for point in points) / 1.5, 1.3 * peak(config))

    def x(self, intensity):
        share = (math.log2(intensity) - self.low_x) / (self.high_x - self.low_x)
        return LEFT + share * (RIGHT - LEFT)

    def y(self, rate):
        return self.bottom - (math.log2(rate) - self.low_y) / (self.high_y - self.low_y) * (self.bottom - TOP)


def _powers(low, high):
    return math.floor(math.log2(low)), math.ceil(math.log2(high))


def _grid(picture, plot):
    for power in range(plot.low_x, plot.high_x + 1):
        x = plot.x(2.0 ** power)
        picture.line([(x, TOP), (x, plot.bottom)], "grid")
        picture.label(x, plot.bottom + 18, f"{2.0 ** power:g}")
    for power in range(plot.low_y, plot.high_y + 1):
        y = plot.y(2.0 ** power)
        picture.line([(LEFT, y), (RIGHT, y)], "grid")
        picture.label(LEFT - 8, y + 4, f"{2.0 ** power:g}", "end")
    middle = (LEFT + RIGHT) / 2
    picture.text(middle, plot.bottom + 38, "MACs per byte of DRAM traffic (busier direction)", "faint", anchor="middle")
    picture.text(20, (TOP + plot.bottom) / 2, "MACs a cycle", "faint", anchor="middle", turned=True)


def _roof(picture, plot, config):
    ridge = peak(config) / bandwidth(config)
    start = max(2.0 ** plot.low_x, 2.0 ** plot.low_y / bandwidth(config))
    corners = [start, ridge, 2.0 ** plot.high_x]
    picture.line([(plot.x(at), plot.y(roof(config, at))) for at in corners], "ink", width=2)
    picture.text(RIGHT - 4, plot.y(peak(config)) - 8, f"{peak(config)} MACs a cycle", anchor="end", size=11)
    x, y = plot.x(start), plot.y(roof(config, start))
    picture.text(x + 22, y - 4, f"{bandwidth(config)} bytes a cycle", size=11)


def _dots(picture, plot, points, config):
    """A dot for each point, and its number as near as it fits without covering others."""
    centres = [(plot.x(point.intensity), plot.y(point.rate)) for point in points]
    taken = list(centres)
    for n, (point, (x, y)) in enumerate(zip(points, centres, strict=True), 1):
        position = next(((x + dx, y + dy) for dx, dy in NUMBER_OFFSETS
                         if LEFT + 8 < x + dx < RIGHT - 8 and y + dy < plot.bottom - 8
                         and all(math.hypot(x + dx - a, y + dy - b) > 14 for a, b in taken)), (x, y + 15))
        taken.append(position)
        if math.hypot(position[0] - x, position[1] - y) > 16:
            picture.line([(x, y), position], "faint", width=0.5)
        picture.text(position[0], position[1] + 4, str(n), size=11, anchor="middle")
        picture.dot(x, y, 4.5, "gemm", title=f"{point.name}: {point.intensity:.1f} MACs per byte, {point.rate:.1f} "
                                             f"MACs a cycle, {_share(point, config):.0%} of the roof")


def _table(picture, points, config, others):
    columns = ((TABLE, "end"), (TABLE + 10, "start"), (WIDTH - 84, "end"), (WIDTH - 20, "end"))
    y = TOP + 10
    for (x, anchor), words in zip(columns[1:], ("layer", "MACs a cycle", "of the roof"), strict=True):
        picture.label(x, y, words, anchor)
    for n, point in enumerate(points, 1):
        y += LINE
        cells = (str(n), point.name, f"{point.rate:.1f}", f"{_share(point, config):.0%}")
        for (x, anchor), words in zip(columns, cells, strict=True):
            picture.text(x, y, words, "faint" if words is cells[0] else "ink", size=12, anchor=anchor)
    for n in range(0, len(others), 2):
        y += LINE if n else 1.6 * LINE
        lead = "without MACs: " if n == 0 else ""
        tail = "," if n + 2 < len(others) else ""
        picture.label(TABLE + 10, y, lead + ", ".join(others[n:n + 2]) + tail, "start")


def _share(point, config):
    return point.rate / roof(config, point.intensity)
