"""hw/rtl/tile_writer.py: timing and order of its streams; test_loader.py tests what it writes."""

import decoded
import pytest
from load_model import load
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.rtl.tile_writer import TileWriter

CONFIG = PRESETS["tiny"]               # INP tiles of half a beat, WGT tiles of two


def descriptor(x_size, y_size=1, select=0, sram=0, pads=(0, 0, 0, 0)):
    names = ("INP", "WGT")
    return decoded.descriptor(CONFIG, names, load(names[select], x_size, y_size, sram=sram, pads=pads, push=1))


def beats(count):
    return [{"data": n * 0x0101_0101_0101_0101 & (1 << 64) - 1} for n in range(count)]


@each_stall
@pytest.mark.parametrize("select, tiles, slices", [(0, 16, 16), (1, 4, 8)])
def test_every_beat_is_used_once(select, tiles, slices, stalls):
    """Two small tiles in a beat, or two beats in a tile: each slice appears once, in order."""
    dut = TileWriter(CONFIG, "INP", "WGT")
    b = Bench(dut, stalls)
    b.send(dut.descriptor, [descriptor(tiles, select=select)])
    taken = b.send(dut.beats, beats(8))
    got = b.receive(dut.chunk, slices)
    b.run()
    chunks = values(got)
    assert len(taken) == 8 and len(chunks) == slices
    assert [chunk["data"] & 0xFF for chunk in chunks] == [n * 8 // slices for n in range(slices)]
    assert [chunk["index"] for chunk in chunks] == [n * tiles // slices for n in range(slices)]
    assert [chunk["last"] for chunk in chunks] == [0] * (slices - 1) + [1]
    if stalls == "none":
        assert at_full_rate([cycle for cycle, _ in got])


def test_no_gap_between_loads():
    """A chunk each cycle over ten LOADs, whose descriptors are taken with their predecessors' last chunks."""
    dut = TileWriter(CONFIG, "INP", "WGT", assembled=("WGT",))
    b = Bench(dut)
    taken = b.send(dut.descriptor, [descriptor(2, select=1) for _ in range(10)])
    b.send(dut.beats, beats(40))
    got = b.receive(dut.chunk, 40)
    b.run()
    cycles = [cycle for cycle, _ in got]
    assert at_full_rate(cycles) and cycles[0] == taken[0] + 1 and taken[1:] == cycles[3:-1:4]


def test_padding_needs_no_data():
    """Rows of padding above and below are written while no beat comes; the rows' own sides as well."""
    dut = TileWriter(CONFIG, "INP", "WGT", assembled=("WGT",))
    b = Bench(dut)
    b.send(dut.descriptor, [descriptor(2, 2, select=1, pads=(1, 1, 1, 1))])
    busy = b.watch(dut.busy)
    got = b.receive(dut.chunk)
    b.run(after=60)
    padded = [chunk["pad_index"] for chunk in values(got)]
    assert padded == [0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 14, 15]
    assert not any(chunk["write"] or chunk["last"] for chunk in values(got)) and busy[-1]
    assert got[-1][0] - got[0][0] <= 14                # a cycle for each tile, and one over each row of data


@pytest.mark.parametrize("base, x_size, beyond", [(127, 1, 0), (128, 1, 1), (127, 2, 1), (126, 2, 0), (65535, 1, 1)])
def test_beyond_the_memory(base, x_size, beyond):
    """128 tiles of WGT: an index above them wraps and is reported."""
    assert CONFIG.depth["WGT"] == 128
    dut = TileWriter(CONFIG, "INP", "WGT")
    b = Bench(dut)
    b.send(dut.descriptor, [descriptor(x_size, select=1, sram=base)])
    b.send(dut.beats, beats(2 * x_size))
    wrapped = b.watch(dut.beyond)
    got = b.receive(dut.chunk, 2 * x_size)
    b.run()
    assert any(wrapped) == beyond
    assert [chunk["index"] for chunk in values(got)[::2]] == [(base + n) % 128 for n in range(x_size)]
