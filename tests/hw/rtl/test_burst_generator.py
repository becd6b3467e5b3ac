"""hw/rtl/burst_generator.py: regions become exactly the bursts of the golden model."""

import dataclasses

import pytest
from memory_bench import check_burst
from stream_bench import Bench, each_stall, joined, values

from vta.hw.config import PRESETS
from vta.hw.rtl.burst_generator import BurstGenerator

WIDTHS = {64: 16, 128: 32, 256: 128, 512: 64}          # bus -> max_burst: blocks of 128 bytes to 4 KiB


def bursts_of(config, region):
    """The bursts of one region: [{addr, len, last}]."""
    size, block = config.bus_bytes, config.max_burst * config.bus_bytes
    bursts = []
    for row in range(region["rows"]):
        start, last = (region[name] + row * region["stride"] for name in ("first", "last"))
        at, end = start // size * size, (last // size + 1) * size
        while at < end:
            stop = min(end, (at // block + 1) * block)
            bursts.append({"addr": at, "len": (stop - at) // size - 1, "last": 0})
            at = stop
    bursts[-1]["last"] = 1
    return bursts


def bench(width, stalls, seed=0, **changes):
    config = dataclasses.replace(PRESETS["default"], axi_data_width=width, max_burst=WIDTHS[width],
                                 read_ahead_beats=128, **changes)
    dut = BurstGenerator(config)
    b = Bench(dut, stalls, seed)
    return b, config, joined(dut.burst.valid, dut.burst.ready, addr=dut.burst.payload.addr,
                             len=dut.burst.payload.len, last=dut.last)


@each_stall
@pytest.mark.parametrize("width", WIDTHS)
def test_random_regions(width, stalls):
    b, config, burst = bench(width, stalls, seed=width)
    regions = []
    for _ in range(50):
        tile = b.random.choice([4, 16, 64, 256])
        x_bytes = tile * b.random.choice([1, 2, 3, b.random.randint(1, 60)])
        first = tile * b.random.randrange(1 << 12)
        regions.append({"first": first, "last": first + x_bytes - 1, "stride": tile * b.random.randint(0, 100),
                        "rows": b.random.choice([1, 2, b.random.randint(1, 9)])})
    expected = [burst for region in regions for burst in bursts_of(config, region)]
    b.send(b.dut.region, regions)
    got = b.receive(burst, len(expected))
    b.run()
    assert values(got) == expected
    for _, one in got:
        check_burst(config, one["addr"], one["len"])


def test_the_largest_region():
    """65535 rows of 65535 tiles of 256 bytes, in one, begin as they should, without overflow."""
    b, _, burst = bench(512, "none", axi_addr_width=64)
    b.send(b.dut.region, [{"first": 1 << 40, "last": (1 << 40) + 65535 * 65535 * 256 - 1, "stride": 0, "rows": 1}])
    got = b.receive(burst)
    b.run(after=100)
    assert values(got) == [{"addr": (1 << 40) + 4096 * n, "len": 63, "last": 0} for n in range(len(got))]


@pytest.mark.parametrize("rows", [1, 4])
def test_rate_and_latency(rows):
    """The first burst two cycles later, then one in two cycles, over all rows."""
    b, _, burst = bench(64, "none")
    taken = b.send(b.dut.region, [{"first": 4096 * n, "last": 4096 * n + 511, "stride": 512, "rows": rows}
                                  for n in range(5)])
    got = b.receive(burst, 5 * 4 * rows)
    b.run()
    assert [cycle for cycle, _ in got] == [start + 2 + 2 * n for start in taken for n in range(4 * rows)]
