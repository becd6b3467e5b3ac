"""The C header compiles, and its numbers are those of the table."""

import dataclasses
import re
import shutil
import subprocess

import pytest

from vta.hw.config import PRESETS
from vta.hw.export.cheader import c_header
from vta.hw.registers import ErrorCause, identity, register_map

CONFIGS = [PRESETS["default"], dataclasses.replace(PRESETS["tiny"], axi_addr_width=64)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_numbers(config):
    defined = dict(re.findall(r"#define (\w+)\s+(\w+)", c_header(config)))
    value = {name: int(text.rstrip("u"), 0) for name, text in defined.items()
             if text[0].isdigit()}
    for reg in register_map(config):
        assert value[f"VTA_{reg.name.upper()}"] == reg.offset
        for f in reg.fields:
            name = f"VTA_{reg.name}_{f.name}".upper()
            assert value[f"{name}_MASK"] >> value[f"{name}_SHIFT"] == (1 << f.width) - 1
    assert all(value[f"VTA_{name.upper()}_VALUE"] == word for name, word in identity(config).items())
    assert all(value[f"VTA_CAUSE_{cause.name}"] == cause for cause in ErrorCause)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_names_are_unique_and_c_accepts_them(config, tmp_path):
    text = c_header(config)
    names = re.findall(r"#define (\w+)", text)
    assert len(names) == len(set(names))
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    (tmp_path / "use.c").write_text('#include "vta_registers.h"\n#include "vta_registers.h"\n'
                                    "int main(void) { return VTA_ID_VALUE != 0x56544131u; }\n")
    (tmp_path / "vta_registers.h").write_text(text)
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "use.c", "-o", "use"],
                   cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "use"]).returncode == 0
