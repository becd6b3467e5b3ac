"""hw/rtl/read_arbiter.py: each client gets its beats in order, whatever order memory chooses."""

import dataclasses
from collections import deque

import pytest
from memory_bench import ReadPort
from stream_bench import Bench, at_full_rate, channel, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.rtl.read_arbiter import ReadArbiter

MEMORY = 1 << 14


def bench(stalls, ids, seed=0, **port):
    config = dataclasses.replace(PRESETS["tiny"], read_ids=ids, read_outstanding=4)
    dut = ReadArbiter(config, 4)
    b = Bench(dut, stalls, seed)
    b.config = config
    b.image = bytes(b.random.randrange(256) for _ in range(MEMORY))
    b.port = ReadPort(b, config, dut.axi, b.image, **port)
    return b


def burst(random, config):
    """A random burst within its block."""
    beats = random.randint(1, config.max_burst)
    block = random.randrange(MEMORY // (config.max_burst * config.bus_bytes))
    return {"addr": (block + 1) * config.max_burst * config.bus_bytes - beats * config.bus_bytes,
            "len": beats - 1}


def beats_of(b, bursts, errors=()):
    size = b.config.bus_bytes
    return [{"data": int.from_bytes(b.image[at:at + size], "little"), "error": at in errors,
             "last": at == one["addr"] + one["len"] * size}
            for one in bursts for at in range(one["addr"], one["addr"] + (one["len"] + 1) * size, size)]


@each_stall
@pytest.mark.parametrize("reorder", [False, True], ids=["in-order", "reordered"])
@pytest.mark.parametrize("ids", [1, 2, 4])
def test_every_client_gets_its_own(ids, reorder, stalls):
    errors = {8 * n for n in range(0, 2048, 7)}
    b = bench(stalls, ids, seed=ids, reorder=reorder, errors=errors)
    wanted = [[burst(b.random, b.config) for _ in range(8)] for _ in range(4)]
    got = []
    for client, bursts in zip(b.dut.clients, wanted, strict=True):
        b.send(client.request, bursts)
        got.append(b.receive(client.beats, len(beats_of(b, bursts)), stable=False))
    b.run()
    for client, bursts in zip(got, wanted, strict=True):
        assert values(client) == beats_of(b, bursts, errors)
    assert b.port.most <= b.config.read_outstanding
    assert {number for _, number, _, _ in b.port.bursts} == set(range(ids))


def test_the_lower_client_is_more_urgent():
    b = bench("none", 4)
    first = {"addr": 0, "len": 0}
    for client in b.dut.clients:
        b.send(client.request, [first] * 5)
        b.receive(client.beats, 5)
    b.run()
    assert [number for _, number, _, _ in b.port.bursts] == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5


def test_rate_and_latency():
    """A request and a beat each cycle; ARVALID one cycle after the request, `beats` one after R."""
    b = bench("none", 4, latency=1)
    taken = b.send(b.dut.clients[0].request, [{"addr": 64 * n, "len": 7} for n in range(12)])
    got = b.receive(b.dut.clients[0].beats, 96)
    b.run()
    assert b.port.bursts[0][0] == taken[0] + 1 and at_full_rate(taken[:4])
    assert [cycle + 1 for cycle in b.port.taken] == [cycle for cycle, _ in got] and at_full_rate(b.port.taken)


def test_outstanding_limit_and_halt():
    """Without answers, `read_outstanding` bursts go out; halted, none; `idle` when all are answered."""
    config = dataclasses.replace(PRESETS["tiny"], read_outstanding=4)
    for halted in (0, 1):
        dut = ReadArbiter(config, 2)
        b = Bench(dut)
        b.set(halt=halted)
        b.feed(dut.clients[1].request, deque([(0, {"addr": 0, "len": 0})] * 9))
        asked = b.receive(channel(dut.axi, "ar", "addr", "len", "id"))
        idle = b.watch(dut.idle)
        b.run(after=50)
        assert len(asked) == (0 if halted else 4) and idle[-1] == halted
