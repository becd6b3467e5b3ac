"""Columns against decoding instruction by instruction, on random words, for every fact that tools read from them."""

import numpy as np
import pytest

from vta.hw.columns import Columns, by_type
from vta.hw.config import PRESETS
from vta.hw.isa import MemType, Opcode, Queue, Unit, decode, from_words, layouts, opcode_of, unit_of

PUSHES = {Queue.L2G: (Unit.LOAD, "push_next"), Queue.G2L: (Unit.COMPUTE, "push_prev"),
          Queue.G2S: (Unit.COMPUTE, "push_next"), Queue.S2G: (Unit.STORE, "push_prev")}
POPS = {Queue.L2G: (Unit.COMPUTE, "pop_prev"), Queue.G2L: (Unit.LOAD, "pop_next"),
        Queue.G2S: (Unit.STORE, "pop_prev"), Queue.S2G: (Unit.COMPUTE, "pop_next")}
LOADED = {*MemType} - {MemType.OUT}


@pytest.fixture(scope="module", params=["default", "tiny", "wide"])
def stream(request):
    """(Columns, [fields of each instruction]) of random words, some of them without x_size."""
    config = PRESETS[request.param]
    insns = np.random.default_rng(7).integers(0, 1 << 64, (400, 2), np.uint64)
    insns[::5, 1] &= ~np.uint64(0xFFFF << 16)
    known = layouts(config)
    return Columns(insns, config), [
        decode(known.control, word) | decode(known.memory, word) | {"nest": decode(known.of(opcode_of(word)), word)}
        for word in map(from_words, insns)]


def known(codes, config):
    """Those of an enum that the configuration knows."""
    return {code for code in codes if code.feature is None or code.feature in config.features}


def test_units_and_tokens(stream):
    columns, rows = stream
    units = [unit_of(columns.config, row["opcode"], row["mem_type"]) for row in rows]
    assert columns.unit.tolist() == units and columns.unit_at(3) is units[3]
    assert columns.in_unit(50) == units[:50].count(units[50])
    for found, flags, table in ((columns.pops, columns.pop_flags, POPS), (columns.pushes, columns.push_flags, PUSHES)):
        assert found == [tuple(queue for queue, (end, flag) in table.items() if unit == end and row[flag])
                         for unit, row in zip(units, rows, strict=True)]
        assert [tuple(np.flatnonzero(column)) for column in flags.T] == found


def test_kinds(stream):
    columns, rows = stream
    opcodes = [row["opcode"] for row in rows]
    for opcode, found in ((Opcode.LOAD, columns.is_load), (Opcode.STORE, columns.is_store),
                          (Opcode.GEMM, columns.is_gemm), (Opcode.ALU, columns.is_alu)):
        assert found.tolist() == [opcode == other for other in opcodes]
    windows = Opcode.WINDOW in known(Opcode, columns.config)
    assert columns.is_window.tolist() == [windows and opcode == Opcode.WINDOW for opcode in opcodes]
    requantises = [row["opcode"] in (Opcode.GEMM, Opcode.WINDOW) and row["nest"].get("requantise", 0) == 1
                   for row in rows]
    assert columns.requantises.tolist() == requantises and any(requantises) == bool(columns.config.features)
    assert columns.is_reset.tolist() == [
        row["opcode"] == Opcode.GEMM and row["nest"]["reset"] == 1 and not requantised
        for row, requantised in zip(rows, requantises, strict=True)]


def test_transfers(stream):
    """What moves, how many tiles and bytes, and which rectangle it covers on chip."""
    columns, rows = stream
    loaded = LOADED & known(MemType, columns.config)
    for n, row in enumerate(rows):
        reachable = {Opcode.LOAD: loaded, Opcode.STORE: {MemType.OUT}}.get(row["opcode"], ())
        moves = row["opcode"] <= Opcode.STORE and row["x_size"] > 0
        transfers = moves and row["mem_type"] in reachable
        width, height = row["x_size"], row["y_size"]
        assert (columns.moves[n], columns.transfers[n]) == (moves, transfers)
        assert columns.tiles[n] == (width * height if transfers else 0)
        if row["mem_type"] in set(MemType):
            assert columns.tile_bytes[n] == columns.config.tile_bytes[MemType(row["mem_type"]).name]
        if row["opcode"] == Opcode.LOAD:
            width += row["x_pad_0"] + row["x_pad_1"]
            height += row["y_pad_0"] + row["y_pad_1"]
        assert tuple(size[n] for size in columns.extent) == ((width, height) if transfers else (0, 0))


def test_steps(stream):
    columns, rows = stream
    for n, row in enumerate(rows):
        nest = row["nest"]
        steps = 0
        if row["opcode"] in {Opcode.GEMM, Opcode.ALU, Opcode.WINDOW} & known(Opcode, columns.config):
            steps = max(nest["uop_end"] - nest["uop_bgn"], 0) * nest["iter_out"] * nest["iter_in"]
        assert columns.steps[n] == steps


def test_table_by_type():
    config = PRESETS["default"]
    assert by_type(config.tile_bytes).tolist() == [4, 256, 16, 64, 16, 16, 16, 16]
