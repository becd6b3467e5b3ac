"""What a user sees while a simulation runs: a bar on a terminal, a line now and then elsewhere."""

import shutil
import sys
import time

BAR = 30
QUIET_SECONDS = 10      # between two lines where there is no terminal


class Progress:
    """Call it with the simulated cycles so far. `expected` cycles make the bar full (None: no bar).

    Writes to standard error, so that standard output holds results only. Use as a context manager: leaving
    it wipes the bar. `say` writes a line beside it.
    """

    def __init__(self, expected=None, stream=None):
        self._expected, self._stream = expected, stream or sys.stderr
        self._live = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self._drawn = False

    def __call__(self, cycles):
        now = time.monotonic()
        if self._live:
            text = f"\r{self.text(cycles, now)}"[:shutil.get_terminal_size().columns]
            print(text, end="", file=self._stream, flush=True)
            self._drawn = True
        elif now - self._shown >= QUIET_SECONDS:
            print(self.text(cycles, now), file=self._stream, flush=True)
            self._shown = now

    def text(self, cycles, now):
        """One line: the bar, the cycles so far, and how many a second."""
        speed = f"{cycles:,} cycles, {cycles / max(now - self._started, 1e-9):,.0f} a second"
        if not self._expected:
            return speed
        full = min(cycles / self._expected, 1)
        return f"[{'#' * round(BAR * full):{BAR}}] {full:4.0%}  {speed}"

    def say(self, text):
        """A line of its own, for the steps before the run."""
        print(text, file=self._stream, flush=True)

    def restart(self):
        """Measure speed from now on."""
        self._started = self._shown = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._drawn:
            print("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r", end="", file=self._stream,
                  flush=True)
