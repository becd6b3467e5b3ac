"""hw/rtl/store_data.py: rows of tiles become beats, at every ratio of tile to bus."""

import dataclasses

import pytest
from stream_bench import Bench, each_stall, until, values

from vta.hw.config import PRESETS
from vta.hw.rtl.store_data import StoreData

# bus -> what is stored on it: tiles of 16 bytes, as in the default, and of 4
CONFIGS = {(block, width): dataclasses.replace(PRESETS["tiny" if block == 2 else "default"], axi_data_width=width,
                                               **({} if block == 2 else {"log_acc_buff_size": 14}))
           for block in (2, 4) for width in (64, 128, 256, 512)}


def tile_value(config, index):
    """What the output buffer holds: a different value in every byte of every tile."""
    size = config.tile_bytes["OUT"]
    return int.from_bytes(bytes((index * 37 + n * 11 + 1) % 256 for n in range(size)), "little")


def beats_of(config, rows):
    """[(data under the strobe, strobe)] of one STORE."""
    size, bus = config.tile_bytes["OUT"], config.bus_bytes
    depth, beats = config.depth["OUT"], {}
    at, row_offset = rows["sram_base"], rows["beat_offset"]
    order = []
    for row in range(rows["y_size"]):
        offset = row_offset
        for column in range(rows["x_size"]):
            group = 0 if rows["merged"] else row
            byte = offset + column * size + (row * rows["x_size"] * size if rows["merged"] else 0)
            data = tile_value(config, at % depth).to_bytes(size, "little")
            for n in range(size):
                key = (group, (byte + n) // bus)
                if key not in beats:
                    beats[key] = [0, 0]
                    order.append(key)
                beats[key][0] |= data[n] << 8 * ((byte + n) % bus)
                beats[key][1] |= 1 << (byte + n) % bus
            at += 1
        if not rows["merged"]:
            row_offset = (row_offset + rows["stride"]) % bus
    return [tuple(beats[key]) for key in order]


def bench(config, stalls, seed=0):
    dut = StoreData(config)
    b = Bench(dut, stalls, seed)

    async def output_buffer(ctx):
        """One cycle of latency; without `en` the data is random."""
        ctx.set(dut.out.data, 0)
        while True:
            _, _, en, index = await ctx.tick().sample(dut.out.en, dut.out.index)
            ctx.set(dut.out.data, tile_value(config, index) if en else b.random.getrandbits(16))
    b.process(output_buffer)
    return b


def random_rows(random, config):
    size, bus = config.tile_bytes["OUT"], config.bus_bytes
    rows = {"sram_base": random.randrange(config.depth["OUT"] - 100),
            "x_size": random.choice([1, 1, 2, 3, random.randint(1, 20)]), "y_size": random.randint(1, 5),
            "beat_offset": random.randrange(max(bus // size, 1)) * size, "merged": random.randint(0, 1)}
    stride = rows["x_size"] if rows["merged"] else random.randint(0, 40)
    return rows | {"stride": stride * size % bus}


@each_stall
@pytest.mark.parametrize("block, width", CONFIGS)
def test_random_rows(block, width, stalls):
    config = CONFIGS[block, width]
    b = bench(config, stalls, seed=width)
    stores = [random_rows(b.random, config) for _ in range(12)]
    expected = [beat for rows in stores for beat in beats_of(config, rows)]
    b.send(b.dut.rows, stores)
    got = b.receive(b.dut.beats, len(expected))
    seen = b.watch(b.dut.tile_read, b.dut.beyond)
    b.run()
    assert len(got) == len(expected)
    for beat, (data, strobe) in zip(values(got), expected, strict=True):
        mask = sum(0xFF << 8 * n for n in range(config.bus_bytes) if strobe >> n & 1)
        assert (beat["strobe"], beat["data"] & mask) == (strobe, data)
    assert sum(read for read, _ in seen) == sum(rows["x_size"] * rows["y_size"] for rows in stores)
    assert not any(beyond for _, beyond in seen)


def test_indices_beyond_the_buffer_wrap_and_are_reported():
    config = CONFIGS[2, 64]
    b = bench(config, "random")
    depth = config.depth["OUT"]
    row = {"x_size": 1, "y_size": 1, "beat_offset": 0, "stride": 0, "merged": 0}
    stores = [row | {"sram_base": base, "x_size": x} for base, x in
              ((depth - 2, 2), (depth - 1, 2), (depth, 1), (65535, 1), (0, 1))]
    expected = [beat for rows in stores for beat in beats_of(config, rows)]
    b.send(b.dut.rows, stores)
    numbers = iter(range(5))

    async def count(ctx):
        """`number` goes with the STORE that is being taken."""
        for number in numbers:
            ctx.set(b.dut.number, number)
            await until(ctx, b.dut.rows.valid & b.dut.rows.ready)
    b.process(count)
    got = b.receive(b.dut.beats, len(expected))
    reported = b.watch(b.dut.beyond, b.dut.beyond_number)
    b.run()
    assert [beat["strobe"] for beat in values(got)] == [strobe for _, strobe in expected]
    assert {number for beyond, number in reported if beyond} == {1, 2, 3}


@pytest.mark.parametrize("block, width", [(4, 64), (4, 128), (2, 64)])
def test_rate_and_latency(block, width):
    """Four cycles to the first beat; then a beat (or a tile, if smaller) each cycle within a STORE."""
    config = CONFIGS[block, width]
    size, bus = config.tile_bytes["OUT"], config.bus_bytes
    b = bench(config, "none")
    stores = [{"sram_base": 4 * n, "x_size": 2, "y_size": 1, "beat_offset": 0, "stride": 0, "merged": 0}
              for n in range(8)]
    taken = b.send(b.dut.rows, stores)
    expected = 8 * max(2 * size // bus, 1)
    got = b.receive(b.dut.beats, expected)
    b.run()
    cycles = [cycle for cycle, _ in got]
    step = max(bus // size, 1)
    per_store = expected // 8
    assert cycles[0] == taken[0] + 4 + step - 1
    starts = taken if step > 1 or per_store <= 2 else [taken[0] + per_store * n for n in range(8)]
    assert cycles == [start + 4 + step - 1 + step * n for start in starts for n in range(per_store)]
