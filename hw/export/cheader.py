"""The register map as a C header: offsets, masks and shifts, error causes, identity."""

from vta.hw.registers import COUNTER_BASE, ErrorCause, identity, register_map


def c_header(config):
    """Text of `vta_registers.h` for `config`: C99, no includes, every name prefixed with VTA_."""
    lines = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        f"/* VTA registers, configuration {config.name}. Made by `vta registers --format c`: do not edit. */",
        "#ifndef VTA_REGISTERS_H", "#define VTA_REGISTERS_H", "",
        "/* identity: what these registers read in this configuration */",
    ]
    lines += [_define(f"{name}_VALUE", f"0x{value:08X}u") for name, value in identity(config).items()]
    lines += ["", "/* byte offsets, fields */"]
    for reg in register_map(config):
        if reg.offset == COUNTER_BASE:
            lines += ["", "/* counters: 32 bits each, cleared at launch */"]
        lines.append(_define(reg.name, f"0x{reg.offset:03X}u", f"{reg.access}: {reg.doc}"))
        for f in reg.fields:
            lines.append(_define(f"{reg.name}_{f.name}_SHIFT", f.low, f.doc))
            lines.append(_define(f"{reg.name}_{f.name}_MASK", f"0x{(1 << f.width) - 1 << f.low:08X}u"))
    lines += ["", "/* values of VTA_ERROR_CAUSE */"]
    lines += [_define(f"CAUSE_{cause.name}", int(cause)) for cause in ErrorCause]
    lines += ["", "#endif"]
    return "\n".join(lines) + "\n"


def _define(name, value, comment=""):
    line = f"#define VTA_{name.upper():<36} {value}"
    return f"{line:<64} /* {comment} */" if comment else line
