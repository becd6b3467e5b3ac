"""DRAM behind a processor cache that is not coherent with the accelerator, as on every board here.

Cache maintenance costs time for every line, so it is done for what was written and for what is read, no more:

- a line is *dirty* when the host wrote it through `write` since the last flush: it is flushed before the next run;
- a line is *stale* when a run may have changed it since the host last saw it: it is invalidated when the host asks
  for it, not before. Which lines a run changes is unknown, so all are stale after it but the dirty ones;
- a line is *lent* while an array that `view` handed out, or an array made from it, exists: the host reads and writes
  it unnoticed. It is flushed before each run, and flushed and invalidated after it; once more when the array is gone.

No line is dirty and stale at once. Buffers have cache lines of their own.
"""

import threading
import weakref

import numpy as np

from vta.runtime.memory import Data, Memory, as_bytes
from vta.runtime.ranges import Ranges

LINE = 64                        # bytes: the cache line of a Cortex-A53, two of a Cortex-A9


class CachedMemory(Memory):
    """Memory in `storage`, a buffer of this process that its cache serves; `base` is a multiple of LINE.

    `clean(start, end)` writes the dirty lines of the bytes [start, end) of `storage` to DRAM, `discard(start, end)`
    drops all of its lines; both get whole lines. Methods may be called from several threads; a thread that writes
    through an array during a run holds `lock`, or the end of the run could discard what it writes.
    """

    line = LINE

    def __init__(self, storage, clean, discard, base=0):
        self.lock = threading.RLock()
        self._clean, self._discard = clean, discard
        self._dirty, self._stale = Ranges(), Ranges()
        self._lent, self._returned = [], Ranges()        # (weak reference, start, end); lines whose array is gone
        self._prune_at = 64                              # entries of `_lent` at which it is worth a look
        super().__init__(memoryview(storage).nbytes, base, storage)
        self._bytes[:] = 0
        clean(0, self.size)

    @property
    def bytes(self):
        """All of DRAM as an array: while it exists, every run flushes and invalidates all of it."""
        return self.view(self.base, self.size) if self.size else np.empty(0, np.uint8)

    def view(self, address: int, nbytes: int) -> np.ndarray:
        with self.lock:
            start, end = self._offsets(address, nbytes)
            # of its own memoryview: arrays made from it refer to it, so that it lives as long as they do
            array = np.frombuffer(memoryview(self._storage).cast("B")[start:end], np.uint8)
            self._acquire(start, end)
            if len(self._lent) >= self._prune_at:
                self._prune()
            self._lent.append((weakref.ref(array), *_lines(start, end)))
            return array

    def read(self, address: int, nbytes: int) -> np.ndarray:
        with self.lock:
            start, end = self._offsets(address, nbytes)
            self._acquire(start, end)
            return self._bytes[start:end].copy()

    def write(self, address: int, data: Data) -> None:
        data = as_bytes(data)
        with self.lock:
            start, end = self._offsets(address, data.size)
            low, high = _lines(start, end)
            for edge in {start, end} - {low, high}:      # lines that are not overwritten as a whole
                self._acquire(edge, edge + 1)
            self._bytes[start:end] = data
            self._stale.take(low, high)
            self._dirty.add(low, high)

    def flush(self) -> None:
        with self.lock:
            for start, end in self._unnoticed():
                self._dirty.add(start, end)
            for start, end in self._dirty:
                self._clean(start, end)
            self._dirty, self._returned = Ranges(), Ranges()

    def invalidate(self) -> None:
        with self.lock:
            self._stale = Ranges((0, self.size))
            for start, end in self._dirty:       # written during the run
                self._stale.take(start, end)
            for start, end in self._unnoticed():
                self._clean(start, end)          # what the host wrote during the run
                self._discard(start, end)
                self._stale.take(start, end)
                self._dirty.take(start, end)
            self._returned = Ranges()

    def close(self) -> None:
        with self.lock:
            super().close()
            self._dirty, self._stale, self._returned, self._lent = Ranges(), Ranges(), Ranges(), []

    def _offsets(self, address, nbytes):
        self.check(address, nbytes)
        return address - self.base, address - self.base + nbytes

    def _acquire(self, start, end):
        """Discard the stale lines of [start, end), so that the host reads them from DRAM."""
        for low, high in self._stale.take(*_lines(start, end)):
            self._discard(low, high)

    def _prune(self):
        """Move the lines of arrays that no longer exist from `_lent` to `_returned`."""
        lent, self._lent = self._lent, []
        for entry in lent:
            if entry[0]() is not None:
                self._lent.append(entry)
            else:
                self._returned.add(*entry[1:])
        self._prune_at = 64 + 2 * len(self._lent)

    def _unnoticed(self):
        """The lines that the host may have written through arrays since the last call, as Ranges."""
        self._prune()
        return Ranges(*self._returned, *((start, end) for _, start, end in self._lent))


def _lines(start, end):
    """The whole lines that [start, end) touches."""
    return start // LINE * LINE, -(-end // LINE) * LINE
