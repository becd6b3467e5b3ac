"""docs/isa.md agrees with hw/isa.py: its tables are compared with the layouts, field by field. The other pages that
list opcodes and operators have all of them."""

import re

import pytest
from repository import DOCS

from vta.compiler.te.values import Op
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
    for numbers in (Opcode, AluOp):
        words = ", ".join(f"{op.value} {op.name}" for op in numbers)
        assert words in TEXT, f"docs/isa.md, Formats, lacks {words}"
    for mem in MemType:
        assert f"| {mem.name} | {mem.value} |" in TEXT


def test_every_alu_operation_has_a_meaning():
    semantics = TEXT[TEXT.index("- ALU: `ACC[dst] = op("):].split("\n\n")[0]
    missing = [op.name for op in AluOp if not re.search(rf"\b{op.name}\b", semantics)]
    assert not missing, f"docs/isa.md, GEMM and ALU, does not say what {', '.join(missing)} does"


@pytest.mark.parametrize("members, unknown", [(MemType, "MEM"), (AluOp, "ALU")], ids=["MemType", "AluOp"])
def test_assembly_lists_them(members, unknown):
    """Those with a name, then the first one without."""
    text = " ".join((DOCS / "assembly.md").read_text().split())
    line = f"(`{' '.join(op.name for op in members)}`, or `{unknown}{max(members) + 1}`"
    assert line in text, f"docs/assembly.md, Lines, lacks {line}"


def test_compiler_lists_the_operators_of_values():
    text = (DOCS / "compiler.md").read_text()
    section = text[text.index("## Tensor expressions"):].split("\n\n")[1]
    missing = [op.sign for op in Op if not re.search(rf"[` ]{re.escape(op.sign)}[`, ]", section)]
    assert not missing, f"docs/compiler.md, Tensor expressions, lacks {' '.join(missing)}"
