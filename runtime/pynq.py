"""The device "pynq": the accelerator in the FPGA of a Zynq board, through the PYNQ library.

The register-level driver is the one of the RTL simulation; registers are PYNQ's MMIO, DRAM is one contiguous buffer
of `pynq.allocate`, the interrupt is that of Linux's UIO driver. To install PYNQ, on the board:
`pip install amaranth-vta[pynq]`.
"""

import logging
import platform

import numpy as np

from vta.hw.boards import FAMILIES, VLNV
from vta.hw.config import Config
from vta.runtime.cached import CachedMemory
from vta.runtime.device import DeviceError
from vta.runtime.driver import DrivenDevice, Driver
from vta.runtime.interrupt import InterruptWait, PollingWait
from vta.runtime.overlay import built_config, find_bitstream

try:
    import pynq
    import pynq.interrupt
except ImportError:
    pynq = None

BOARD_MEMORY = 64 << 20          # of the 128 MiB that PYNQ images set aside for contiguous buffers
log = logging.getLogger(__name__)


class Registers:
    """The 32-bit registers of one IP of an overlay, by byte offset."""

    def __init__(self, ip):
        self._words = pynq.MMIO(ip["phys_addr"], ip["addr_range"]).array

    def read(self, offset):
        return int(self._words[offset >> 2])

    def write(self, offset, value):
        self._words[offset >> 2] = value

    def read_many(self, offsets):
        """The words at these offsets, in one call of numpy's. By index: copying a slice may use wide or unaligned
        accesses, which device memory does not have."""
        return self._words[np.asarray(offsets) >> 2].tolist()


class BoardMemory(CachedMemory):
    """DRAM in a contiguous, cached buffer of PYNQ's; addresses count from its start."""

    def __init__(self, buffer):
        self._buffer = buffer
        super().__init__(buffer, clean=lambda start, end: buffer[start:end].flush(),
                         discard=lambda start, end: buffer[start:end].invalidate())

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
    interrupt    False: poll for the end of a run. Also done, with a warning, where the interrupt cannot be had
    """

    name = "pynq"

    def __init__(self, config="default", *, bitstream=None, memory_size=BOARD_MEMORY, timeout=60.0,
                 download=True, interrupt=True):
        if pynq is None:
            raise DeviceError('the device "pynq" needs PYNQ: pip install amaranth-vta[pynq], on the board')
        config = Config.load(config)
        path = find_bitstream(config) if bitstream is None else bitstream
        config = built_config(path, config)
        self.overlay = pynq.Overlay(str(path), download=download)
        name, self._timeout = self._find_ip(path), timeout
        buffer = pynq.allocate((memory_size,), "u1", cacheable=1)       # the default, uncached, is slow to access
        super().__init__(config, BoardMemory(buffer))
        self.bus_base, self._end = buffer.physical_address, PollingWait()
        try:
            if (self.bus_base + memory_size - 1) >> config.axi_addr_width:
                raise DeviceError(f"PYNQ's memory lies at 0x{self.bus_base:x}, the accelerator's addresses "
                                  f"have {config.axi_addr_width} bits")
            if interrupt:
                self._end = _interrupt_wait(self.overlay, name) or self._end
            self.driver = Driver(Registers(self.overlay.ip_dict[name]), config, self._wait_interrupt, self.bus_base)
            self.driver.reset()                  # to the power-up state, even without a download
        except BaseException:
            self.close()
            raise

    def _find_ip(self, path):
        names = [name for name, ip in self.overlay.ip_dict.items() if ip["type"] == VLNV]
        if len(names) != 1:
            raise DeviceError(f"{path} has {len(names)} accelerators of the kind {VLNV}: one is needed")
        return names[0]

    def reset(self):
        super().reset()
        self.memory.invalidate()                 # a run that was given up may have written until now

    def _run(self, insn_address, insn_count, watchdog, progress):
        self.memory.flush()
        try:
            return self.driver.run(insn_address, insn_count, watchdog)
        finally:
            self.memory.invalidate()

    def _wait_interrupt(self):
        self._end.wait(lambda: self.driver.fields("irq_status")["done"], self._timeout)

    def close(self):
        self._end.close()
        super().close()


def _interrupt_wait(overlay, name):
    """The InterruptWait for the accelerator `name`; None, with a warning, where Linux or the overlay has none."""
    line = next((family.interrupt_line for family in FAMILIES if family.machine == platform.machine()), None)
    pin = overlay.interrupt_pins.get(f"{name}/interrupt")
    if line is None:
        missing = f"no known interrupt lines on a {platform.machine()} processor"
    elif pin is None:
        missing = f"the overlay connects no interrupt of {name}"
    elif overlay.interrupt_controllers[pin["controller"]]["parent"]:
        missing = f"{pin['controller']} is not connected to the processor"
    else:
        line += overlay.interrupt_controllers[pin["controller"]]["index"]
        path = pynq.interrupt.get_uio_irq(line)
        if path is not None:
            file = open(path, "r+b", buffering=0)                       # noqa: SIM115 (closed by InterruptWait)
            return InterruptWait(file, Registers(overlay.ip_dict[pin["controller"]]), pin["index"])
        missing = f"Linux has no UIO device for interrupt {line}"
    log.warning("%s: polling for the end of each run instead", missing)
    return None
