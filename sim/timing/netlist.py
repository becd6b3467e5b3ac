"""A flattened netlist as Yosys writes it (JSON), with the RTL's names for its cells.

Technology mapping renames cells and nets. What survives is the source position of a register, `vta.v:LINE`: the module
around that line is the unit (each instance is a module of its own in Amaranth's Verilog), the assignment in that line
names the register.
"""

import bisect
import collections
import json
import re
from dataclasses import dataclass

POSITION = re.compile(r"(\w+\.v):(\d+)\.\d+-(\d+)\.\d+")
MULTIPLIERS = ("DSP48", "MULT18X18")
ASSIGNED = re.compile(r"^\s*\\?(\S+)(?:\s*\[[^]]*\])?\s*<=")


@dataclass(frozen=True)
class Cell:
    """An instance: its type, parameters, and {port: bits}; a bit is a number, or "0", "1", "x" if constant."""

    name: str
    type: str
    parameters: dict
    pins: dict
    outputs: frozenset
    attributes: dict

    def parameter(self, name, default=0):
        """A parameter as a number; text that is not binary digits comes back as it is."""
        value = self.parameters.get(name, default)
        return int(value, 2) if isinstance(value, str) and re.fullmatch("[01]+", value) else value


@dataclass(frozen=True)
class Signal:
    """A register, memory or multiplier by the RTL's names: `unit` is hierarchical, `name` local."""

    unit: str
    name: str

    def __str__(self):
        return f"{self.unit}.{self.name}"


class Netlist:
    """`cells`: {name: Cell}; `driver`: {bit: (cell, port, index)}; `fanout`: {bit: pins that read it};
    `inputs`, `outputs`: {bit: name of the port}."""

    def __init__(self, text, top, sources):
        """`text`: Yosys's JSON; `top`: its module; `sources`: {file: text} of the Verilog that was synthesised."""
        module = json.loads(text)["modules"][top]
        self.sources = {name: source.splitlines() for name, source in sources.items()}
        self.cells, self.driver = {}, {}
        self.fanout = collections.Counter()
        scopes = {}
        for name, cell in module["cells"].items():
            if cell["type"] == "$scopeinfo":
                scopes[name] = cell["attributes"].get("module_src", "")
            else:
                self._add(name, cell)
        self.inputs, self.outputs = ({bit: name if len(port["bits"]) == 1 else f"{name}[{i}]"
                                      for name, port in module["ports"].items() if port["direction"] == direction
                                      for i, bit in enumerate(port["bits"])} for direction in ("input", "output"))
        self._root = "vta." if top != "vta" else ""
        self._top = top
        self._scopes = set(scopes)
        self._modules = sorted((file, int(first), int(last), scope) for scope, position in scopes.items()
                               for file, first, last in POSITION.findall(position))
        self._names = self._aliases(module["netnames"])

    def _add(self, name, cell):
        directions = cell["port_directions"]
        outputs = frozenset(port for port, direction in directions.items() if direction == "output")
        self.cells[name] = made = Cell(name, cell["type"], cell.get("parameters", {}), cell["connections"], outputs,
                                       cell.get("attributes", {}))
        for port, bits in made.pins.items():
            for index, bit in enumerate(bits):
                if not isinstance(bit, int):
                    continue
                if port in outputs:
                    self.driver[bit] = (made, port, index)
                else:
                    self.fanout[bit] += 1

    def _aliases(self, netnames):
        """{bit: (name, index or None)}: the deepest name in the hierarchy, then the shortest, never a generated one."""
        best = {}
        for name, net in netnames.items():
            if net.get("hide_name") or name.rpartition(".")[2].startswith("$"):
                continue
            rank = (-name.count("."), len(name))
            for index, bit in enumerate(net["bits"]):
                if isinstance(bit, int) and (bit not in best or rank < best[bit][0]):
                    best[bit] = rank, name, index if len(net["bits"]) > 1 else None
        return {bit: (name, index) for bit, (_, name, index) in best.items()}

    def unit(self, cell):
        """The unit whose source made `cell`; "" if technology mapping has left no trace of it."""
        found = self._position(cell)
        return found[0] if found else self._scope_of(cell.name)

    def signal(self, cell, port, index=0):
        """The Signal that the output `port[index]` of a register, memory or multiplier holds."""
        bits = cell.pins.get(port, ())
        alias, bit = self._names.get(bits[index] if index < len(bits) else None, (None, None))
        subscript = "" if bit is None else f"[{bit}]"
        found = self._position(cell)
        if found:
            unit, line = found
            assigned = ASSIGNED.match(line)
            if cell.type.startswith(MULTIPLIERS):        # it may have absorbed registers around the product
                local = self._split(alias) if alias else ("", "")
                return Signal(unit, local[1] + subscript if local[0] == unit else "multiplier")
            if assigned and not assigned[1].startswith("$"):
                return Signal(unit, _plain(assigned[1]) + subscript)
            if alias and self._split(alias)[0] == unit:
                return Signal(unit, self._split(alias)[1] + subscript)
            return Signal(unit, _plain((alias or cell.name).rpartition(".")[2]) + subscript)
        if self._scope_of(cell.name):                    # memories keep their name: UNIT.memory.0.3
            unit, local = self._split(cell.name)
            return Signal(unit, re.sub(r"(\.\d+)+$", "", local))
        unit, local = self._split(alias) if alias else ("", cell.name)
        return Signal(unit, local + subscript)

    def _position(self, cell):
        """(unit, text of the last source line) of the first position in a project source, or None."""
        for file, first, last in POSITION.findall(cell.attributes.get("src", "")):
            if file in self.sources:
                return self._module(file, int(first)), self.sources[file][int(last) - 1]
        return None

    def _module(self, file, line):
        at = bisect.bisect_right(self._modules, (file, line, 1 << 40, "")) - 1
        if at >= 0 and self._modules[at][0] == file and line <= self._modules[at][2]:
            return self._clean(self._modules[at][3])
        return "top" if file == "vta.v" else self._top

    def _scope_of(self, name):
        return self._split(name)[0] if self._split(name)[1] != name else ""

    def _split(self, name):
        """(unit, local name) of a hierarchical name; names outside of all units are in "top"."""
        parts = name.split(".")
        for end in range(len(parts) - 1, 0, -1):
            if ".".join(parts[:end]) in self._scopes:
                return self._clean(".".join(parts[:end])), _plain(".".join(parts[end:]))
        return "top", name

    def _clean(self, scope):
        """Without the harness's instance."""
        return _plain(scope.removeprefix(self._root)) if scope + "." != self._root else "top"


def _plain(name):
    """Without the numbers that Amaranth adds to names used twice: they shift with every edit."""
    return re.sub(r"\$\d+", "", name)
