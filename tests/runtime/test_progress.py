"""The progress line."""

import io

from vta.runtime import progress
from vta.runtime.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar():
    assert Progress("run", io.StringIO(), 1000).text(500, 2.0) == f"run [{'#' * 15}{' ' * 15}]  50%  " \
        "500 cycles, 250 a second"
    assert Progress("run", io.StringIO(), 1000).text(2000, 1.0).count("#") == 30
    assert Progress("run", io.StringIO()).text(1500, 1.0) == "run: 1,500 cycles, 1,500 a second"


def test_terminal_line_is_redrawn_and_wiped(monkeypatch):
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0)
    out = Terminal()
    with Progress("run", out) as show:
        show(1)
        show(2)
    assert out.getvalue().count("\r") == 3 and "\n" not in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")


def test_elsewhere_a_line_now_and_then(monkeypatch):
    out = io.StringIO()
    with Progress("run", out) as show:
        show(1)
        assert out.getvalue() == ""
        monkeypatch.setattr(progress, "QUIET_SECONDS", 0)
        show(2)
    assert out.getvalue().count("\n") == 1 and "\r" not in out.getvalue()
