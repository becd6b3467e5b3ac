"""A routed design as its delay file (SDF) has it: a timing graph with the real delay of each cell and connection.

The file of nextpnr is complete: it lists every connection (INTERCONNECT), every path through a cell (IOPATH, those from
the clock included) and every input that a clock samples (SETUPHOLD). Names and units come from the netlist that was
placed: nextpnr keeps the names of registers, memories and multipliers.
"""

import collections
import re

from vta.sim.timing.netlist import Cell

CLOCKS = re.compile(r"CLK[AB0-3]?|WCK|SCLK")
VALUES = r"\((-?\d+):(-?\d+):(-?\d+)\)"
CONNECTION = re.compile(rf"\(INTERCONNECT (\S+) (\S+) {VALUES}")
THROUGH = re.compile(rf"\(IOPATH (\S+) (\S+) {VALUES}")
SAMPLED = re.compile(rf"\(SETUPHOLD \(posedge (\S+)\) \(\w+ \S+\) {VALUES}")
TYPE, INSTANCE = re.compile(r'\(CELLTYPE "(.+)"\)'), re.compile(r"\(INSTANCE (\S+)\)")


class RoutedNetlist:
    """`cells`, `driver`, `fanout`, `inputs`, `outputs`, `signal`, `unit` as those of `Netlist`. A bit is the number of
    a net. `interconnect`: {(cell, port): ns}, `paths`: {(cell, output): [(input, ns)]}, `clocked`: {(cell, output):
    ns}, `setups`: {(cell, input): ns}."""

    def __init__(self, text, named):
        """`text`: the SDF; `named`: the Netlist before place and route."""
        self.named = named
        self.inputs, self.outputs = {}, {}
        self.interconnect, self.clocked, self.setups = {}, {}, {}
        self.paths = collections.defaultdict(list)
        self._nets, pins, types = {}, collections.defaultdict(dict), {}
        kind = name = None
        for line in text.splitlines():
            if found := CONNECTION.search(line):
                driver, sink = _pin(found[1]), _pin(found[2])
                net = self._nets.setdefault(driver, len(self._nets))
                pins[driver[0]][driver[1]], pins[sink[0]][sink[1]] = [net], [net]
                self.interconnect[sink] = int(found[5]) / 1e3
            elif found := THROUGH.search(line):
                if CLOCKS.fullmatch(found[1]):
                    self.clocked[name, found[2]] = int(found[5]) / 1e3
                else:
                    self.paths[name, found[2]].append((found[1], int(found[5]) / 1e3))
            elif found := SAMPLED.search(line):
                self.setups[name, found[1]] = int(found[4]) / 1e3
            elif found := TYPE.search(line):
                kind = found[1]
            elif found := INSTANCE.search(line):
                name = found[1].replace("\\", "")
                types[name] = kind
        outputs = collections.defaultdict(set)
        for cell, port in [*self._nets, *self.paths, *self.clocked]:
            outputs[cell].add(port)
        self.cells = {name: Cell(name, types.get(name, ""), {}, found, frozenset(outputs[name]), {})
                      for name, found in pins.items()}
        self.driver = {net: (self.cells[cell], port, 0) for (cell, port), net in self._nets.items()}
        self.fanout = collections.Counter(self.cells[cell].pins[port][0] for cell, port in self.interconnect)

    def signal(self, cell, port, index=0):
        """The Signal that the cell held before place and route."""
        before = self.named.cells.get(re.sub(r"\$.*$", "", cell.name) if cell.name not in self.named.cells
                                      else cell.name)
        if before is None:
            return self.named.signal(cell, port)
        if port in before.pins:
            return self.named.signal(before, port)
        letters, number = re.fullmatch(r"(\D*)(\d*)", port).groups()
        if letters in before.pins:
            return self.named.signal(before, letters, int(number or 0))
        return self.named.signal(before, next(iter(before.outputs)))

    def unit(self, cell):
        before = self.named.cells.get(cell.name)
        return self.named.unit(before) if before else ""


class RoutedDelays:
    """The delays of a RoutedNetlist; wires by `model` (a WireModel) instead where it is given."""

    def __init__(self, routed, model=None):
        self.routed, self.model = routed, model

    def kind(self, cell):
        if cell.type == "TRELLIS_COMB":
            return "CARRY" if "FCO" in cell.outputs or "FCI" in cell.pins else "LUT"
        return {"TRELLIS_FF": "FF", "DP16KD": "RAMB", "MULT18X18D": "DSP", "TRELLIS_RAMW": "RAM"}.get(cell.type, "")

    def launch(self, cell, port, index):
        return self.routed.clocked.get((cell.name, port))

    def arcs(self, cell, port, index):
        return [(pin, 0, delay) for pin, delay in self.routed.paths.get((cell.name, port), ())]

    def setup(self, cell, port):
        return self.routed.setups.get((cell.name, port))

    def wire(self, driver, output, sink, port, index, bit):
        if self.model is None or self.dedicated(output, port):
            return self.routed.interconnect[sink.name, port]
        return self.model.delay(self.routed.fanout[bit])

    @staticmethod
    def chained(step):
        """Whether a Step continues the carry chain of the cell before it."""
        return step.pins.startswith("FCI->")

    @staticmethod
    def dedicated(output, port):
        """Whether a connection has a wire of its own: carry, wide multiplexer, the parts of a distributed RAM, or from
        a LUT to the register beside it."""
        return port in ("FCI", "FXA", "FXB", "DI") or output.startswith(("WDO", "WADO"))


def _pin(text):
    cell, _, port = text.replace("\\", "").rpartition("/")
    return cell, port
