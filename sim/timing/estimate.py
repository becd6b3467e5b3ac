"""The static estimate: longest paths of a 7-series netlist with a wire model, by unit and signal."""

import collections
from dataclasses import dataclass

from vta.sim.timing import wires, xc7
from vta.sim.timing.netlist import Netlist
from vta.sim.timing.paths import Search

REGISTER_OUTPUTS = ("Q", "P", "DO", "DOADO", "DOBDO", "DOA", "DPO", "SPO", "O", "DOA0", "DOB0", "P0")


@dataclass(frozen=True)
class Report:
    """What limits the clock of a design. `worst` is the longest Line between registers; `starts` and `ends` have the
    longest one out of and into each unit, longest first; `ports` those that begin or end at a port, by kind; `inner`
    is the least period inside of a multiplier and its reason, or None."""

    worst: object
    starts: tuple
    ends: tuple
    ports: dict
    inner: tuple | None

    @property
    def ns(self):
        """The least clock period that these paths allow, ports left out."""
        return max(self.worst.ns, self.inner[0] if self.inner else 0.0)

    @property
    def mhz(self):
        return 1e3 / self.ns


@dataclass(frozen=True)
class Line:
    """A path by the RTL's names: `start` and `end` are Signals or names of ports; `pin` is the pin at its end,
    `levels` {kind of cell: count} between start and end, `through` the units along the way as far as known, `steps`
    [(time at the output, type, pins, wire before it, fan-out of that wire, unit)]."""

    ns: float
    cells: float
    wires: float
    start: object
    end: object
    pin: str
    levels: dict
    through: tuple
    steps: tuple

    @property
    def depth(self):
        """Levels of logic: cells between the two registers."""
        return sum(self.levels.values())


class Delays:
    """The delays of `xc7`, and wires by `model`, for a netlist."""

    kind, launch, arcs, setup = (staticmethod(function) for function in (xc7.kind, xc7.launch, xc7.arcs, xc7.setup))

    def __init__(self, netlist, model=wires.XC7):
        self.netlist, self.model = netlist, model

    @staticmethod
    def chained(step):
        """Whether a Step continues the cell before it, so that both count as one level; each CARRY4 is a level."""
        return False

    def wire(self, driver, output, sink, port, index, bit):
        if driver is not None and xc7.dedicated(driver, output, sink, port):
            return 0.0
        return self.model.delay(self.netlist.fanout[bit])


def estimate(synthesis, model=wires.XC7):
    """The Report of a Synthesis for 7-series."""
    netlist = Netlist(synthesis.read("design.json.gz"), synthesis.flow.top, synthesis.sources)
    inner = [found for found in map(xc7.inner_period, netlist.cells.values()) if found]
    return report(netlist, Delays(netlist, model), max(inner, default=None))


def report(netlist, delays, inner=None, ignored=()):
    """The Report of `netlist` with `delays` as `Search` takes them, without paths out of the units `ignored`."""
    search = Search(netlist, delays)
    starts = {}
    for bit, ns in search.worst_from().items():
        unit = netlist.signal(*netlist.driver[bit]).unit
        if unit not in ignored and ns > starts.get(unit, (0.0,))[0]:
            starts[unit] = ns, bit
    ends = {}
    for _, end in search.worst_into():
        ends.setdefault(held(netlist, end[1]).unit, end)
    found = tuple(line(netlist, delays, search.path_from(bit)) for _, bit in _longest_first(starts.values()))
    kinds = ("input to register", "register to output", "input to output")
    ports = {name: line(netlist, delays, path) for name, path in zip(kinds, search.port_paths(), strict=True) if path}
    return Report(found[0], found, tuple(line(netlist, delays, search.path_into(end)) for unit, end in ends.items()
                                         if unit not in ignored), ports, inner)


def held(netlist, cell):
    """The Signal that stands for a register, memory or multiplier as a whole: that of its first output in use."""
    for port in sorted(cell.outputs, key=lambda port: (port not in REGISTER_OUTPUTS, port)):
        if any(isinstance(bit, int) for bit in cell.pins.get(port, ())):
            return netlist.signal(cell, port)
    return netlist.signal(cell, next(iter(cell.outputs)))


def line(netlist, delays, path):
    """The Line of a Path."""
    inside = path.steps[0 if isinstance(path.start, str) else 1:None if isinstance(path.end, str) else -1]
    levels = collections.Counter(delays.kind(step.cell) for step in inside if step.wire or not delays.chained(step))
    time, steps, through = 0.0, [], []
    for step in path.steps:
        time += step.wire + step.delay
        unit = netlist.unit(step.cell)
        steps.append((round(time, 3), step.cell.type, step.pins, round(step.wire, 3), step.fanout, unit))
        if unit and unit not in through[-1:]:
            through.append(unit)
    return Line(path.ns, path.cells, path.wires, path.start if isinstance(path.start, str) else
                netlist.signal(*path.start), path.end if isinstance(path.end, str) else held(netlist, path.end[0]),
                "" if isinstance(path.end, str) else path.end[1], dict(levels), tuple(through), tuple(steps))


def _longest_first(found):
    return sorted(found, key=lambda item: (-item[0], item[1]))
