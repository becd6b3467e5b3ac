"""hw/rtl/write_master.py: bursts and their data arrive in memory, payloads hold until taken, responses are counted."""

import dataclasses
from collections import deque

import pytest
from memory_bench import WritePort
from stream_bench import Bench, at_full_rate, each_stall

from vta.hw.config import PRESETS
from vta.hw.rtl.write_master import WriteMaster

CONFIG = PRESETS["tiny"]
MEMORY = 1 << 13


def bench(stalls, seed=0, config=CONFIG, **port):
    dut = WriteMaster(config)
    b = Bench(dut, stalls, seed)
    b.image = bytearray(b.random.randrange(256) for _ in range(MEMORY))
    b.port = WritePort(b, config, dut.axi, b.image, **port)
    b.answers = b.watch(dut.response, dut.failed, dut.idle)
    return b


def traffic(b, config, count):
    """Random bursts: requests, beats, and the memory after them."""
    bursts, beats, size = [], [], config.bus_bytes
    expected = bytearray(b.image)
    for _ in range(count):
        length = b.random.randint(1, config.max_burst)
        addr = b.random.randrange(MEMORY // (config.max_burst * size)) * config.max_burst * size
        bursts.append({"addr": addr, "len": length - 1})
        for n in range(length):
            data, strobe = b.random.randbytes(size), b.random.getrandbits(size)
            beats.append({"data": int.from_bytes(data, "little"), "strobe": strobe})
            for byte in range(size):
                if strobe >> byte & 1:
                    expected[addr + n * size + byte] = data[byte]
    return bursts, beats, expected


@each_stall
@pytest.mark.parametrize("width", [64, 256])
def test_random_bursts(width, stalls):
    """The port checks that AW and W hold while they wait (write data once did not, in another design)."""
    config = dataclasses.replace(CONFIG, axi_data_width=width)
    b = bench(stalls, seed=width, config=config)
    bursts, beats, expected = traffic(b, config, 20)
    b.send(b.dut.request, bursts)
    b.send(b.dut.beats, beats)
    b.run(until=lambda: sum(response for response, _, _ in b.answers) == len(bursts))
    assert b.image == expected
    assert [(addr, count - 1) for _, addr, count in b.port.bursts] == [(x["addr"], x["len"]) for x in bursts]
    assert sum(response for response, _, _ in b.answers) == len(bursts) == len(b.port.answered)
    assert b.port.most <= config.write_outstanding and b.answers[-1][2] == 1


def test_failed_responses():
    """`failed` marks error responses; here those of all bursts at 0x100."""
    b = bench("random", errors={0x100})
    addrs = [0, 0x100, 0x80, 0x100, 0x180]
    b.send(b.dut.request, [{"addr": addr, "len": 0} for addr in addrs])
    b.send(b.dut.beats, [{"data": 0, "strobe": 0xFF}] * len(addrs))
    b.run(until=lambda: sum(response for response, _, _ in b.answers) == len(addrs))
    assert [failed for response, failed, _ in b.answers if response] == [addr == 0x100 for addr in addrs]


@pytest.mark.parametrize("length", [1, 4])
def test_rate_and_latency(length):
    """AWVALID a cycle after the request, data a cycle after that; then a beat each cycle over all bursts."""
    config = dataclasses.replace(CONFIG, write_outstanding=16)
    b = bench("none", config=config, latency=1)
    count = 32 // length
    taken = b.send(b.dut.request, [{"addr": 128 * n, "len": length - 1} for n in range(count)])
    moved = b.send(b.dut.beats, [{"data": n, "strobe": 0xFF} for n in range(32)])
    b.run(until=lambda: len(moved) == 32)
    assert b.port.bursts[0][0] == taken[0] + 1 and moved[0] == taken[0] + 2
    assert at_full_rate(moved) and moved == [cycle for cycle, _ in b.port.beats]


def test_outstanding_limit_and_halt():
    """Without responses, `write_outstanding` bursts go out; halted, none, and the unit is idle."""
    for halted in (0, 1):
        b = bench("none", latency=1000)
        b.set(halt=halted)
        sent = b.feed(b.dut.request, deque([(0, {"addr": 0, "len": 0})] * 9))
        b.feed(b.dut.beats, deque([(0, {"data": 0, "strobe": 1})] * 9))
        b.run(after=60)
        assert len(sent) == len(b.port.bursts) == (0 if halted else CONFIG.write_outstanding)
        assert b.answers[-1] == (0, 0, halted)
