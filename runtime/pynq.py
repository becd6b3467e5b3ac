"""The device "pynq": the accelerator in the FPGA of a Zynq board, through the PYNQ library.

The register-level driver is the one of the RTL simulation; registers are PYNQ's MMIO, DRAM is one contiguous buffer
of `pynq.allocate`, the interrupt is PYNQ's. To install PYNQ, on the board: `pip install amaranth-vta[pynq]`.
"""

import asyncio
import threading
import time

from vta.hw.boards import VLNV
from vta.hw.config import Config
from vta.runtime.device import DeviceError
from vta.runtime.driver import DrivenDevice, Driver
from vta.runtime.memory import Memory
from vta.runtime.overlay import built_config, find_bitstream

try:
    import pynq
except ImportError:
    pynq = None

BOARD_MEMORY = 64 << 20          # of the 128 MiB that PYNQ images set aside for contiguous buffers


class VtaIP(pynq.DefaultIP if pynq else object):
    """PYNQ's driver class for the accelerator, bound by VLNV: `Overlay(...).vta` is an instance.

    `read` and `write` of registers are inherited from PYNQ.
    """

    bindto = (VLNV,)

    def wait_interrupt(self, loop, finished, timeout):
        """Block until an interrupt after which `finished()` is true; DeviceError after `timeout` seconds.

        The line is level-sensitive: an interrupt before the wait is not lost. `finished` is called once for each
        interrupt and rejects a stale one.
        """
        end = time.monotonic() + timeout
        while True:
            wait = asyncio.wait_for(self.interrupt.wait(), max(end - time.monotonic(), 0.0))
            try:
                asyncio.run_coroutine_threadsafe(wait, loop).result()
            except asyncio.TimeoutError:         # TimeoutError itself only from Python 3.11 on
                raise DeviceError(f"no interrupt within {timeout} s: the accelerator still runs, or its "
                                  "interrupt does not reach PYNQ") from None
            if finished():
                return


class BoardMemory(Memory):
    """DRAM in a contiguous buffer of PYNQ's; addresses count from its start.

    `touched` is the end of what the host has accessed: only that needs cache maintenance. A thread that writes during
    a run holds `lock`, or `invalidate` could discard its writes.
    """

    def __init__(self, buffer):
        self._buffer, self.touched, self.lock = buffer, 0, threading.RLock()
        buffer[:] = 0
        buffer.flush()
        super().__init__(buffer.nbytes, 0, buffer)

    @property
    def bytes(self):
        self._touch(self.size)
        return self._bytes

    @bytes.setter
    def bytes(self, array):
        self._bytes = array

    def view(self, address, nbytes):
        if self.contains(address, nbytes):
            self._touch(address + nbytes)
            return self._bytes[address:address + nbytes]
        return super().view(address, nbytes)     # raises the error

    def _touch(self, end):
        """Invalidate the cache lines of bytes that the host accesses for the first time."""
        if end > self.touched:
            self._buffer[self.touched:end].invalidate()
            self.touched = end

    def flush(self):
        if self.touched:
            self._buffer[:self.touched].flush()

    def invalidate(self):
        if self.touched:
            with self.lock:
                self._buffer[:self.touched].flush()
                self._buffer[:self.touched].invalidate()

    def close(self):
        super().close()
        if self._buffer is not None:
            self._buffer.freebuffer()
            self._buffer = None


class PynqDevice(DrivenDevice):
    """A board's accelerator with the architecture of `config`; its RTL parameters are the bitstream's.

    bitstream    path of the .bit (.hwh and .json beside it); default: looked up, see `vta.runtime.overlay`
    memory_size  bytes of DRAM to set aside
    timeout      seconds to wait for the end of a run
    download     False: the FPGA already holds this bitstream
    """

    name = "pynq"

    def __init__(self, config="default", *, bitstream=None, memory_size=BOARD_MEMORY, timeout=60.0,
                 download=True):
        if pynq is None:
            raise DeviceError('the device "pynq" needs PYNQ: pip install amaranth-vta[pynq], on the board')
        config = Config.load(config)
        path = find_bitstream(config) if bitstream is None else bitstream
        config = built_config(path, config)
        self.overlay = pynq.Overlay(str(path), download=download)
        self._ip, self._timeout = self._find_ip(path), timeout
        buffer = pynq.allocate((memory_size,), "u1")
        super().__init__(config, BoardMemory(buffer))
        self.bus_base = buffer.physical_address
        self._loop = None
        if (self.bus_base + memory_size - 1) >> config.axi_addr_width:
            self.close()
            raise DeviceError(f"PYNQ's memory lies at 0x{buffer.physical_address:x}, the accelerator's addresses "
                              f"have {config.axi_addr_width} bits")
        self._loop = asyncio.new_event_loop()    # in a thread: this call may block the loop of a notebook
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self.driver = Driver(self._ip, config, self._wait_interrupt, self.bus_base)
            self.driver.reset()                  # to the power-up state, even without a download
        except BaseException:
            self.close()
            raise

    def _find_ip(self, path):
        names = [name for name, ip in self.overlay.ip_dict.items() if ip["type"] == VLNV]
        if len(names) != 1:
            raise DeviceError(f"{path} has {len(names)} accelerators of the kind {VLNV}: one is needed")
        return getattr(self.overlay, names[0])

    def _run(self, insn_address, insn_count, watchdog, progress):
        self.memory.flush()
        try:
            return self.driver.run(insn_address, insn_count, watchdog)
        finally:
            self.memory.invalidate()

    def _wait_interrupt(self):
        self._ip.wait_interrupt(self._loop, lambda: self.driver.fields("irq_status")["done"], self._timeout)

    def close(self):
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = None
        super().close()
