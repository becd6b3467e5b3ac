"""Text made from the tables: docs/registers.md, docs/counters.md and the map as JSON.

The committed pages are exactly what these functions return (a test compares them); write them with
`vta registers --format md --out docs/registers.md` and `vta registers --format counters`.
"""

import dataclasses
import json

from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Unit
from vta.hw.registers import COUNTER_BASE, ErrorCause, identity, register_map

ACCESS = {"rw": "read, write", "ro": "read", "rwh": "read, write, set by hardware", "wo": "write (reads 0)",
          "w1c": "read, write 1 to clear"}
REGISTERS_HEAD = """\
# Registers

Made by `vta registers --format md` from `hw/registers.py`; edit the table, not this page.

One AXI4-Lite slave of 32-bit registers in a 4 KiB window. Offsets 0x00 to 0x24 are those of the original's
Chisel control registers, so its drivers still work. Offsets that are not listed answer SLVERR, read 0
and change nothing. Write whole words. Every register is 0 after `aresetn`, those of the identification aside.

A run: write the instruction count and the pointers, enable the interrupt, write 1 to `control`; wait for the
interrupt; read `status`, `error` and the counters; write 1s to `irq_status`.

## Map
"""
CAUSES_HEAD = """
`config_hash` is the first four bytes of the SHA-256 of the architecture keys of `vta_config.json`; the
default configuration's is 0x{hash:08X}.

## Error causes

The field `cause` of `error`; the interrupt bit `error` goes up with it.
"""
WIDE_HEAD = """
## Pointers of 64 bits

With `axi_addr_width = 64` each pointer takes two words, low word first, and these offsets change:
"""
REGISTER_COUNTERS_HEAD = """
## Counters

32 bits each, cleared at launch, kept after the run; [counters.md](counters.md) says what they mean.
"""
COUNTERS_HEAD = """\
# Performance counters

Made by `vta registers --format counters` from `hw/counters.py`; edit the table, not this page.

Each unit is in exactly one *state* in every cycle of a run, so the states of a unit add up to the run's
cycles; the driver checks that after every run. The other counters are *events*. `result.counters` has all of
them by name; `vta replay` prints them.

How to read them: start with `compute`. Cycles in `compute_gemm` and `compute_alu` are work; every other state
of compute is a loss, and the last column says where it comes from. Then look at the unit it names.
"""
COUNTERS_TAIL = """
## The original's statistics

`result.stats` and `vta.stats()` give the seven numbers of the original's simulator under its names: tiles
loaded and stored times the bytes of a tile (`inp_load_nbytes`, `wgt_load_nbytes`, `acc_load_nbytes`,
`uop_load_nbytes`, `out_store_nbytes`), and micro-op steps (`gemm_counter`, resets not counted, and
`alu_counter`). Padding is never counted; an accumulator tile loaded from 8-bit data counts its on-chip bytes,
as there.
"""


def _row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _table(*head):
    return [_row(*head), _row(*["---"] * len(head))]


def registers_markdown():
    """The page docs/registers.md: every register and field of the default configuration."""
    config = PRESETS["default"]
    regs = register_map(config)
    values = identity(config)
    control = [r for r in regs if r.offset < COUNTER_BASE]
    counters = regs[len(control):]
    lines = [REGISTERS_HEAD, *_table("offset", "name", "access", "what")]
    lines += [_row(f"0x{r.offset:03X}", f"`{r.name}`", ACCESS[r.access], r.doc) for r in control]
    lines.append(_row(f"0x{counters[0].offset:03X}-0x{counters[-1].offset:03X}", "`count_*`", ACCESS["ro"],
                      "The performance counters, see [below](#counters)"))
    lines += ["", "## Fields", "", *_table("register", "bits", "field", "default configuration", "what")]
    for reg in control:
        for f in reg.fields:
            bits = f"{f.low}" if f.width == 1 else f"{f.low + f.width - 1}:{f.low}"
            value = values.get(reg.name, 0) >> f.low & (1 << f.width) - 1
            lines.append(_row(f"`{reg.name}`", bits, f"`{f.name}`", value, f.doc))
    lines += [CAUSES_HEAD.format(hash=config.hash), *_table("value", "cause", "what happened")]
    lines += [_row(int(cause), f"`{cause.name}`", cause.doc) for cause in ErrorCause]
    lines += [WIDE_HEAD, *_table("offset", "name", "access", "what")]
    here = {r.name: r.offset for r in regs}
    wide = register_map(dataclasses.replace(config, axi_addr_width=64))
    lines += [_row(f"0x{r.offset:03X}", f"`{r.name}`", ACCESS[r.access], r.doc)
              for r in wide if here.get(r.name) != r.offset]
    lines += [REGISTER_COUNTERS_HEAD, *_table("offset", "name")]
    lines += [_row(f"0x{r.offset:03X}", f"`{r.name}`") for r in counters]
    return "\n".join(lines) + "\n"


def counters_markdown():
    """The page docs/counters.md: what each counter means and what to do about it."""
    lines = [COUNTERS_HEAD.rstrip()]
    for unit in Unit:
        lines += ["", f"## States of {unit.name.lower()}", "", *_table("counter", "meaning", "what to do")]
        lines += [_row(f"`{c.name}`", c.doc, c.advice) for c in STATES[unit]]
    lines += ["", "## Events", "", *_table("counter", "of", "meaning")]
    lines += [_row(f"`{c.name}`", c.unit.name.lower(), c.doc) for c in COUNTERS if c.kind == "event"]
    return "\n".join(lines) + "\n" + COUNTERS_TAIL


def registers_json(config):
    """The map of `config` as JSON text: for tools that read neither Python nor C."""
    regs = [dataclasses.asdict(reg) for reg in register_map(config)]
    values = {name: f"0x{value:08X}" for name, value in identity(config).items()}
    return json.dumps({"configuration": config.name, "identity": values, "registers": regs}, indent=1) + "\n"
