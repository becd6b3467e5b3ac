"""What place and route gave, by the RTL's names, and how well the wire model would have foretold it."""

import math
from dataclasses import dataclass

import numpy as np

from vta.sim.timing.estimate import report
from vta.sim.timing.harness import TOP
from vta.sim.timing.netlist import Netlist
from vta.sim.timing.place import DEVICE
from vta.sim.timing.sdf import CLOCKS, RoutedDelays, RoutedNetlist
from vta.sim.timing.text import ends, levels
from vta.sim.timing.wires import XC7, WireModel

COLUMNS = ("configuration", "seed", "Fmax, MHz", "period, ns", "cells, ns", "wires, ns", "levels", "longest path",
           "LUT halves", "FF", "MULT18X18D", "DP16KD")
CELLS = ("TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD")


@dataclass(frozen=True)
class Calibration:
    """The wire model against routed wires of the same cells: the longest path (ns) by the model and as routed, the
    rank correlation of the worst paths out of all units, and for comparison the WireModel that fits all connections
    best, with their number and the standard deviation (ns) of what it leaves."""

    model: WireModel
    predicted: float
    routed: float
    units: int
    correlation: float
    best: WireModel
    connections: int
    deviation: float

    @property
    def error(self):
        return self.predicted / self.routed - 1

    def __str__(self):
        return (f"{self.predicted:.1f} ns by the wire model {self.model}, {self.routed:.1f} ns as routed "
                f"({self.error:+.0%}); rank correlation of the worst paths out of {self.units} units "
                f"{self.correlation:.2f}; least squares over {self.connections:,} connections: {self.best}, standard "
                f"deviation {self.deviation:.2f} ns")


def routed_netlist(routed):
    """The RoutedNetlist of a Routed design."""
    synthesis = routed.synthesis
    named = Netlist(synthesis.read("design.json.gz"), synthesis.flow.top, synthesis.sources)
    return RoutedNetlist(routed.read("routed.sdf.gz"), named)


def routed_report(routed):
    """The Report of a Routed design, the harness left out."""
    netlist = routed_netlist(routed)
    return report(netlist, RoutedDelays(netlist), ignored=(TOP,))


def calibrate(netlist, model=XC7):
    """The Calibration of `model` on a RoutedNetlist."""
    routed, predicted = (report(netlist, RoutedDelays(netlist, wires), ignored=(TOP,)) for wires in (None, model))
    size, ns = np.array([(math.log2(loads), ns) for loads, ns in _connections(netlist)]).T
    slope, base = np.polyfit(size, ns, 1)
    by_unit = [{line.start.unit: line.ns for line in found.starts} for found in (routed, predicted)]
    ranks = [np.argsort(np.argsort([found[unit] for unit in by_unit[0]])) for found in by_unit]
    correlation = float(np.corrcoef(*ranks)[0, 1]) if len(by_unit[0]) > 1 else 1.0
    return Calibration(model, predicted.ns, routed.ns, len(by_unit[0]), correlation,
                       WireModel(round(float(base), 2), round(float(slope), 2)), len(ns),
                       float(np.std(ns - base - slope * size)))


def _connections(netlist):
    """[(loads of the net, ns)] of all connections but those with wires of their own and the clock's."""
    delays = RoutedDelays(netlist)
    found = []
    for (cell, port), ns in netlist.interconnect.items():
        bit = netlist.cells[cell].pins[port][0]
        driver, output, _ = netlist.driver[bit]
        if delays.kind(netlist.cells[cell]) and delays.kind(driver) and not delays.dedicated(output, port) \
                and not CLOCKS.fullmatch(port):
            found.append((netlist.fanout[bit], ns))
    return found


def routed_table(runs):
    """Routed designs of one device as Markdown."""
    lines = [f"Device: {DEVICE}.", "", "| " + " | ".join(COLUMNS) + " |",
             "|---" + "|--:" * 6 + "|---" + "|--:" * len(CELLS) + "|"]
    for routed in runs:
        worst = routed_report(routed).worst
        used = (f"{used:,} of {available:,}" for used, available in (routed.used.get(cell, (0, 0)) for cell in CELLS))
        path = ends(worst).replace(" -> ", "` to `")
        lines.append("| " + " | ".join((
            routed.synthesis.name, str(routed.seed), f"{routed.mhz:.1f}", f"{1e3 / routed.mhz:.1f}",
            f"{worst.cells:.1f}", f"{worst.wires:.1f}", levels(worst), f"`{path}`", *used)) + " |")
    lines += ["", f"Seed {runs[0].seed}: {calibrate(routed_netlist(runs[0]))}."]
    return "\n".join(lines)
