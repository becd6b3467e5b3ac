"""A stand-in for the PYNQ library on a Zynq-7000 board: what `vta.runtime.pynq` uses of it, and its way of waiting for
interrupts, over the registers of the test.

`backend` has read(offset), write(offset, value), memory (a Memory whose base is the bus address) and wait(), which says
whether the accelerator's interrupt line is high, after any time that it takes.
"""

import asyncio
import platform
import socket
import sys
import threading
import types
import warnings

import numpy as np

FAR = 0                                          # added to physical addresses
LINE = 32                                        # bytes of a cache line of the Cortex-A9
VTA_BASE, CONTROLLER_BASE = 0x43C0_0000, 0x4180_0000
backend = controller = None
drivers, files = {}, []


class InterruptController:
    """The registers of AXI INTC (PG099) that matter here."""

    def __init__(self):
        self.enabled, self.master = 0, 0

    def write(self, offset, value):
        if offset == 0x08:
            self.enabled = value
        elif offset == 0x10:
            self.enabled |= value
        elif offset == 0x14:
            self.enabled &= ~value
        elif offset == 0x1C:
            self.master = value
        else:                                    # an acknowledged line that is still high is pending again
            assert offset == 0x0C, f"no register at 0x{offset:x}"

    @property
    def passes(self):
        """Whether an interrupt of the accelerator, on input 0, reaches the processor."""
        return self.master == 3 and self.enabled & 1


def open_uio(path, mode, buffering):
    """Open the UIO device. Each write of 1 enables the interrupt once; the next one makes the file readable."""
    assert (path, mode, buffering) == ("/dev/uio0", "r+b", 0)
    host, kernel = socket.socketpair()
    threading.Thread(target=_serve_uio, args=(kernel,), daemon=True).start()
    with host:
        files.append(host.makefile("rwb", buffering=0))
    return files[-1]


def _serve_uio(kernel):
    with kernel:
        while word := kernel.recv(4):
            assert int.from_bytes(word, "little")
            if controller.passes and backend.wait():
                kernel.send(b"\1\0\0\0")


class UioController:
    """PYNQ's: registers the file with the event loop of the thread that makes it, once."""

    def __init__(self):
        self.uio, self.events = open_uio("/dev/uio0", "r+b", 0), []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.get_event_loop().add_reader(self.uio, self._readable)
        controller.write(0x1C, 3)
        controller.write(0x08, 0)

    def _readable(self):
        self.uio.read(4)
        events, self.events = self.events, []
        controller.write(0x14, 1)
        for event in events:
            event.set()

    def add_event(self, event):
        controller.write(0x10, 1)
        if not self.events:
            self.uio.write(bytes([0, 0, 0, 1]))
        self.events.append(event)


class Interrupt:
    """PYNQ's: all share one UioController, for as long as the process lives."""

    parent = None

    def __init__(self):
        Interrupt.parent = Interrupt.parent or UioController()
        self._event = asyncio.Event()

    async def wait(self):
        self._event.clear()
        self.parent.add_event(self._event)
        await self._event.wait()


class RegisterIP(type):
    def __init__(cls, name, bases, attributes):
        super().__init__(name, bases, attributes)
        for vlnv in attributes.get("bindto", ()):
            drivers[vlnv] = cls


class DefaultIP(metaclass=RegisterIP):
    def __init__(self, description):
        self.mmio = MMIO(description["phys_addr"], description["addr_range"])
        self.interrupt = Interrupt()

    def read(self, offset=0):
        return int(self.mmio.array[offset >> 2])

    def write(self, offset, value):
        self.mmio.array[offset >> 2] = value


class MMIO:
    def __init__(self, base_addr, length=4):
        self.array = Words({VTA_BASE: backend, CONTROLLER_BASE: controller}[base_addr], length)


class Words:
    """Device memory as an array of 32-bit words: accessed one at a time or by an array of indices."""

    accesses = 0                                 # of Python code to all of them

    def __init__(self, registers, length):
        self._registers, self._length = registers, length

    def __getitem__(self, index):
        Words.accesses += 1
        offsets = np.asarray(index) * 4
        assert (offsets < self._length).all()
        words = [self._registers.read(int(offset)) for offset in offsets.ravel()]
        return np.array(words, np.uint32).reshape(offsets.shape)[()]

    def __setitem__(self, index, value):
        Words.accesses += 1
        assert index * 4 < self._length
        self._registers.write(int(index) * 4, int(np.uint32(value)))


class Overlay:
    types = ()                                   # VLNVs in the design; the test sets them
    interrupts = True                            # whether the accelerators' interrupts are connected

    def __init__(self, path, download=True):
        self.path, self.download = path, download
        self.ip_dict = {f"vta{n or ''}": {"type": vlnv, "phys_addr": VTA_BASE, "addr_range": 0x1000}
                        for n, vlnv in enumerate(self.types)}
        self.interrupt_pins = {f"{name}/interrupt": {"controller": "interrupts", "index": 0}
                               for name in self.ip_dict} if self.interrupts else {}
        self.interrupt_controllers = {"interrupts": {"parent": "", "index": 0}} if self.interrupts else {}
        self.ip_dict["interrupts"] = {"type": "xilinx.com:ip:axi_intc:4.1", "phys_addr": CONTROLLER_BASE,
                                      "addr_range": 0x10000}

    def __getattr__(self, name):                 # an IP is made when it is asked for
        ip = self.ip_dict[name]
        return drivers.get(ip["type"], DefaultIP)(ip)


class Buffer(np.ndarray):
    """What the processor sees through its cache, in which every line stays that was ever touched.

    `dram` is what the accelerator sees; `clean` what the cache got from there: a line that differs from it is dirty.
    """

    log = ()                                     # a list of (flush or invalidate, first byte, how many): `install`

    def __array_finalize__(self, source):
        self.root, self.start = None, 0
        if isinstance(source, Buffer):
            self.root = source.root
            self.start = source.start + (self.__array_interface__["data"][0] - source.__array_interface__["data"][0])

    def _lines(self):
        """The lines of this buffer as rows: of the processor, clean, of DRAM."""
        rows = slice(self.start // LINE, -(-(self.start + self.nbytes) // LINE))
        return (np.asarray(part).reshape(-1, LINE)[rows] for part in (self.root, self.root.clean, self.root.dram))

    def flush(self):
        """Write the dirty lines to DRAM, each as a whole."""
        Buffer.log.append(("flush", self.start, self.nbytes))
        seen, clean, dram = self._lines()
        dirty = (seen != clean).any(axis=1)
        dram[dirty] = clean[dirty] = seen[dirty]

    def invalidate(self):
        """Drop the lines, with what was not flushed."""
        Buffer.log.append(("invalidate", self.start, self.nbytes))
        seen, clean, dram = self._lines()
        seen[:] = clean[:] = dram

    def freebuffer(self):
        backend.freed = True


def allocate(shape, dtype, cacheable=0):
    assert cacheable == 1, "without a cache every access of the processor goes to DRAM"
    buffer = np.full(shape, 0xA5, dtype).view(Buffer)
    buffer.root, buffer.start = buffer, 0
    buffer.dram, buffer.clean = backend.memory.bytes[:buffer.nbytes], np.array(buffer)
    buffer.physical_address = backend.memory.base + FAR
    return buffer


def install(monkeypatch, new_backend, vlnvs, interrupts=True, uio=True):
    """Make `import pynq` find this module, over `new_backend`, and import `vta.runtime.pynq` anew.

    vlnvs: the accelerators in the overlay; interrupts: whether theirs are connected; uio: whether Linux has the device.
    """
    global backend, controller
    forget()
    backend, controller = new_backend, InterruptController()
    module = types.ModuleType("pynq")
    module.DefaultIP, module.Overlay, module.MMIO, module.allocate = DefaultIP, Overlay, MMIO, allocate
    module.interrupt = types.ModuleType("pynq.interrupt")
    module.interrupt.get_uio_irq = lambda irq: "/dev/uio0" if uio and irq == 61 else None
    monkeypatch.setitem(sys.modules, "pynq.interrupt", module.interrupt)
    pretend(monkeypatch, module)
    monkeypatch.setattr(Overlay, "types", vlnvs)
    monkeypatch.setattr(Overlay, "interrupts", interrupts)
    monkeypatch.setattr(Buffer, "log", [])
    monkeypatch.setattr(platform, "machine", lambda: "armv7l")
    __import__("vta.runtime.pynq")
    monkeypatch.setattr(sys.modules["vta.runtime.pynq"], "open", open_uio, raising=False)


def forget():
    """Close all UIO files, as the end of a process does."""
    Interrupt.parent = None
    while files:
        files.pop().close()


def pretend(monkeypatch, module):
    """`module` is what `import pynq` finds (None: nothing), `vta.runtime.pynq` is imported anew; for this test."""
    monkeypatch.setitem(sys.modules, "pynq", module)
    monkeypatch.setitem(sys.modules, "vta.runtime.pynq", None)       # what was there comes back after the test
    del sys.modules["vta.runtime.pynq"]
