"""vta.pictures.svg: well-formed text, escaped strings, every colour in both schemes."""

import xml.etree.ElementTree as ET

import pytest

from vta.pictures.svg import COLOURS, Picture, number, style

SVG = "{http://www.w3.org/2000/svg}"


def test_shapes_arrive():
    picture = Picture(200, 100, "a < b & c")
    picture.rect(1, 2.25, 30, 4, "gemm", title="GEMM <1>")
    picture.line([(0, 0), (10, 5.5)], dashed=True)
    picture.dot(7, 8, 3, "alu")
    picture.text(5, 6, "x < y", anchor="middle", bold=True)
    root = ET.fromstring(picture.svg())
    assert root.get("viewBox") == "0 0 200 100" and root.find(SVG + "title").text == "a < b & c"
    page, rect = root.findall(SVG + "rect")
    assert page.get("class") == "page"
    assert [rect.get(key) for key in ("x", "y", "width", "height", "class")] == ["1", "2.25", "30", "4", "gemm"]
    assert rect.find(SVG + "title").text == "GEMM <1>"
    line = root.find(SVG + "polyline")
    assert line.get("points") == "0,0 10,5.5" and line.get("stroke-dasharray")
    assert root.find(SVG + "circle").get("r") == "3"
    assert root.find(SVG + "text").text == "x < y"


@pytest.mark.parametrize("value, text", [(3, "3"), (3.0, "3"), (0.5, "0.5"), (1 / 3, "0.33"), (120, "120"),
                                         (99.999, "100")])
def test_lengths_are_short(value, text):
    assert number(value) == text


def test_both_schemes_have_every_colour():
    light, dark = style().split("@media(prefers-color-scheme:dark)")
    for name, (on_light, on_dark) in COLOURS.items():
        assert f".{name}{{fill:{on_light}}}" in light and f".{name}{{fill:{on_dark}}}" in dark


def test_unknown_colour():
    with pytest.raises(ValueError, match="no colour 'red': there are page, ink"):
        Picture(1, 1, "").rect(0, 0, 1, 1, "red")
