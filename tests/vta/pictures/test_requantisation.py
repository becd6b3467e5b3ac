"""vta.pictures.requantisation: the committed pictures are those that it draws, of the machine as it is."""

import re
import xml.etree.ElementTree as ET

import pytest
from repository import DOCS

from vta.hw.rtl.requantise import LATENCY
from vta.pictures.requantisation import OUTPUTS, PICTURES, STAGES, TAPS, window


@pytest.mark.parametrize("name", PICTURES)
def test_committed_picture_is_the_drawn_one(name):
    assert (DOCS / "pictures" / name).read_text() == PICTURES[name]().svg(), \
        f"docs/pictures/{name} is stale: make it with `python -m vta.pictures.requantisation`"
    ET.fromstring(PICTURES[name]().svg())


def test_a_stage_is_a_cycle():
    assert len(STAGES) == LATENCY


def test_window_computes_each_output_once():
    words = re.findall(r">([^<>]+)</text>", window().svg())
    assert [name for name in words if name.startswith("out ")] == [f"out {n}" for n in range(OUTPUTS)]
    assert words.count("unused") == TAPS - 1 and f"T{OUTPUTS + TAPS - 2} \u00b7 w0" in words
