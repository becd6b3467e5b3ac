"""hw/rtl/acc_tiles.py: chunks of LOAD ACC and ACC_8BIT become tiles of 32-bit lanes."""

import dataclasses

import pytest
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.rtl.acc_tiles import ACC_8BIT, AccTiles


def configuration(width):
    """Four lanes of 16 bytes, or sixteen of 64: as many beats as the default has."""
    if width == 64:
        return PRESETS["tiny"]
    return dataclasses.replace(PRESETS["default"], axi_data_width=width)


def chunks_of(random, config, mem, index, last):
    """A random tile: its chunks, and its lanes."""
    size = 1 if mem == ACC_8BIT else 4
    lanes = [random.randrange(-1 << 8 * size - 1, 1 << 8 * size - 1) for _ in range(config.lanes)]
    data = b"".join(lane.to_bytes(size, "little", signed=True) for lane in lanes)
    step = min(config.bus_bytes, len(data))
    parts = [data[at:at + step] for at in range(0, len(data), step)]
    return [{"mem": mem, "write": 1, "index": index, "part": n, "complete": n == len(parts) - 1,
             "data": int.from_bytes(part, "little"), "last": last and n == len(parts) - 1}
            for n, part in enumerate(parts)], lanes


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
        if kind == "pad":                              # also beside a part that does not complete a tile
            chunks.append({"pad": 1, "pad_index": index, "last": last})
            expected.append(({"write": 1, "pad": 1, "index": index, "last": last}, None))
        elif kind == "end":
            chunks.append({"last": 1})
            expected.append(({"write": 0, "pad": 0, "last": 1}, None))
        else:
            parts, lanes = chunks_of(b.random, config, b.random.randint(0, 1), index, last)
            if len(parts) > 1 and b.random.random() < 0.5:
                other = b.random.randrange(config.depth["ACC"])
                parts[0] |= {"pad": 1, "pad_index": other}
                expected.append(({"write": 1, "pad": 1, "index": other, "last": 0}, None))
            chunks += parts
            expected.append(({"write": 1, "pad": 0, "index": index, "last": last}, lanes))
    b.send(dut.chunk, chunks)
    got = b.receive(dut.tile, len(expected))
    b.run()
    assert len(got) == len(expected)
    for tile, (fields, lanes) in zip(values(got), expected, strict=True):
        assert {name: tile[name] for name in fields} == fields
        assert lanes is None or tile["data"] == lanes


def test_rate_and_latency():
    """A chunk each cycle; a tile one cycle after its last chunk."""
    config = PRESETS["tiny"]
    dut = AccTiles(config)
    b = Bench(dut)
    chunks = [chunk for n in range(20) for chunk in chunks_of(b.random, config, 0, n, 0)[0]]
    taken = b.send(dut.chunk, chunks)
    got = b.receive(dut.tile, 20)
    b.run()
    assert at_full_rate(taken) and [cycle for cycle, _ in got] == [cycle + 1 for cycle in taken[1::2]]
