"""Cells of 7-series: which pins start, continue and end a path depends on the registers in use."""

import pytest

from vta.sim.timing import xc7
from vta.sim.timing.netlist import Cell
from vta.sim.timing.wires import WireModel


def dsp(**parameters):
    pins = {"A": [1, 2], "B": [3], "C": [4], "D": [5], "PCIN": [], "CEB2": [6], "P": [7], "OPMODE": ["0"]}
    return Cell("m", "DSP48E1", parameters, pins, frozenset("P"), {})


def test_a_multiplier_without_registers_is_combinational():
    cell = dsp()
    assert xc7.launch(cell, "P", 0) is None and xc7.setup(cell, "A") is None
    assert {pin for pin, *_ in xc7.arcs(cell, "P", 0)} == {"A", "B", "C", "D"}


def test_registers_at_both_ends():
    cell = dsp(AREG=1, BREG=1, PREG=1)
    assert xc7.arcs(cell, "P", 0) == [] and xc7.launch(cell, "P", 0) == xc7.DSP_CLOCK_TO_P["PREG"]
    assert [xc7.setup(cell, pin) for pin in ("A", "C", "CEB2", "OPMODE")] == [
        xc7.DSP_SETUP["register"], xc7.DSP_TO_PREG["C"], xc7.DSP_SETUP["CE"], None]


def test_registers_at_the_inputs_alone():
    cell = dsp(AREG=1, BREG=1)
    assert xc7.launch(cell, "P", 0) == xc7.DSP_CLOCK_TO_P["inputs"]
    assert {pin for pin, *_ in xc7.arcs(cell, "P", 0)} == {"C", "D"}


@pytest.mark.parametrize("parameters, want", [
    (dict(AREG=1, PREG=1, MREG=1), "DSP48E1"),
    (dict(AREG=1, PREG=1), "DSP48E1 without MREG"),
    (dict(AREG=1, PREG=1, USE_DPORT="TRUE"), "DSP48E1 without MREG and ADREG"),
    (dict(AREG=1, PREG=1, MREG=1, USE_DPORT="TRUE"), "DSP48E1 without ADREG")])
def test_the_period_inside_of_a_multiplier(parameters, want):
    period, reason = xc7.inner_period(dsp(**parameters))
    assert reason == want and 2 < period < 6
    assert xc7.inner_period(dsp(**parameters | {"PREG": 0})) is None


def test_block_ram_with_and_without_its_output_register():
    for pin, parameter in (("DOADO", "DOA_REG"), ("DOBDO", "DOB_REG")):
        for value, key in ((0, "read"), (1, "registered")):
            cell = Cell("r", "RAMB18E1", {parameter: str(value)}, {pin: [1]}, frozenset([pin]), {})
            assert xc7.launch(cell, pin, 0) == xc7.BLOCK_RAM[key]


def test_distributed_ram_reads_without_a_clock():
    cell = Cell("r", "RAM32M", {}, {"ADDRA": [1, 2], "ADDRD": [3], "DOA": [4, 5], "WE": [6], "DIA": [7]},
                frozenset(["DOA"]), {})
    assert {(pin, bit) for pin, bit, _ in xc7.arcs(cell, "DOA", 0)} == {("ADDRA", 0), ("ADDRA", 1)}
    assert [xc7.setup(cell, pin) for pin in ("ADDRA", "ADDRD", "WE", "DIA")] == [
        None, xc7.LUT_RAM_SETUP["WADDR"], xc7.LUT_RAM_SETUP["WE"], xc7.LUT_RAM_SETUP["DI"]]


def test_a_wire_grows_with_the_logarithm_of_its_loads():
    model = WireModel(0.5, 0.2)
    assert [model.delay(loads) for loads in (0, 1, 2, 8)] == [0.5, 0.5, 0.7, pytest.approx(1.1)]
