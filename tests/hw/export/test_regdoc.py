"""The committed pages are those generated from the tables, and contain every entry."""

import json

import pytest
from repository import DOCS

from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS
from vta.hw.export import regdoc
from vta.hw.registers import ErrorCause, identity, pack_fields, register_map


@pytest.mark.parametrize("page, make, form", [("registers.md", regdoc.registers_markdown, "md"),
                                              ("counters.md", regdoc.counters_markdown, "counters")])
def test_committed_page_is_the_generated_one(page, make, form):
    assert (DOCS / page).read_text() == make(), \
        f"docs/{page} is stale: make it with `vta registers --format {form} --out docs/{page}`"


def test_registers_page_is_complete():
    text = regdoc.registers_markdown()
    for reg in register_map(PRESETS["default"]):
        assert f"| 0x{reg.offset:03X} | `{reg.name}` |" in text
        for field in reg.fields:
            assert f"| `{field.name}` |" in text
    assert all(f"| {int(cause)} | `{cause.name}` |" in text for cause in ErrorCause)


def test_counters_page_is_complete():
    text = regdoc.counters_markdown()
    assert all(f"| `{c.name}` |" in text and c.doc in text for c in COUNTERS)


def test_no_table_row_has_a_stray_column():
    for text in (regdoc.registers_markdown(), regdoc.counters_markdown()):
        width = None
        for line in text.splitlines():
            cells = line.replace("\\|", "").count("|") if line.startswith("|") else None
            assert width is None or cells is None or cells == width, line
            width = cells


@pytest.mark.parametrize("preset", PRESETS)
def test_json_has_every_register(preset):
    config = PRESETS[preset]
    data = json.loads(regdoc.registers_json(config))
    assert [r["name"] for r in data["registers"]] == [r.name for r in register_map(config)]
    assert {name: int(text, 16) for name, text in data["identity"].items()} == identity(config)


def test_offsets_and_fields_do_not_overlap():
    for config in (PRESETS["default"], PRESETS["wide"]):
        regs = register_map(config)
        assert len({r.offset for r in regs}) == len({r.name for r in regs}) == len(regs)
        for reg in regs:
            bits = [bit for f in reg.fields for bit in range(f.low, f.low + f.width)]
            assert len(bits) == len(set(bits)) and all(bit < 32 for bit in bits)


def test_pack_fields_refuses_what_does_not_fit():
    reg = next(r for r in register_map(PRESETS["default"]) if r.name == "config_shape")
    assert pack_fields(reg, {"log_block": 4}) == 4 << 16
    with pytest.raises(ValueError, match="log_block = 16 does not fit 4 bits"):
        pack_fields(reg, {"log_block": 16})
