"""docs/isa.md agrees with the tables in hw/: its own are compared with the layouts, field by field. The other pages
that list opcodes and operators have all of them."""

import re

import pytest
from repository import DOCS

from vta.compiler.stream.assembler import assemble, disassemble, disassemble_uops
from vta.compiler.te.values import Op
from vta.hw.columns import CODES
from vta.hw.config import Config
from vta.hw.features import FEATURES
from vta.hw.isa import UOP_BITS, AluOp, MemType, Opcode, layouts
from vta.hw.requantisation import BIAS_BITS, EARLY, HALF_BITS, HIGH, PARAMETER_S, Rounding

TEXT = (DOCS / "isa.md").read_text()
TABLE = layouts(Config(features=frozenset(FEATURES)))
STOCK = layouts(Config())
HEAD = list(TABLE.control.fields)


def fields(title):
    """The rows `| bits | field | ...` of the first table after `title`: {field: (offset, width)}."""
    table = TEXT[TEXT.index(title):].split("\n\n")[1]
    rows = re.findall(r"^\| (\d+)(?:-(\d+))? \| (\w+) \|", table, re.MULTILINE)
    return {name: (int(low), int(high or low) - int(low) + 1) for low, high, name in rows}


def places(layout, names):
    return {name: (layout[name].offset, layout[name].width) for name in names}


@pytest.mark.parametrize("title, layout, without", [
    ("All instructions:", "control", []), ("LOAD and STORE (", "memory", HEAD), ("GEMM and WINDOW:", "gemm", HEAD),
    ("Micro-op, 32 bits:", "uop", [])])
def test_bit_positions(title, layout, without):
    layout = getattr(TABLE, layout)
    assert fields(title) == places(layout, [name for name in layout.fields if name not in without])


def test_bit_positions_of_alu():
    """The text says that word 0 is GEMM's."""
    first = [name for name, field in TABLE.alu if field.offset < 64]
    assert places(TABLE.alu, first) == places(TABLE.gemm, first)
    rest = [name for name in TABLE.alu.fields if name not in first]
    assert fields("ALU: word 0") == places(TABLE.alu, rest)


def test_bit_positions_of_inp_pad():
    """Its table has what differs from the one above it."""
    own, plain = (places(layout, layout.fields) for layout in (TABLE.memory_pad, TABLE.memory))
    assert fields("LOAD INP_PAD: as above") == {name: place for name, place in own.items() if plain.get(name) != place}
    assert plain.keys() < own.keys()


def test_bit_positions_of_parameters():
    assert fields("Parameter words, 32 bits") == places(PARAMETER_S, PARAMETER_S.members)
    assert PARAMETER_S.size <= UOP_BITS and all(f"{mode.value} {mode.name}" in TEXT for mode in Rounding)


def test_the_constants_of_requantisation():
    """The formulas of the page spell them out."""
    for words in (f"int{BIAS_BITS}(acc + B)", f"low {BIAS_BITS} bits of B", f"k = {EARLY} instead of {HIGH}",
                  f"2^{HALF_BITS} * floor(acc / 2^{HALF_BITS}) + int{BIAS_BITS}(acc mod 2^{HALF_BITS} + B)",
                  f"k = {HIGH}\n", f"2^{HIGH - EARLY} times as large"):
        assert words in TEXT, f"docs/isa.md lacks {words}"


def test_features():
    table = TEXT[TEXT.index("## Features"):].split("\n\n")[1]
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (.+) \|$", table, re.MULTILINE)
    assert {name: int(bit) for name, bit, _ in rows} == {name: feature.bit for name, feature in FEATURES.items()}
    for code in (*Opcode, *MemType, *AluOp):
        adds = [name for name, _, words in rows if re.search(rf"\b{code.name}\b", words) and name == code.feature]
        assert adds or code.feature is None, f"docs/isa.md, Features, does not say that {code.feature} adds {code.name}"


def test_fields_of_features():
    """`requantise` is the only field that a feature adds to a format."""
    added = {name for form in ("memory", "gemm", "alu", "control", "uop")
             for name in getattr(TABLE, form).fields.keys() - getattr(STOCK, form).fields.keys()}
    assert added == {"requantise"}


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
    """Those with a name, then the first one without, if there is one; then what a stock machine calls its own."""
    text = " ".join((DOCS / "assembly.md").read_text().split())
    rest = f", or `{unknown}{max(members) + 1}`" if max(members) + 1 < CODES else ")"
    line = f"(`{' '.join(op.name for op in members)}`{rest}"
    assert line in text, f"docs/assembly.md, Lines, lacks {line}"
    added = [code for code in members if code.feature]
    line = f"{' and '.join(f'`{code.name}`' for code in added)} are `{unknown}{added[0]}` and `{unknown}{added[1]}`"
    assert line in text, f"docs/assembly.md, Lines, lacks {line}"


def test_assembly_examples():
    """They are written as the disassembler writes them."""
    examples = re.findall(r"^```\n(.*?)^```", (DOCS / "assembly.md").read_text(), re.DOTALL | re.MULTILINE)[:2]
    for lines in map(str.splitlines, examples):
        insns, uops = assemble("\n".join(lines), TABLE.config)
        assert [*disassemble(insns, TABLE.config), *disassemble_uops(uops, TABLE.config)] == lines
    assert len(examples) == 2 and all(code.name in examples[1] for code in (*Opcode, *MemType, *AluOp) if code.feature)


def test_compiler_lists_the_operators_of_values():
    text = (DOCS / "compiler.md").read_text()
    section = text[text.index("## Tensor expressions"):].split("\n\n")[1]
    missing = [op.sign for op in Op if not re.search(rf"[` ]{re.escape(op.sign)}[`, ]", section)]
    assert not missing, f"docs/compiler.md, Tensor expressions, lacks {' '.join(missing)}"
