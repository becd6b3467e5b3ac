"""A stand-in for the PYNQ library: what `vta.runtime.pynq` uses of it, over the registers of the test.

Buffers have two copies, the processor's and DRAM's; only flush and invalidate copy between them, as on a
board without coherent ports. `backend` has read(offset), write(offset, value), memory (a Memory whose base is
the bus address) and wait(), which says whether an interrupt came.
"""

import asyncio
import sys
import types

import numpy as np

FAR = 0                                          # added to physical addresses
backend = None
drivers = {}


class RegisterIP(type):
    def __init__(cls, name, bases, attributes):
        super().__init__(name, bases, attributes)
        for vlnv in attributes.get("bindto", ()):
            drivers[vlnv] = cls


class DefaultIP(metaclass=RegisterIP):
    def __init__(self):
        self.interrupt = Interrupt()

    def read(self, offset=0):
        return backend.read(offset)

    def write(self, offset, value):
        backend.write(offset, value)


class Interrupt:
    async def wait(self):
        if not await asyncio.get_running_loop().run_in_executor(None, backend.wait):
            await asyncio.Event().wait()         # never returns


class Overlay:
    types = ()                                   # VLNVs in the design; the test sets them

    def __init__(self, path, download=True):
        self.path, self.download = path, download
        self.ip_dict = {f"vta{n or ''}": {"type": vlnv} for n, vlnv in enumerate(self.types)}
        for name, ip in self.ip_dict.items():
            setattr(self, name, drivers.get(ip["type"], DefaultIP)())


class Buffer(np.ndarray):
    """What the processor sees; `dram` is what the accelerator sees, `clean` the last state common to both."""

    def __array_finalize__(self, source):
        self.dram = self.clean = None
        if isinstance(source, Buffer) and source.dram is not None:
            start = self.__array_interface__["data"][0] - source.__array_interface__["data"][0]
            self.dram, self.clean = (part[start:start + self.nbytes] for part in (source.dram, source.clean))

    def flush(self):
        """Write the processor's changes to DRAM."""
        dirty = np.asarray(self) != self.clean
        self.dram[dirty] = self.clean[dirty] = self[dirty]

    def invalidate(self):
        """Discard the processor's changes that were not flushed."""
        self[:] = self.dram
        self.clean[:] = self.dram

    def freebuffer(self):
        backend.freed = True


def allocate(shape, dtype):
    buffer = np.full(shape, 0xA5, dtype).view(Buffer)
    buffer.dram, buffer.clean = backend.memory.bytes[:buffer.nbytes], np.array(buffer)
    buffer.physical_address = backend.memory.base + FAR
    return buffer


def install(monkeypatch, new_backend, vlnvs):
    """Make `import pynq` find this module, over `new_backend`, and import `vta.runtime.pynq` anew."""
    global backend
    backend = new_backend
    module = types.ModuleType("pynq")
    module.DefaultIP, module.Overlay, module.allocate = DefaultIP, Overlay, allocate
    pretend(monkeypatch, module)
    monkeypatch.setattr(Overlay, "types", vlnvs)


def pretend(monkeypatch, module):
    """`module` is what `import pynq` finds (None: nothing), `vta.runtime.pynq` is imported anew; for this test."""
    monkeypatch.setitem(sys.modules, "pynq", module)
    monkeypatch.setitem(sys.modules, "vta.runtime.pynq", None)       # what was there comes back after the test
    del sys.modules["vta.runtime.pynq"]
