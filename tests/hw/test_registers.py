"""hw/registers.py and hw/counters.py: the map that drivers rely on, pinned to its VERSION."""

import dataclasses
import hashlib

import pytest

from vta.hw.config import PRESETS
from vta.hw.counters import COUNTERS
from vta.hw.registers import COUNTER_BASE, SHAPES, VERSION, ErrorCause, register_map

PINNED = {      # version -> digests of the map with 32-bit and with 64-bit pointers; only ever add to it
    0x0001_0000: {32: "1908dd269c3d80d3", 64: "8d311b61049de88a"},
    0x0001_0001: {32: "c0a5d2b27d0d7862", 64: "647bdb14a19d5b00"},
}


def digest(config):
    """Of all that a driver relies on: names, offsets, access, fields, error causes."""
    lines = [f"{r.name} {r.offset:x} {r.access} {[(f.name, f.low, f.width) for f in r.fields]}"
             for r in register_map(config)]
    lines += [f"{cause.name} {int(cause)}" for cause in ErrorCause]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("bits", [32, 64])
def test_a_changed_map_has_a_new_version(bits):
    now = digest(dataclasses.replace(PRESETS["default"], axi_addr_width=bits))
    assert PINNED.get(VERSION, {}).get(bits) == now, (
        f"the register map is not that of VERSION 0x{VERSION:08X}: raise VERSION in hw/registers.py (minor if "
        f"registers, fields or counters were only added, else major) and add {{{bits}: {now!r}}} for it to PINNED")


def test_each_counter_has_a_word_of_its_own():
    """Without gaps: a new counter takes the next free offset."""
    assert sorted(counter.offset for counter in COUNTERS) == [4 * n for n in range(len(COUNTERS))]
    assert COUNTER_BASE + 4 * len(COUNTERS) <= 0x1000


def test_a_register_is_seen_by_its_fields():
    status = SHAPES["status"].const({"drained": 1, "busy": 1})
    assert status.as_value().value == 0b1001
    assert SHAPES["watchdog"].width == 32
