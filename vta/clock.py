"""Clock and cycles of configurations together: how long layers take in milliseconds. The table of docs/timing.md."""

import dataclasses
from dataclasses import dataclass

from vta.benchmark import BY_HAND, measure
from vta.hw.config import PRESETS
from vta.runtime.device import open_device
from vta.sim.area import area_of_synthesis
from vta.sim.synthesis import synthesise
from vta.sim.timing.estimate import estimate
from vta.sim.timing.text import ends
from vta.suite import RESNET18_CONVOLUTIONS

LATENCY = 16                 # cycles of memory latency, as in the other tables
COLUMNS = ("configuration", "estimate, ns", "MHz", "levels", "longest path", "by hand, cycles", "ms",
           "ten convolutions, cycles", "ms", "LUT", "FF", "DSP48E1", "RAMB36", "RAMB18")


@dataclass(frozen=True)
class Row:
    """A configuration: its area, its timing Report, and cycles of examples/conv2d_by_hand.py and of ResNet-18's ten
    convolutions on the RTL, None where not measured."""

    config: object
    area: object
    report: object
    by_hand: int | None = None
    convolutions: int | None = None


def area_configurations():
    """The configurations of the tables for 7-series: the presets and tiles of 2x16."""
    # the 1024 products of `wide` take Yosys more than a quarter of an hour
    return [*(config for name, config in PRESETS.items() if name != "wide"),
            dataclasses.replace(PRESETS["default"], log_batch=1, name="2x16")]


def row(config, cycles=True, convolutions=True):
    """The Row of `config`: synthesis takes minutes unless cached, cycles (tiles of 1x16 only) another minute."""
    synthesis = synthesise(config)
    counts = (None, None)
    if cycles and (config.batch, config.block) == (1, 16):
        counts = layer_cycles(config, convolutions)
    return Row(config, area_of_synthesis(synthesis), estimate(synthesis), *counts)


def layer_cycles(config, convolutions=True):
    """Cycles on the RTL: (of the convolution by hand, of ResNet-18's ten convolutions together, or None)."""
    with open_device("tsim", config, latency=LATENCY) as device:
        by_hand = [found.cycles for found in measure(device, LATENCY, BY_HAND)]
        found = {found.name: found.cycles for found in measure(device, LATENCY, "resnet18_C*")} if convolutions else {}
    return by_hand[0], sum(found[name] for name in RESNET18_CONVOLUTIONS) if convolutions else None


def table(rows):
    """The rows as Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|--:|--:|--:|---" + "|--:" * (len(COLUMNS) - 5) + "|"]
    for each in rows:
        area, report = each.area, each.report
        path = ends(report.worst).replace(" -> ", "` to `")
        lines.append("| " + " | ".join((
            each.config.name, f"{report.ns:.1f}", f"{report.mhz:.1f}", str(report.worst.depth), f"`{path}`",
            *_cycles(each.by_hand, report.ns), *_cycles(each.convolutions, report.ns),
            *(f"{count:,}" for count in (area.lut, area.ff, area.dsp, area.ramb36, area.ramb18)))) + " |")
    return "\n".join(lines)


def _cycles(cycles, ns):
    return ("", "") if cycles is None else (f"{cycles:,}", f"{cycles * ns / 1e6:.2f}")
