"""The longest paths of a netlist, given delays of its cells and wires: into each register and out of each register.

`delays` is a module or object with `kind`, `launch`, `arcs` and `setup` as in `xc7.py`, and
`wire(driver, port, sink, port, index, bit)`.
"""

import collections
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A cell on a path: the wire to its input, then the delay through it (of the last one: its setup)."""

    cell: object
    pins: str
    wire: float
    delay: float
    fanout: int           # of the net that leads to it; 0 for the first


@dataclass(frozen=True)
class Path:
    """From a clock edge (or an input port) to the next one (or an output port). `start`, `end`: (cell, port, index)
    or the name of a port."""

    start: object
    end: object
    steps: tuple

    @property
    def ns(self):
        return self.cells + self.wires

    @property
    def cells(self):
        return sum(step.delay for step in self.steps)

    @property
    def wires(self):
        return sum(step.wire for step in self.steps)


class Search:
    """The timing graph of a netlist; its nodes are bits that some cell drives, and input ports."""

    def __init__(self, netlist, delays):
        self.netlist, self.delays = netlist, delays
        self.into = {}                                   # bit -> [(bit before, input port, index, wire, delay)]
        self.after = collections.defaultdict(list)       # bit -> [(bit after, wire + delay)]
        self.launch, self.ends = {}, []                  # ends: (bit, cell, port, index, wire, setup)
        for bit, (cell, port, index) in netlist.driver.items():
            if not delays.kind(cell):
                continue
            start = delays.launch(cell, port, index)
            if start is not None:
                self.launch[bit] = start
            self.into[bit] = self._arcs(bit, cell, port, index)
        for cell in netlist.cells.values():
            self._add_ends(cell)
        self.order = self._sorted()
        self.arrival, self._before = self._forward(self.launch)

    def _arcs(self, bit, cell, port, index):
        found = []
        for pin, at, delay in self.delays.arcs(cell, port, index):
            bits = cell.pins.get(pin, ())
            source = bits[at] if at < len(bits) else None
            if self._known(source):
                wire = self._wire(source, cell, pin, at)
                found.append((source, pin, at, wire, delay))
                self.after[source].append((bit, wire + delay))
        return found

    def _add_ends(self, cell):
        if not self.delays.kind(cell):
            return
        for port, bits in cell.pins.items():
            setup = None if port in cell.outputs else self.delays.setup(cell, port)
            if setup is not None:
                self.ends += [(bit, cell, port, index, self._wire(bit, cell, port, index), setup)
                              for index, bit in enumerate(bits) if self._known(bit)]

    def _known(self, bit):
        driver = self.netlist.driver.get(bit)
        return bit in self.netlist.inputs or (driver is not None and bool(self.delays.kind(driver[0])))

    def _wire(self, bit, cell, port, index):
        driver = self.netlist.driver.get(bit)
        if driver is None:
            return self.delays.wire(None, None, cell, port, index, bit)
        return self.delays.wire(driver[0], driver[1], cell, port, index, bit)

    def _sorted(self):
        """Bits in topological order; ValueError for a combinational loop."""
        waiting = {bit: len(arcs) for bit, arcs in self.into.items()}
        ready = [bit for bit in self.netlist.inputs if bit not in waiting]
        ready += [bit for bit, count in waiting.items() if not count]
        order = []
        while ready:
            bit = ready.pop()
            order.append(bit)
            for following, _ in self.after[bit]:
                waiting[following] -= 1
                if not waiting[following]:
                    ready.append(following)
        looped = [bit for bit, count in waiting.items() if count]
        if looped:
            raise ValueError(f"a combinational loop through {len(looped)} nets, among them that of cell "
                             f"{self.netlist.driver[looped[0]][0].name}")
        return order

    def _forward(self, starts):
        """({bit: latest arrival}, {bit: its arc in `into`}) from `starts`: {bit: time}."""
        arrival, before = dict(starts), {}
        for bit in self.order:
            for arc in self.into.get(bit, ()):
                at = arrival.get(arc[0])
                if at is not None and at + arc[3] + arc[4] > arrival.get(bit, -1):
                    arrival[bit], before[bit] = at + arc[3] + arc[4], arc
        return arrival, before

    def worst_into(self):
        """[(ns, end)] for every end that a register reaches, longest first; `end` goes to `path`."""
        return _sorted_ends((self.arrival[end[0]] + end[4] + end[5], end) for end in self.ends
                            if end[0] in self.arrival)

    def worst_from(self):
        """{bit: (ns, end)}: the longest path out of each register output, whatever else leads to its end."""
        tail, last = {}, {}
        for end in self.ends:
            bit, ns = end[0], end[4] + end[5]
            if ns > tail.get(bit, -1):
                tail[bit], last[bit] = ns, end
        following = {}
        for bit in reversed(self.order):
            for after, ns in self.after[bit]:
                if after in tail and ns + tail[after] > tail.get(bit, -1):
                    tail[bit], following[bit] = ns + tail[after], after
                    last.pop(bit, None)
        self._following, self._last = following, last
        return {bit: start + tail[bit] for bit, start in self.launch.items() if bit in tail}

    def path_into(self, end):
        """The longest Path to `end`."""
        return self._path(end, self._back(end[0], self._before), self.launch)

    def path_from(self, bit):
        """The longest Path out of the register output `bit`; after worst_from()."""
        arcs = []
        while bit in self._following and bit not in self._last:
            after = self._following[bit]
            ways = [arc for arc in self.into[after] if arc[0] == bit]
            arcs.append((after, max(ways, key=lambda arc: arc[3] + arc[4])))
            bit = after
        return self._path(self._last[bit], arcs, self.launch)

    def port_paths(self):
        """(from an input port to a register, from a register to an output port, from port to port): the longest Path
        of each kind, or None. Wires to and from the pins are not counted."""
        arrival, before = self._forward(dict.fromkeys(self.netlist.inputs, 0.0))
        ends = _sorted_ends((arrival[end[0]] + end[4] + end[5], end) for end in self.ends if end[0] in arrival)
        entering = self._path(ends[0][1], self._back(ends[0][1][0], before), {}) if ends else None
        return entering, self._leaving(self.arrival, self._before, self.launch), self._leaving(arrival, before, {})

    def _leaving(self, arrival, before, launch):
        found = [(arrival[bit], bit) for bit in self.netlist.outputs
                 if bit in arrival and bit not in self.netlist.inputs]
        if not found:
            return None
        bit = max(found)[1]
        return self._path((bit, None, self.netlist.outputs[bit], 0, 0.0, 0.0), self._back(bit, before), launch)

    @staticmethod
    def _back(bit, before):
        arcs = []
        while bit in before:
            arcs.append((bit, before[bit]))
            bit = before[bit][0]
        return arcs[::-1]

    def _path(self, end, arcs, launch):
        driver, fanout = self.netlist.driver, self.netlist.fanout
        first = arcs[0][1][0] if arcs else end[0]
        steps, start = [], self.netlist.inputs.get(first)
        if first in launch:
            start = driver[first]
            steps.append(Step(start[0], start[1], 0.0, launch[first], 0))
        for bit, (source, pin, _, wire, delay) in arcs:
            cell, port, _ = driver[bit]
            steps.append(Step(cell, f"{pin}->{port}", wire, delay, fanout[source]))
        bit, cell, port, index, wire, setup = end
        if cell is not None:
            steps.append(Step(cell, port, wire, setup, fanout[bit]))
        return Path(start, port if cell is None else (cell, port, index), tuple(steps))


def _sorted_ends(ends):
    return sorted(ends, key=lambda item: -item[0])
