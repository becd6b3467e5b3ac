"""The DRAM of a device: one window of bytes that host and accelerator share, and an allocator in it.

The window is a sparse file mapped into this process: untouched pages take no memory and read as zero.
Another process maps the same bytes through `Memory.path`, without a copy.
"""

import contextlib
import mmap
import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

PAGE = 4096
DEFAULT_SIZE = 256 << 20
Data = np.ndarray | bytes       # what `Memory.write` takes


class AddressError(ValueError):
    """A DRAM range outside of the window."""


class OutOfMemory(ValueError):
    """The window has no free range that is large enough."""


class Buffer:
    """A range of DRAM, allocated by `Memory.alloc`.

    `address` is the byte address the accelerator uses, `array` the same bytes as uint8, without a copy.
    """

    def __init__(self, memory: "Memory", address: int, nbytes: int):
        self.memory, self.address, self.nbytes = memory, address, nbytes
        self._free = False

    @property
    def array(self) -> np.ndarray:
        return self.memory.view(self.address, self.nbytes)

    def view(self, dtype: DTypeLike, shape: int | tuple[int, ...] = -1) -> np.ndarray:
        """The first bytes of the buffer as an array of this type and shape; -1 is as many as fit."""
        dtype = np.dtype(dtype)
        if -1 in np.atleast_1d(shape):
            return self.array[:self.nbytes // dtype.itemsize * dtype.itemsize].view(dtype).reshape(shape)
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if nbytes > self.nbytes:
            raise AddressError(f"shape {shape} of {dtype} takes {nbytes} bytes, the buffer has {self.nbytes}")
        return self.array[:nbytes].view(dtype).reshape(shape)

    def free(self) -> None:
        """Free the range; a second call does nothing."""
        if not self._free:                       # another buffer may lie there by now
            self._free = True
            self.memory.release(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free()

    def __repr__(self):
        return f"Buffer({self.nbytes} bytes at 0x{self.address:x})"


class Allocator:
    """First fit over the addresses from `base` up to `base + size`; adjacent free ranges are merged.

    The page at address 0 is never allocated: a null pointer in a stream is always an error. Ranges begin and end at
    multiples of `line`.
    """

    def __init__(self, base, size, line=1):
        self.line = line
        start = max(base, PAGE) if base < PAGE else base
        self.holes = [(start, base + size)]      # free ranges [start, end), ascending
        self.taken = {}                          # address -> end

    def alloc(self, nbytes, align):
        if nbytes < 1:
            raise OutOfMemory(f"cannot allocate {nbytes} bytes: at least 1")
        if align < 1 or align & (align - 1):
            raise OutOfMemory(f"alignment {align} is not a power of two")
        nbytes, align = -(-nbytes // self.line) * self.line, max(align, self.line)
        for n, (start, end) in enumerate(self.holes):
            address = -(-start // align) * align
            if address + nbytes <= end:
                self.holes[n:n + 1] = [hole for hole in ((start, address), (address + nbytes, end))
                                       if hole[0] < hole[1]]
                self.taken[address] = address + nbytes
                return address
        largest = max((end - start for start, end in self.holes), default=0)
        raise OutOfMemory(f"no room for {nbytes} bytes: the largest free range of DRAM has {largest}")

    def free(self, address):
        end = self.taken.pop(address, None)
        if end is None:
            return
        joined = []
        for start, stop in sorted([*self.holes, (address, end)]):
            if joined and joined[-1][1] == start:
                joined[-1] = (joined[-1][0], stop)
            else:
                joined.append((start, stop))
        self.holes = joined


class Memory:
    """`size` bytes of DRAM from address `base`, initially zero.

    `storage` is any writable buffer of `size` bytes to use instead of a private mapping (board memory).
    Addresses everywhere are the accelerator's byte addresses; a range outside the window raises AddressError.
    """

    line = 1                                     # bytes that two buffers must not share

    def __init__(self, size: int = DEFAULT_SIZE, base: int = 0, storage: Any = None):
        if size < 2 * PAGE or size % PAGE:
            raise AddressError(f"a DRAM of {size} bytes: must be a multiple of {PAGE}, at least {2 * PAGE}")
        self.base, self.size = base, size
        self._file = None
        if storage is None:
            self._file = _sparse_file(size)
            storage = mmap.mmap(self._file.fileno(), size)
        self._storage = storage
        self._bytes = np.frombuffer(storage, np.uint8, size)
        self._allocator = Allocator(base, size, self.line)

    @property
    def bytes(self) -> np.ndarray:
        """All of DRAM as a uint8 array, without a copy."""
        return self._bytes

    @property
    def path(self) -> str | None:
        """The file that another process of this machine can map; None where `storage` was given."""
        return self._file and f"/proc/{os.getpid()}/fd/{self._file.fileno()}"

    def alloc(self, nbytes: int, align: int = 64) -> Buffer:
        """A new Buffer of `nbytes` at an address that is a multiple of `align`; contents undefined."""
        self._check_open()
        return Buffer(self, self._allocator.alloc(int(nbytes), align), int(nbytes))

    def release(self, buffer: Buffer) -> None:
        self._allocator.free(buffer.address)

    def contains(self, address: int, nbytes: int) -> bool:
        return nbytes >= 0 and self.base <= address and address + nbytes <= self.base + self.size

    def check(self, address: int, nbytes: int) -> None:
        """Raise AddressError unless the bytes [address, address + nbytes) are DRAM."""
        self._check_open()
        if not self.contains(address, nbytes):
            raise AddressError(f"DRAM range 0x{address:x} + {nbytes} bytes lies outside of DRAM "
                               f"(0x{self.base:x} to 0x{self.base + self.size:x})")

    def view(self, address: int, nbytes: int) -> np.ndarray:
        """The bytes [address, address + nbytes) as a uint8 array, without a copy. On a board, prefer `read` and
        `write` for large ranges: an array that exists during a run costs time there (vta.runtime.cached)."""
        self.check(address, nbytes)
        return self._bytes[address - self.base:address - self.base + nbytes]

    def _check_open(self):
        if not self.size:
            raise AddressError("the device of this DRAM was closed")

    def read(self, address: int, nbytes: int) -> np.ndarray:
        """A copy of `nbytes` bytes, as a uint8 array."""
        return self.view(address, nbytes).copy()

    def write(self, address: int, data: Data) -> None:
        """Copy the bytes of `data` (an array or a bytes-like object) to `address`."""
        data = as_bytes(data)
        self.view(address, data.size)[:] = data

    def flush(self) -> None:
        """Make the host's writes visible to the accelerator, before a run. Does nothing here: no cache."""

    def invalidate(self) -> None:
        """Make the accelerator's writes visible to the host, after a run. Does nothing here."""

    def extents(self) -> list[tuple[int, int]]:
        """Ranges (address, nbytes), ascending, outside of which every byte is zero."""
        if self._file is None:
            return [(self.base, self.size)]
        found, position, fd = [], 0, self._file.fileno()
        with contextlib.suppress(OSError):               # ENXIO: no data beyond `position`
            while position < self.size:
                start = os.lseek(fd, position, os.SEEK_DATA)
                position = min(os.lseek(fd, start, os.SEEK_HOLE), self.size)
                found.append((self.base + start, position - start))
        return found

    def clear(self) -> None:
        """Set all of DRAM to zero; allocations stay."""
        if self._file is not None:
            self._storage.madvise(mmap.MADV_REMOVE)
        else:
            self.write(self.base, bytes(self.size))

    def close(self) -> None:
        """Release the storage. Arrays taken from this memory stay valid until they are deleted."""
        self._bytes = np.empty(0, np.uint8)
        self._storage = None
        self.size = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def as_bytes(data):
    """The bytes of an array or a bytes-like object, as a flat uint8 array."""
    if isinstance(data, np.ndarray):
        return np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return np.frombuffer(data, np.uint8)


def _sparse_file(size):
    """An open, sparse, anonymous file of `size` zero bytes."""
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("vta-dram"), "r+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)      # noqa: SIM115 (the caller closes it)
    file.truncate(size)
    return file
