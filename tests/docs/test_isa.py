"""docs/isa.md agrees with hw/isa.py: its tables are compared with the layouts, field by field."""

import re

import pytest
from repository import DOCS

from vta.hw.config import Config
from vta.hw.isa import AluOp, MemType, Opcode, layouts

TEXT = (DOCS / "isa.md").read_text()
TABLE = layouts(Config())
HEAD = list(TABLE.control.fields)


def fields(title):
    """The rows `| bits | field | ...` of the first table after `title`: {field: (offset, width)}."""
    table = TEXT[TEXT.index(title):].split("\n\n")[1]
    rows = re.findall(r"^\| (\d+)(?:-(\d+))? \| (\w+) \|", table, re.MULTILINE)
    return {name: (int(low), int(high or low) - int(low) + 1) for low, high, name in rows}


def places(layout, names):
    return {name: (layout[name].offset, layout[name].width) for name in names}


@pytest.mark.parametrize("title, layout, without", [
    ("All instructions:", "control", []), ("LOAD and STORE (", "memory", HEAD), ("GEMM:", "gemm", HEAD),
    ("Micro-op, 32 bits:", "uop", [])])
def test_bit_positions(title, layout, without):
    layout = getattr(TABLE, layout)
    assert fields(title) == places(layout, [name for name in layout.fields if name not in without])


def test_bit_positions_of_alu():
    """The text says that word 0 is GEMM's."""
    first = [name for name, field in TABLE.gemm if field.offset < 64]
    assert places(TABLE.alu, first) == places(TABLE.gemm, first)
    rest = [name for name in TABLE.alu.fields if name not in first]
    assert fields("ALU: word 0") == places(TABLE.alu, rest)


def test_numbers():
    assert ", ".join(f"{op.value} {op.name}" for op in Opcode) in TEXT
    assert ", ".join(f"{op.value} {op.name}" for op in AluOp) in TEXT
    for mem in MemType:
        assert f"| {mem.name} | {mem.value} |" in TEXT
