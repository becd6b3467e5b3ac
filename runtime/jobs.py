"""Back-to-back runs: the inputs of the next run are written during the current one.

    with Jobs(device) as jobs:
        conv = jobs.load(program)
        futures = [conv.submit(data=image) for image in images]
        for future in futures:
            outputs, result = future.result()

Futures are those of `concurrent.futures`; `await asyncio.wrap_future(future)` waits for one in a coroutine.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np

from vta.runtime.device import Device, DeviceError

SLOTS = 2                        # one runs, one is being prepared


class Placeable(Protocol):
    """A vta.Program: `place` gives a context with `write`, `execute` and `read`."""

    def place(self, device: Device) -> contextlib.AbstractContextManager: ...


class Jobs:
    """Runs programs on one device in a worker thread, in order of submission.

    Nothing else may use the device meanwhile. Leaving the `with` waits for all runs; the device stays open. After a
    failed run the device is reset.
    """

    def __init__(self, device: Device):
        self.device = device
        self._worker, self._placed = ThreadPoolExecutor(1, "vta-jobs"), contextlib.ExitStack()
        self._ended = False
        self.lock = getattr(device.memory, "lock", contextlib.nullcontext())

    def load(self, program: Placeable, slots: int = SLOTS) -> "LoadedProgram":
        """Place `program` in DRAM, `slots` times, until the Jobs end: a LoadedProgram."""
        if slots < 1:
            raise ValueError(f"{slots} slots: at least 1")
        self.check_open()
        with contextlib.ExitStack() as stack, self.lock:
            placements = [stack.enter_context(program.place(self.device)) for _ in range(slots)]
            self._placed.enter_context(stack.pop_all())
        return LoadedProgram(self, placements)

    def check_open(self) -> None:
        if self._ended:
            raise RuntimeError("these Jobs have ended")

    def submit(self, work: Callable[[], Any]) -> Future:
        return self._worker.submit(work)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended = True
        self._worker.shutdown()                  # waits for the runs, which still use the placements
        self._placed.close()


class LoadedProgram:
    """A program ready to run any number of times."""

    def __init__(self, jobs: Jobs, placements: list):
        self._jobs, self._free = jobs, SimpleQueue()
        for placement in placements:
            self._free.put(placement)

    def submit(self, *, watchdog: int | None = None, progress: Callable[[int], object] | None = None,
               **arrays: np.ndarray) -> Future:
        """Write the inputs and queue a run; a future of (outputs by name, RunResult).

        Blocks until a slot is free. Wrong inputs raise here, an error of the run is the future's exception.
        Cancelling the future before its run frees the slot.
        """
        self._jobs.check_open()
        placement = self._free.get()
        try:
            with self._jobs.lock:
                placement.write(**arrays)
            future = self._jobs.submit(lambda: self._run(placement, watchdog, progress))
        except BaseException:
            self._free.put(placement)
            raise
        future.add_done_callback(lambda _: self._free.put(placement))
        return future

    def _run(self, placement, watchdog, progress):
        try:
            result = placement.execute(watchdog=watchdog, progress=progress)
            return placement.read(), result
        except DeviceError:
            self._jobs.device.reset()
            raise
