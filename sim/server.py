"""Inside the simulator: a cocotb "test" that serves the requests of a host process until it hangs up.

Requests and replies are JSON objects over the socket whose number is in $VTA_SIM_SOCKET (the other half is
`vta.sim.simulation`). Simulated time passes only in `registers`, `run` and `reset`; while the simulator waits
for a request the clock stands still. A simulator whose host is gone ends itself.
"""

import ctypes
import json
import os
from multiprocessing.connection import Connection

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

COUNTS = ("read_beats", "read_bursts", "write_beats", "write_bursts", "under_way", "violations",
          "bad_addresses")
HOST = os.getppid()


class HostGone(Exception):
    """The process that asked for this simulation has ended."""


class Memory:
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
        return {}

    def configure(self, settings):
        for name, value in settings.items():
            if self._c.axi_memory_set(name.encode(), value):
                raise ValueError(f"the memory model has no setting {name!r}")
        return {}

    def error_range(self, begin, end, reads, writes):
        self._c.axi_memory_error_range(begin, end, reads, writes)
        return {}

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
        return {}


class Board:
    """The pins of harness.sv. They change at falling edges, where ready can be read without a race."""

    def __init__(self, dut):
        self.dut = dut

    async def reset(self, cycles=4):
        dut = self.dut
        for pin in ("awvalid", "wvalid", "arvalid", "bready", "rready", "awprot", "arprot"):
            getattr(dut, f"s_axi_{pin}").value = 0
        dut.s_axi_wstrb.value = 0xF
        dut.wake_at.value = (1 << 64) - 1
        dut.aresetn.value = 0
        for _ in range(cycles):
            await FallingEdge(dut.aclk)
        dut.aresetn.value = 1
        await FallingEdge(dut.aclk)
        return {}

    async def _handshakes(self, channels):
        """Hold valid of each channel until it is taken."""
        waiting = list(channels)
        for channel in waiting:
            getattr(self.dut, f"s_axi_{channel}valid").value = 1
        while waiting:
            await ReadOnly()
            taken = [channel for channel in waiting if int(getattr(self.dut, f"s_axi_{channel}ready").value)]
            await FallingEdge(self.dut.aclk)
            for channel in taken:
                waiting.remove(channel)
                getattr(self.dut, f"s_axi_{channel}valid").value = 0

    async def _response(self, channel, payload):
        """Take the response on channel r or b; returns its payload pin's value and checks that it is OKAY."""
        valid, ready = (getattr(self.dut, f"s_axi_{channel}{pin}") for pin in ("valid", "ready"))
        ready.value = 1
        await ReadOnly()
        while not int(valid.value):
            await FallingEdge(self.dut.aclk)
            await ReadOnly()
        value = int(getattr(self.dut, f"s_axi_{payload}").value)
        if response := int(getattr(self.dut, f"s_axi_{channel}resp").value):
            raise ValueError(f"register access answered with response {response}")
        await FallingEdge(self.dut.aclk)
        ready.value = 0
        return value

    async def registers(self, accesses):
        """AXI4-Lite accesses in order: [address, value] writes, [address, null] reads."""
        values = []
        await FallingEdge(self.dut.aclk)
        for address, value in accesses:
            if value is None:
                self.dut.s_axi_araddr.value = address
                await self._handshakes(["ar"])
                values.append(await self._response("r", "rdata"))
            else:
                self.dut.s_axi_awaddr.value = address
                self.dut.s_axi_wdata.value = value
                await self._handshakes(["aw", "w"])
                await self._response("b", "bresp")
        return {"values": values}

    async def run(self, cycles, step, progress):
        """Until the interrupt, a fault in the memory model, or `cycles`; `progress` is told each `step`."""
        dut = self.dut
        first = now = int(dut.cycle.value)
        while not int(dut.interrupt.value) and not int(dut.fault.value) and now < first + cycles:
            dut.wake_at.value = min(now + step, first + cycles)
            await ReadOnly()
            if not int(dut.wake.value):
                await RisingEdge(dut.wake)
                await ReadOnly()
            now = int(dut.cycle.value)
            progress(now - first)
            await FallingEdge(dut.aclk)
        return {"cycles": now - first, "interrupt": int(dut.interrupt.value), "fault": int(dut.fault.value)}


def receive(host):
    """The next request; HostGone when there will be none."""
    while not host.poll(1.0):
        watch_host()
    try:
        return json.loads(host.recv_bytes())
    except (EOFError, ConnectionError):
        raise HostGone from None


def watch_host():
    if os.getppid() != HOST:
        raise HostGone


async def answer(request, board, memory, send):
    """Carry out one request; returns its reply."""
    what = request.pop("do")
    if what == "run":
        def progress(cycles):
            watch_host()
            send({"progress": cycles})
        return await board.run(**request, progress=progress)
    if what in ("registers", "reset"):
        return await getattr(board, what)(**request)
    return getattr(memory, what)(**request)


@cocotb.test()
async def serve(dut):
    host = Connection(int(os.environ["VTA_SIM_SOCKET"]))
    board, memory = Board(dut), Memory()

    def send(reply):
        try:
            host.send_bytes(json.dumps(reply).encode())
        except (BrokenPipeError, ConnectionError):
            raise HostGone from None

    try:
        await board.reset()
        while True:
            request = receive(host)
            try:
                reply = await answer(request, board, memory, send)
            except ValueError as error:
                reply = {"error": str(error)}
            send(reply)
    except HostGone:
        return
