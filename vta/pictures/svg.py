"""Small pictures as SVG: a few primitives, colours by name, readable on light and on dark pages.

    picture = Picture(400, 100, "A title, read to those who cannot see it")
    picture.rect(10, 10, 80, 20, "gemm", title="shown under the pointer")
    path.write_text(picture.svg())

Lengths are in pixels, y grows downward. The same calls give the same bytes.
"""

from xml.sax.saxutils import escape

# name -> (on light pages, on dark pages)
COLOURS = {
    "page": ("#ffffff", "#0d1117"), "ink": ("#1f2328", "#e6edf3"), "faint": ("#59636e", "#9198a1"),
    "grid": ("#e4e8ec", "#262c36"), "panel": ("#f3f5f8", "#161b22"),
    "gemm": ("#1f6feb", "#4c8dff"), "reset": ("#9cc3ff", "#2c4f86"), "alu": ("#8250df", "#a475f9"),
    "load": ("#1a7f4b", "#3fb968"), "uop": ("#78b944", "#7fc04a"), "store": ("#d9730d", "#f0883e"),
    "wait": ("#fae0dd", "#43242a"), "line": ("#59636e", "#9198a1"),
}
FONT = "ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif"


def number(value):
    """The shortest text of a length: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"


class Picture:
    """A picture of width x height; `title` describes it. Later shapes cover earlier ones."""

    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self._elements = []

    def rect(self, x, y, width, height, colour, *, title=None, round=0):
        corner = f' rx="{number(round)}"' if round else ""
        self._add("rect", f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
                          f'{corner} class="{_known(colour)}"', title)

    def line(self, points, colour="line", *, width=1, dashed=False):
        """A line through (x, y) points."""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        corners = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add("polyline", f'points="{corners}" class="s-{_known(colour)}" stroke-width="{number(width)}"{dash}')

    def dot(self, x, y, radius, colour, *, title=None):
        self._add("circle", f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" class="{_known(colour)}"', title)

    def text(self, x, y, words, colour="ink", *, size=12, anchor="start", bold=False, turned=False):
        """`words` on one line; y is the baseline, `anchor` start, middle or end, `turned` reads upward."""
        attributes = (' font-weight="600"' if bold else "") + (
            f' transform="rotate(-90 {number(x)} {number(y)})"' if turned else "")
        self._elements.append(f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}" '
                              f'text-anchor="{anchor}" class="{_known(colour)}"{attributes}>{escape(words)}</text>')

    def label(self, x, y, words, anchor="middle"):
        """Small faint text, as on axes."""
        self.text(x, y, words, "faint", size=11, anchor=anchor)

    def _add(self, kind, attributes, title=None):
        inside = f"><title>{escape(title)}</title></{kind}>" if title else "/>"
        self._elements.append(f"<{kind} {attributes}{inside}")

    def svg(self):
        """The picture as the text of an SVG file."""
        size = f"{number(self.width)} {number(self.height)}"
        page = f'<rect width="{number(self.width)}" height="{number(self.height)}" rx="8" class="page"/>'
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{number(self.width)}" '
            f'height="{number(self.height)}" role="img" font-family="{FONT}">',
            f"<title>{escape(self.title)}</title>", f"<style>{style()}</style>", page, *self._elements, "</svg>", ""])


def style():
    """The CSS classes of all colours: NAME fills, s-NAME strokes; dark ones where the reader prefers them."""
    def rules(scheme):
        return "".join(f".{name}{{fill:{pair[scheme]}}}.s-{name}{{stroke:{pair[scheme]};fill:none}}"
                       for name, pair in COLOURS.items())
    return f"{rules(0)}@media(prefers-color-scheme:dark){{{rules(1)}}}"


def _known(colour):
    if colour not in COLOURS:
        raise ValueError(f"no colour {colour!r}: there are {', '.join(COLOURS)}")
    return colour
