"""Waiting for the end of a run on a board: for the accelerator's interrupt, or by polling where it cannot be had.

The interrupt passes an AXI interrupt controller in the FPGA (PG099) and reaches Linux's UIO driver: its device file
becomes readable with an interrupt, which the driver then disables until 1 is written to the file. Each waiter opens the
file for itself. No event loop takes part, neither the caller's nor the one that PYNQ registers its own waits with.
"""

import math
import select
import struct
import time

from vta.runtime.device import DeviceError

ACKNOWLEDGE, SET_ENABLES, MASTER_ENABLE = 0x0C, 0x10, 0x1C       # offsets in the interrupt controller
LONGEST_SLEEP = 0.001            # seconds between two polls


class InterruptWait:
    """Waits on `file`, the open UIO device, for input `index` of the interrupt controller.

    `controller` has `write(offset, value)` on the controller's registers.
    """

    def __init__(self, file, controller, index):
        self._file, self._controller, self._mask = file, controller, 1 << index
        self._poll = select.poll()
        self._poll.register(file, select.POLLIN)

    def wait(self, finished, timeout):
        """Block until an interrupt after which `finished()` is true; DeviceError after `timeout` seconds.

        The line is level-sensitive: an interrupt before the wait is not lost. `finished` is called once for each
        interrupt and rejects a stale one.
        """
        end = time.monotonic() + timeout
        while True:
            self._controller.write(MASTER_ENABLE, 3)
            self._controller.write(SET_ENABLES, self._mask)      # each time: PYNQ clears it when it opens the IP
            self._controller.write(ACKNOWLEDGE, self._mask)      # the last one; a line that is high sets it again
            self._file.write(struct.pack("=i", 1))
            left = max(end - time.monotonic(), 0.0)
            if not self._poll.poll(math.ceil(left * 1000)):
                raise DeviceError(f"no interrupt within {timeout} s: " + (
                    "the run has ended, but its interrupt does not arrive; the option interrupt=False polls instead"
                    if finished() else "the accelerator still runs"))
            self._file.read(4)                                   # how many there were
            if finished():
                return

    def close(self):
        self._file.close()


class PollingWait:
    """Asks again and again, at most LONGEST_SLEEP apart."""

    def wait(self, finished, timeout):
        """Block until `finished()` is true; DeviceError after `timeout` seconds."""
        end, pause = time.monotonic() + timeout, LONGEST_SLEEP / 64
        while not finished():
            if time.monotonic() > end:
                raise DeviceError(f"not ended within {timeout} s: the accelerator still runs")
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_SLEEP)

    def close(self):
        pass
