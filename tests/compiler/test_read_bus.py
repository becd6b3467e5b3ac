"""The read channel of the timing model."""

import dataclasses

import pytest

from vta.compiler.read_bus import FETCHING, ReadBus
from vta.hw.config import PRESETS

CONFIG = PRESETS["default"]


def bus(latency=16, **changes):
    return ReadBus(dataclasses.replace(CONFIG, **changes), latency, turn=4, first=20)


def test_the_stream_alone_arrives_a_beat_a_cycle():
    assert [bus().stream(beats) for beats in (0, 2, 100)] == [20, 22, 120]


def test_loads_alone_follow_each_other():
    b = bus()
    assert b.bulk(100, 50, 32, 0, 0) == 166
    assert b.bulk(101, 50, 32, 0, 0) == 216              # requested in time
    assert b.bulk(300, 8, 8, 0, 0) == 324


def test_fetch_gets_its_share_while_it_runs_ahead():
    """Four bursts of 16 beats beside 96 beats of loads: two beats for three."""
    b = bus(latency=64)
    b.bulk(100, 96, 32, taken=144, stored=144)           # all 144 have arrived before
    assert b.free == 260 and b.stream(144) == 164
    b = bus(latency=0)
    assert b.bulk(20, 96, 32, taken=1000, stored=1000) == pytest.approx(20 + FETCHING * 16 + 96 + 64)
    assert b.stream(128) == pytest.approx(b.free)
    assert b.stream(64) == pytest.approx(84)             # what was in flight came first


def test_fetch_waits_for_room():
    """Ten more beats may be read: the load loses those, and no more."""
    b = bus()
    b.bulk(4, 10, 10, 0, 0)
    assert b.bulk(5, 960, 32, taken=10, stored=10) == 20 + 10 + 960 + 10


def test_ports_of_their_own():
    b = bus(axi_ports=2)
    assert b.bulk(4, 96, 32, 1000, 1000) == 116 and b.stream(50) == 70
    assert b.urgent(10, 8, 8, 1000, 1000, 0, bulk_left=3) == 34


def test_short_bursts_wait_for_the_latency():
    """Eight bursts of two beats are in flight: then one each time the first of them has ended."""
    b = bus(latency=44)
    assert b.bulk(0, 16, 2, 0, 0) == 60
    assert b.bulk(1, 16, 2, 0, 0) == 46 + 50 + 14        # the first of them, 50 after the first of the others
    assert bus(latency=44).bulk(0, 256, 32, 0, 0) == 300


def test_an_urgent_load_waits_for_what_is_in_flight():
    b = bus()
    b.bulk(0, 1000, 32, 0, 0)
    assert b.urgent(100, 8, 8, 0, 0, 0, bulk_left=1) == 100 + CONFIG.read_ahead_beats + 8
    assert b.free == 1016 + 8                            # and the others for it
    assert b.urgent(1030, 8, 8, 0, 0, 0, bulk_left=1) == 1030 + 16 + 8
    assert b.bulk(1030, 100, 32, 0, 0) == 1046 + 100 + 8
