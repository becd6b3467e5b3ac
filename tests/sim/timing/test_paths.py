"""The longest paths of small netlists, whose delays are added up by hand; ports apart; loops refused."""

import json
import random

import pytest
from timed_design import cell

from vta.sim.timing import xc7
from vta.sim.timing.estimate import Delays, report
from vta.sim.timing.netlist import Netlist
from vta.sim.timing.paths import Search
from vta.sim.timing.wires import WireModel


def search(cells, ports=None):
    module = {"cells": cells, "ports": ports or {}, "netnames": {}}
    netlist = Netlist(json.dumps({"modules": {"vta": module}}), "vta", {})
    return netlist, Search(netlist, Delays(netlist, WireModel(1.0, 0.5)))


CHAIN = (cell("a", "FDRE", D=9, Q=1) | cell("l1", "LUT2", I0=1, I1=4, O=2) | cell("l2", "LUT1", I0=2, O=3)
         | cell("b", "FDRE", D=3, CE=1, Q=4))


def test_a_chain_of_two_luts():
    """Q of a has two loads: 1.5 ns of wire; the others one: 1.0 ns."""
    netlist, found = search(CHAIN)
    ns = xc7.CLOCK_TO_Q + 1.5 + xc7.LUT + 1.0 + xc7.LUT + 1.0 + xc7.REGISTER_SETUP["D"]
    worst, end = found.worst_into()[0]
    path = found.path_into(end)
    assert worst == pytest.approx(ns) and path.ns == pytest.approx(ns) and path.wires == pytest.approx(3.5)
    assert [step.cell.name for step in path.steps] == ["a", "l1", "l2", "b"] and end[2] == "D"
    assert found.worst_from()[1] == pytest.approx(ns)
    assert found.worst_from()[4] == pytest.approx(ns - 0.5)          # b back to itself, its net has one load
    assert found.path_from(4).start[0].name == "b"
    assert report(netlist, Delays(netlist, WireModel(1.0, 0.5))).mhz == pytest.approx(1e3 / ns)


def test_ports_are_reported_apart():
    ports = {"i": {"direction": "input", "bits": [9]}, "o": {"direction": "output", "bits": [3]}}
    _, found = search(CHAIN | cell("l3", "LUT1", I0=9, O=10), ports | {"p": {"direction": "output", "bits": [10]}})
    entering, leaving, through = found.port_paths()
    assert (entering.start, entering.ns) == ("i", pytest.approx(1.5 + xc7.REGISTER_SETUP["D"]))
    assert (leaving.end, leaving.start[0].name) == ("o", "a")
    assert leaving.ns == pytest.approx(xc7.CLOCK_TO_Q + 1.5 + xc7.LUT + 1.0 + xc7.LUT)
    assert (through.start, through.end, through.ns) == ("i", "p", pytest.approx(1.5 + xc7.LUT))
    assert all(found.path_into(end).start != "i" for _, end in found.worst_into())


def test_a_carry_chain_has_no_wires_inside():
    cells = (cell("a", "FDRE", D=9, Q=1) | cell("c1", "CARRY4", S=[1, "0", "0", "0"], DI=["0"] * 4, CI="0", CYINIT="0",
                                               CO=[11, 12, 13, 14])
             | cell("c2", "CARRY4", S=["0"] * 4, DI=["0"] * 4, CI=14, CYINIT="0", CO=[21, 22, 23, 24])
             | cell("b", "FDRE", D=24, Q=4))
    _, found = search(cells)
    assert found.worst_into()[0][0] == pytest.approx(xc7.CLOCK_TO_Q + 1.0 + xc7.CARRY["S", "CO"][0][3] +
                                                     xc7.CARRY["CI", "CO"][0][3] + 1.0 + xc7.REGISTER_SETUP["D"])


def test_a_loop_is_refused():
    with pytest.raises(ValueError, match="combinational loop through 2 nets"):
        search(cell("x", "LUT1", I0=2, O=1) | cell("y", "LUT1", I0=1, O=2))


def test_an_unknown_cell_is_refused():
    with pytest.raises(ValueError, match="cell odd is of type NEW7"):
        search(cell("odd", "NEW7", I0=2, O=1))


@pytest.mark.parametrize("seed", range(5))
def test_random_netlists(seed):
    """Against every path, one by one."""
    rng = random.Random(seed)
    cells, bits = {}, list(range(1, 6))
    for bit in bits:
        cells |= cell(f"start{bit}", "FDRE", D="0", Q=bit)
    for bit in range(6, 40):
        cells |= cell(f"lut{bit}", "LUT3", I0=rng.choice(bits), I1=rng.choice(bits[-6:]), I2="1", O=bit)
        bits.append(bit)
    for n in range(8):
        cells |= cell(f"end{n}", "FDRE", D=rng.choice(bits[5:]), CE=rng.choice(bits), Q=100 + n)
    netlist, found = search(cells)
    model = WireModel(1.0, 0.5)

    def ways(bit):
        """[(start bit, ns)] of every path to `bit`."""
        driver = netlist.driver[bit][0]
        if driver.type == "FDRE":
            return [(bit, xc7.CLOCK_TO_Q)]
        return [(start, ns + model.delay(netlist.fanout[before]) + xc7.LUT)
                for before in (driver.pins["I0"][0], driver.pins["I1"][0]) for start, ns in ways(before)]

    every = [(start, name, port, ns + model.delay(netlist.fanout[bit]) + xc7.REGISTER_SETUP[port])
             for name, each in netlist.cells.items() if name.startswith("end") for port in ("D", "CE")
             for bit in each.pins[port] for start, ns in ways(bit)]
    into = {(end[1].name, end[2]): ns for ns, end in found.worst_into()}
    assert into == {key: pytest.approx(max(ns for _, name, port, ns in every if (name, port) == key)) for key in into}
    outof = found.worst_from()
    assert outof == {bit: pytest.approx(max(ns for start, *_, ns in every if start == bit)) for bit in outof}
    for bit, ns in outof.items():
        assert found.path_from(bit).ns == pytest.approx(ns)
