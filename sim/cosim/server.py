"""Inside the simulator: a cocotb "test" that serves the requests of a host process until it disconnects.

Requests and replies are JSON objects over the socket whose number is in $VTA_SIM_SOCKET (the other half is
`vta.sim.cosim.simulation`). Simulated time passes only in `registers`, `run` and `reset`; while the simulator waits
for a request the clock stands still. A simulator ends when its host process ends.
"""

import ctypes
import json
import os
from multiprocessing.connection import Connection

import cocotb
from cocotb.triggers import ClockCycles, ValueChange

COUNTS = ("read_beats", "read_bursts", "write_beats", "write_bursts", "under_way", "violations",
          "bad_addresses")
HOST = os.getppid()


class HostGone(Exception):
    """The process that asked for this simulation has ended."""


class MemoryModel:
    """The C interface of axi_memory.cpp, which is linked into this process."""

    def __init__(self):
        self._c = ctypes.CDLL(None)
        self._c.axi_memory_report.restype = ctypes.c_char_p
        self._c.axi_memory_map.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64]
        self._c.axi_memory_set.argtypes = [ctypes.c_char_p, ctypes.c_double]
        self._c.axi_memory_error_range.argtypes = [ctypes.c_uint64] * 2 + [ctypes.c_int] * 2

    def map(self, path, base, size):
        if self._c.axi_memory_map(path.encode(), base, size):
            raise ValueError(f"cannot map {size} bytes of {path} as memory")

    def configure(self, settings):
        for name, value in settings.items():
            if self._c.axi_memory_set(name.encode(), value):
                raise ValueError(f"the memory model has no setting {name!r}")

    def error_range(self, begin, end, reads, writes):
        self._c.axi_memory_error_range(begin, end, reads, writes)

    def report(self):
        counts = (ctypes.c_uint64 * len(COUNTS))()
        self._c.axi_memory_counts(counts)
        texts = [[], []]
        for kind, found in enumerate(texts):
            while (text := self._c.axi_memory_report(kind, len(found))) is not None:
                found.append(text.decode())
        return {"counts": dict(zip(COUNTS, counts, strict=True)), "violations": texts[0],
                "bad_addresses": texts[1]}

    def clear(self):
        self._c.axi_memory_clear()


class Harness:
    """The pins of harness.sv."""

    def __init__(self, dut):
        self.dut = dut

    async def reset(self, cycles=4):
        self.dut.access.value = 0
        self.dut.wake_at.value = 0
        self.dut.resetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.dut.resetn.value = 1
        await ClockCycles(self.dut.aclk, cycles)

    async def registers(self, accesses):
        """AXI4-Lite accesses in order: [address, value] writes, [address, null] reads."""
        dut, values = self.dut, []
        for address, value in accesses:
            dut.access_address.value = address
            dut.access_value.value = value or 0
            dut.access_write.value = value is not None
            dut.access.value = not int(dut.access.value)
            await ValueChange(dut.accessed)
            if response := int(dut.accessed_response.value):
                raise ValueError(f"access to register 0x{address:x} answered with response {response}")
            if value is None:
                values.append(int(dut.accessed_value.value))
        return {"values": values}

    async def run(self, cycles, step, progress):
        """Run to the interrupt, a fault in the memory model, or `cycles`; calls `progress` every `step`."""
        dut = self.dut
        first = now = int(dut.cycle.value)
        while not int(dut.interrupt.value) and not int(dut.fault.value) and now < first + cycles:
            dut.wake_at.value = min(now + step, first + cycles)
            await ValueChange(dut.wake)
            now = int(dut.cycle.value)
            progress(now - first)
        return {"cycles": now - first, "interrupt": int(dut.interrupt.value), "fault": int(dut.fault.value)}


def receive(host):
    """The next request; HostGone when there are no more."""
    while not host.poll(1.0):
        watch_host()
    try:
        return json.loads(host.recv_bytes())
    except (EOFError, ConnectionError):
        raise HostGone from None


def watch_host():
    if os.getppid() != HOST:
        raise HostGone


async def answer(request, harness, memory, send):
    """Carry out one request; its reply, or None."""
    what = request.pop("do")
    if what == "run":
        def progress(cycles):
            watch_host()
            send({"progress": cycles})
        return await harness.run(**request, progress=progress)
    if what in ("registers", "reset"):
        return await getattr(harness, what)(**request)
    return getattr(memory, what)(**request)


@cocotb.test()
async def serve(dut):
    host = Connection(int(os.environ["VTA_SIM_SOCKET"]))
    harness, memory = Harness(dut), MemoryModel()

    def send(reply):
        try:
            host.send_bytes(json.dumps(reply).encode())
        except (BrokenPipeError, ConnectionError):
            raise HostGone from None

    try:
        await harness.reset()
        while True:
            request = receive(host)
            try:
                reply = await answer(request, harness, memory, send) or {}
            except ValueError as error:
                reply = {"error": str(error)}
            send(reply)
    except HostGone:
        return
