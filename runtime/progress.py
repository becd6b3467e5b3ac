"""Progress of a simulation: one line redrawn on a terminal, a line every 10 seconds elsewhere."""

import time

BAR = 30
LIVE_SECONDS = 0.1      # between two drawings on a terminal
QUIET_SECONDS = 10      # between two lines elsewhere


class Progress:
    """A callable for `Device.run(progress=...)`: shows `title`, the cycles so far and their rate on `stream`.

    `total`: cycles expected, if known, for a bar. A context manager: leaving it clears the line.
    """

    def __init__(self, title, stream, total=None):
        self._title, self._stream, self._total = title, stream, total
        self._live = stream.isatty()
        self._drawn = False

    def __enter__(self):
        self._start = self._shown = time.perf_counter()
        return self

    def __call__(self, cycles):
        now = time.perf_counter()
        if now - self._shown < (LIVE_SECONDS if self._live else QUIET_SECONDS):
            return
        self._shown = now
        text = self.text(cycles, now - self._start)
        self._stream.write(f"\r{text}\x1b[K" if self._live else f"{text}\n")
        self._stream.flush()
        self._drawn = self._live

    def text(self, cycles, seconds):
        """The line, without its end."""
        speed = f"{cycles:,} cycles, {cycles / max(seconds, 1e-9):,.0f} a second"
        if not self._total:
            return f"{self._title}: {speed}"
        share = min(cycles / self._total, 1)
        return f"{self._title} [{'#' * round(BAR * share):<{BAR}}] {share:4.0%}  {speed}"

    def __exit__(self, *_):
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
