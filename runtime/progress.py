"""One line on a terminal that says how far a simulation is; nothing where there is no terminal."""

import time


class Progress:
    """A callable for `Device.run(progress=...)`: shows the cycles so far and their rate, at most 10 times a
    second, and wipes the line at the end. `total` is the number of cycles expected, if there is an idea."""

    def __init__(self, title, stream, total=None):
        self._title, self._stream, self._total = title, stream, total
        self._shown = self._start = 0.0
        self._active = stream.isatty()

    def __enter__(self):
        self._start = time.perf_counter()
        return self

    def __call__(self, cycles):
        now = time.perf_counter()
        if not self._active or now - self._shown < 0.1:
            return
        self._shown = now
        rate = cycles / max(now - self._start, 1e-9)
        done = ""
        if self._total:
            share = min(cycles / self._total, 1.0)
            done = f" [{'#' * int(24 * share):<24}] {share:4.0%}"
        self._stream.write(f"\r{self._title}{done} {cycles:,} cycles, {rate:,.0f} cycles/s \x1b[K")
        self._stream.flush()

    def __exit__(self, *_):
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
