"""Draws the picture of the tutorials: `python examples/pictures.py` makes docs/pictures/virtual-threads.svg.

It shows the tutorial's convolution over time, with one virtual thread and with two. A test compares the committed
picture with a new one.
"""

import contextlib
import io
import sys
from pathlib import Path

from vta.pictures.timeline import Panel, timeline

HERE = Path(__file__).resolve().parent
PICTURE = HERE.parent / "docs" / "pictures" / "virtual-threads.svg"
THREADS = "v_threads = 2"      # the line of the tutorial that is varied
LAST = 60_000                  # cycles shown


def virtual_threads():
    """The text of the picture."""
    source = (HERE / "conv2d.py").read_text()
    if source.count(THREADS) != 1:
        raise ValueError(f"conv2d.py has no single line {THREADS!r}")
    panels = []
    for count, words in ((1, "one virtual thread"), (2, "two virtual threads")):
        names, arguments = {"__name__": "conv2d"}, sys.argv
        sys.argv = ["conv2d.py"]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source.replace(THREADS, f"v_threads = {count}"), "conv2d.py", "exec"), names)
        finally:
            sys.argv = arguments
        code = names["my_conv"].program.code
        panels.append(Panel(words, code.insns, code.config))
    return timeline(panels, last=LAST).svg()


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(virtual_threads())
    print(PICTURE)
