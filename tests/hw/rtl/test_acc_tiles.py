"""hw/rtl/acc_tiles.py: chunks of LOAD ACC and ACC_8BIT become tiles of 32-bit lanes."""

import dataclasses

import pytest
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.rtl.acc_tiles import ACC_8BIT, AccTiles


def configuration(width):
    """Tiles of 4 lanes (16 bytes) on the narrow bus, else of 16 lanes (64 bytes) as in the default."""
    if width == 64:
        return PRESETS["tiny"]
    return dataclasses.replace(PRESETS["default"], axi_data_width=width)


def chunks_of(random, config, select, index, last):
    """A random tile: its chunks, and its lanes."""
    size = 1 if select == ACC_8BIT else 4
    lanes = [random.randrange(-1 << 8 * size - 1, 1 << 8 * size - 1) for _ in range(config.lanes)]
    data = b"".join(lane.to_bytes(size, "little", signed=True) for lane in lanes)
    step = min(config.bus_bytes, len(data))
    slices = [data[at:at + step] for at in range(0, len(data), step)]
    return [{"select": select, "write": 1, "index": index, "slice": n, "complete": n == len(slices) - 1,
             "data": int.from_bytes(value, "little"), "last": last and n == len(slices) - 1}
            for n, value in enumerate(slices)], lanes


@each_stall
@pytest.mark.parametrize("width", [64, 128, 512])
def test_tiles_padding_and_ends(width, stalls):
    config = configuration(width)
    dut = AccTiles(config)
    b = Bench(dut, stalls, seed=width)
    chunks, expected = [], []
    for _ in range(40):
        last, index = b.random.random() < 0.3, b.random.randrange(config.depth["ACC"])
        kind = b.random.choice(["tile", "tile", "pad", "end"])
        if kind == "pad":                              # also with a slice that does not complete a tile
            chunks.append({"pad": 1, "pad_index": index, "last": last})
            expected.append(({"write": 1, "pad": 1, "index": index, "last": last}, None))
        elif kind == "end":
            chunks.append({"last": 1})
            expected.append(({"write": 0, "pad": 0, "last": 1}, None))
        else:
            slices, lanes = chunks_of(b.random, config, b.random.randint(0, 1), index, last)
            if len(slices) > 1 and b.random.random() < 0.5:
                other = b.random.randrange(config.depth["ACC"])
                slices[0] |= {"pad": 1, "pad_index": other}
                expected.append(({"write": 1, "pad": 1, "index": other, "last": 0}, None))
            chunks += slices
            expected.append(({"write": 1, "pad": 0, "index": index, "last": last}, lanes))
    b.send(dut.chunk, chunks)
    got = b.receive(dut.tile, len(expected))
    b.run()
    assert len(got) == len(expected)
    for tile, (fields, lanes) in zip(values(got), expected, strict=True):
        assert {name: tile[name] for name in fields} == fields
        assert lanes is None or tile["data"] == lanes


def test_rate_and_latency():
    """A chunk each cycle; a tile two cycles after its last chunk."""
    config = PRESETS["tiny"]
    dut = AccTiles(config)
    b = Bench(dut)
    chunks = [chunk for n in range(20) for chunk in chunks_of(b.random, config, 0, n, 0)[0]]
    taken = b.send(dut.chunk, chunks)
    got = b.receive(dut.tile, 20)
    b.run()
    assert at_full_rate(taken) and [cycle for cycle, _ in got] == [cycle + 2 for cycle in taken[1::2]]
