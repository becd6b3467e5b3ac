"""Timelines: what load, compute and store do at which cycle, predicted by vta.compiler.timing, as a picture.

    streams = [Panel("one virtual thread", insns, config), ...]
    path.write_text(timeline(streams, 0, 60_000).svg())

Each stream has a panel with one row for each unit; all panels have one scale of cycles. Colours are kinds of work;
`wait` is time in which a unit was idle and the token for its next instruction was missing. Spans of one kind that are
less than a pixel apart are drawn as one.
"""

from dataclasses import dataclass, replace

import numpy as np

from vta.compiler.timing import predict
from vta.hw.columns import Columns
from vta.hw.config import Config
from vta.hw.isa import WORKERS, Unit
from vta.pictures.svg import Picture

KINDS = {"load": "LOAD INP, WGT", "uop": "LOAD UOP, ACC", "gemm": "GEMM", "reset": "GEMM reset", "alu": "ALU",
         "store": "STORE", "wait": "waiting for a token"}
WIDTH, LEFT, RIGHT, ROW, GAP = 960, 84, 28, 26, 6
TOP, HEAD, BOTTOM = 40, 30, 50          # legend; a panel's title; axis
RESOLUTION = 0.5                        # pixels between two spans that are drawn separately


class TimelineError(ValueError):
    """A range of cycles in which there is nothing to draw."""


@dataclass(frozen=True)
class Panel:
    """A stream, (n, 2) uint64, and its name. tokens_before, uops: as `predict` takes them."""

    name: str
    insns: np.ndarray
    config: Config
    tokens_before: dict | None = None
    uops: object = None


@dataclass(frozen=True)
class Bar:
    """A span of cycles of one unit: `kind` is a key of KINDS; `count` instructions from `first` on are in it."""

    unit: Unit
    kind: str
    begin: float
    end: float
    first: int
    count: int


def bars(panel, latency=16):
    """(cycles of the run, [Bar, ...]) of a panel, in order for each unit. TimingError for a stream that has no
    prediction."""
    spans, found = [], []
    cycles = predict(panel.insns, panel.config, latency, tokens_before=panel.tokens_before, spans=spans,
                     uops=panel.uops).cycles
    kinds, last = _kinds(panel.insns, panel.config), dict.fromkeys(WORKERS, 0)
    for span in spans:
        if span.waited is not None and span.begin > last[span.unit]:
            found.append(Bar(span.unit, "wait", last[span.unit], span.begin, span.n, 1))
        if span.end > span.begin:
            found.append(Bar(span.unit, kinds[span.n], span.begin, span.end, span.n, 1))
        last[span.unit] = max(last[span.unit], span.end)
    return cycles, found


def summary(panel, latency=16):
    """Lines of text: the cycles of a panel, and how many of them each unit spends on what."""
    cycles, found = bars(panel, latency)
    lines = [f"{panel.name}: {cycles:,} cycles"]
    for unit in WORKERS:
        spent = dict.fromkeys(KINDS, 0)
        for bar in found:
            if bar.unit is unit:
                spent[bar.kind] += bar.end - bar.begin
        words = ", ".join(f"{KINDS[kind]} {share / cycles:.1%}" for kind, share in spent.items() if share)
        lines.append(f"  {unit.name.lower():<8} {words or 'nothing'}")
    return lines


def timeline(panels, first=0, last=None, latency=16):
    """The Picture of cycles `first` to `last` (default: the end of the longest) of some Panels."""
    drawn = [bars(panel, latency) for panel in panels]
    end = max(cycles for cycles, _ in drawn)
    last = end if last is None else min(last, end)
    if not 0 <= first < last:
        raise TimelineError(f"cycles {first} to {last}: the first must be 0 or more, less than the "
                            f"last and than the {end} cycles of the run")
    panel_height = HEAD + 3 * (ROW + GAP)
    height = TOP + len(panels) * panel_height + BOTTOM
    picture = Picture(WIDTH, height, "Load, compute and store over time: "
                      + "; ".join(f"{panel.name}, {cycles:,} cycles" for panel, (cycles, _) in zip(panels, drawn,
                                                                                              strict=True)))
    scale = (WIDTH - LEFT - RIGHT) / (last - first)
    _legend(picture, {bar.kind for _, found in drawn for bar in found if bar.end > first and bar.begin < last})
    _axis(picture, first, last, scale, height - BOTTOM)
    for n, (panel, (cycles, found)) in enumerate(zip(panels, drawn, strict=True)):
        _panel(picture, TOP + n * panel_height, panel.name, cycles, found, (first, last, scale))
    return picture


def _panel(picture, top, name, cycles, found, window):
    first, last, scale = window
    picture.text(LEFT, top + 20, f"{name}: {cycles:,} cycles predicted", size=13, bold=True)
    for row, unit in enumerate(WORKERS):
        y = top + HEAD + row * (ROW + GAP)
        picture.text(LEFT - 10, y + 17, unit.name.lower(), "faint", anchor="end")
        picture.rect(LEFT, y, WIDTH - LEFT - RIGHT, ROW, "panel")
        shown = [bar for bar in found if bar.unit is unit and bar.end > first and bar.begin < last]
        for bar in merged(shown, RESOLUTION / scale):
            begin, end = max(bar.begin, first), min(bar.end, last)
            picture.rect(LEFT + (begin - first) * scale, y, (end - begin) * scale, ROW, bar.kind, title=_tooltip(bar))


def merged(found, apart):
    """The bars of one unit; those of one kind with less than `apart` cycles between them are joined."""
    joined = []
    for bar in found:
        last = joined[-1] if joined else None
        if last and last.kind == bar.kind and bar.begin - last.end < apart:
            joined[-1] = replace(last, end=bar.end, count=last.count + bar.count)
        elif bar.kind != "wait" or bar.end - bar.begin >= apart:
            joined.append(bar)
    return joined


def _tooltip(bar):
    instructions = f"instruction {bar.first}" if bar.count == 1 else f"{bar.count} instructions from {bar.first}"
    return f"{KINDS[bar.kind]}: {instructions}, cycles {bar.begin:,.0f} to {bar.end:,.0f}"


def _legend(picture, kinds):
    x = LEFT
    for kind, words in KINDS.items():
        if kind in kinds:
            picture.rect(x, 16, 12, 12, kind, round=2)
            picture.text(x + 18, 26, words, "faint")
            x += 40 + 6.6 * len(words)


def _axis(picture, first, last, scale, bottom):
    """Ticks at round numbers of cycles, with lines behind all panels."""
    step = 10 ** np.floor(np.log10((last - first) / 4))
    step = int(max(1, step * max(k for k in (1, 2, 5) if (last - first) / (step * k) >= 4)))
    for cycle in range(-(-first // step) * step, last + 1, step):
        x = LEFT + (cycle - first) * scale
        picture.line([(x, TOP + 4), (x, bottom + 4)], "grid")
        picture.label(x, bottom + 20, f"{cycle:,}")
    picture.label(LEFT + (WIDTH - LEFT - RIGHT) / 2, bottom + 40, "cycles")


def _kinds(insns, config):
    """The key of KINDS for each instruction (LOAD UOP's for FINISH, which takes no time)."""
    columns = Columns(insns, config)
    cases = {"store": columns.is_store, "alu": columns.is_alu, "reset": columns.is_reset, "gemm": columns.is_gemm,
             "load": columns.unit == Unit.LOAD}
    return np.select(list(cases.values()), list(cases), "uop").tolist()
