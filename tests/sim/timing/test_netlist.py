"""Names of registers, memories and multipliers survive technology mapping."""

import json

import pytest
from timed_design import cell, scope

from vta.sim.timing.netlist import Netlist

SOURCE = "\n".join(("module \\vta.core.unit (clk);", "  always @(posedge clk)", "    \\count$7 <= \\$1 ;",
                    "  always @(posedge clk)", "    \\$28 <= a;", "  assign \\$9 = a * b;", "endmodule",
                    "module vta(aclk);", "  always @(posedge aclk)", "    flag <= 1'h0;", "endmodule"))


def netlist(cells, names=None, ports=None, top="vta"):
    module = {"cells": scope("core", 90, 99) | scope("core.unit$3", 1, 7) | cells, "ports": ports or {},
              "netnames": {name: {"bits": bits} for name, bits in (names or {}).items()}}
    return Netlist(json.dumps({"modules": {top: module}}), top, {"vta.v": SOURCE})


def test_a_register_has_the_name_of_the_source_line_and_the_unit_of_its_module():
    found = netlist(cell("$auto$ff$1", "FDRE", "vta.v:2.3-3.10|/share/ff_map.v:68.1-68.9", D=2, Q=5),
                    {"core.out": [4, 5], "y": [4, 5]})
    register = found.cells["$auto$ff$1"]
    assert str(found.signal(register, "Q")) == "core.unit.count[1]"
    assert found.unit(register) == "core.unit"


def test_a_generated_name_gives_way_to_the_net():
    found = netlist(cell("$ff", "FDRE", "vta.v:4.3-5.10", D=2, Q=5), {"core.unit$3.kept$2": [5], "y": [5]})
    assert str(found.signal(found.cells["$ff"], "Q")) == "core.unit.kept"


def test_registers_of_the_top_module():
    found = netlist(cell("$ff", "FDRE", "vta.v:9.3-10.10", D=2, Q=5))
    assert str(found.signal(found.cells["$ff"], "Q")) == "top.flag"


def test_without_a_position_the_deepest_name_counts():
    found = netlist(cell("$ff", "FDRE", "/share/ff_map.v:68.1-68.9", D=2, Q=5), {"y": [5], "core.unit$3.q": [5]})
    assert str(found.signal(found.cells["$ff"], "Q")) == "core.unit.q"
    assert found.unit(found.cells["$ff"]) == ""


def test_memories_keep_their_names():
    found = netlist(cell("core.unit$3.storage.0.11", "RAMB18E1", outputs=("DOADO",), DOADO=[5, 6]))
    assert str(found.signal(found.cells["core.unit$3.storage.0.11"], "DOADO")) == "core.unit.storage"


@pytest.mark.parametrize("names, name", [({}, "multiplier"), ({"core.unit$3.product": [4, 5]}, "product[1]"),
                                         ({"core.other": [4, 5]}, "multiplier")])
def test_multipliers(names, name):
    found = netlist(cell("$mul", "DSP48E1", "vta.v:6.3-6.20", P=5), names)
    assert str(found.signal(found.cells["$mul"], "P")) == f"core.unit.{name}"


def test_the_instance_in_a_harness_is_left_out():
    module = {"cells": scope("vta", 8, 11) | scope("vta.core", 90, 99) | scope("vta.core.unit", 1, 7)
              | cell("$ff", "TRELLIS_FF", "vta.v:2.3-3.10", DI=2, Q=5)
              | cell("$top", "TRELLIS_FF", "vta.v:9.3-10.10", DI=2, Q=6)
              | cell("$own", "TRELLIS_FF", "harness.v:1.1-1.9", DI=2, Q=7), "ports": {}, "netnames": {}}
    found = Netlist(json.dumps({"modules": {"harness": module}}), "harness",
                    {"vta.v": SOURCE, "harness.v": "  stimulus <= entry;"})
    assert [str(found.signal(found.cells[name], "Q")) for name in ("$ff", "$top", "$own")] == [
        "core.unit.count", "top.flag", "harness.stimulus"]


def test_fanout_drivers_and_ports():
    found = netlist(cell("a", "FDRE", D=2, Q=5) | cell("b", "LUT2", I0=5, I1="1", O=6)
                    | cell("c", "FDRE", D=6, CE=5, Q=7), ports={"d": {"direction": "input", "bits": [2]},
                           "q": {"direction": "output", "bits": [6, 7]}})
    assert found.fanout == {2: 1, 5: 2, 6: 1}
    assert found.driver[6][0].name == "b" and 2 not in found.driver
    assert found.inputs == {2: "d"} and found.outputs == {6: "q[0]", 7: "q[1]"}
