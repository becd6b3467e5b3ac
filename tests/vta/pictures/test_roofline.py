"""vta.pictures.roofline: dots at their numbers, below the roof, with labels that do not overlap."""

import re
import xml.etree.ElementTree as ET

import pytest

from vta.hw.config import PRESETS, Config
from vta.pictures.roofline import Point, bandwidth, peak, roof, roofline

CONFIG = Config()
POINTS = [Point("dense", 256_000, 256_000, 100, 32_000), Point("conv", 25_600_000, 100_000, 400_000, 110_000),
          Point("conv_again", 25_600_000, 100_000, 401_000, 110_100), Point("pool", 0, 1000, 1000, 500)]


def drawn(points=POINTS, config=CONFIG):
    return ET.fromstring(roofline(points, config, 16).svg())


def every(root, kind):
    return list(root.iter("{http://www.w3.org/2000/svg}" + kind))


def test_roof_of_the_configuration():
    assert (peak(CONFIG), bandwidth(CONFIG)) == (256, 8 * CONFIG.axi_ports)
    assert roof(CONFIG, 1) == bandwidth(CONFIG) and roof(CONFIG, 1e6) == 256
    wide = PRESETS["wide"]
    assert (peak(wide), bandwidth(wide)) == (1024, 64 * wide.axi_ports)


def test_intensity_counts_the_busier_direction():
    assert POINTS[0].intensity == 1 and POINTS[1].intensity == 64
    assert POINTS[0].rate == 8


def test_dots_are_where_the_numbers_say():
    root = drawn()
    dots = every(root, "circle")
    assert len(dots) == 3 and "dense: 1.0 MACs per byte, 8.0 MACs a cycle, 100% of the roof" in dots[0][0].text
    thick = next(line for line in every(root, "polyline") if line.get("stroke-width") == "2")
    (x0, y0), (x1, y1), _ = [tuple(map(float, pair.split(","))) for pair in thick.get("points").split()]
    x, y = float(dots[0].get("cx")), float(dots[0].get("cy"))          # on the slope of the roof
    assert (y - y0) * (x1 - x0) == pytest.approx((x - x0) * (y1 - y0), abs=20)
    assert float(dots[1].get("cy")) > y1


def test_numbers_do_not_cover_each_other():
    points = [Point(f"layer{n}", 10_000_000 + n, 200_000, 0, 50_000) for n in range(4)]
    places = [(float(text.get("x")), float(text.get("y"))) for text in every(drawn(points), "text")
              if text.text in "1234" and text.get("text-anchor") == "middle" and text.get("class") == "ink"]
    assert len(set(places)) == 4


def test_layers_without_macs_are_named():
    text = roofline(POINTS, CONFIG, 16).svg()
    assert "without MACs: pool" in text and re.search(r">conv_again<", text)
    with pytest.raises(ValueError, match="needs layers with GEMM steps"):
        roofline(POINTS[3:], CONFIG, 16)
