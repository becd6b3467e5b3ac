"""The host side of an RTL simulation: starts a simulator and sends it requests (see `vta.sim.cosim.server`)."""

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from multiprocessing.connection import Connection

STEP = 100_000          # cycles between two reports of progress
LOG_LINES = 12


class SimulationError(RuntimeError):
    """The simulator ended (the message holds the end of its log), refused a request, or is busy with another."""


class Simulation:
    """One simulator process of a `Build`; it maps the DRAM `memory`, without a copy.

    It ends with `close`, with this process, when this object is deleted, or when a request is interrupted, by Ctrl-C
    or an error in `progress`. `trace` is the path of a VCD to write, for a build with trace.
    """

    def __init__(self, build, memory, trace=None):
        ours, theirs = socket.socketpair()
        self._log = tempfile.TemporaryFile()            # noqa: SIM115 (closed in `close`)
        self._folder = tempfile.TemporaryDirectory(prefix="vta-sim-")
        environment = build.environment("vta.sim.cosim.server") | {
            "VTA_SIM_SOCKET": str(theirs.fileno()),
            "COCOTB_RESULTS_FILE": os.path.join(self._folder.name, "results.xml"),
            "COCOTB_LOG_LEVEL": "WARNING",
        }
        arguments = [] if trace is None else ["--trace", "--trace-file", os.path.abspath(trace)]
        self._process = subprocess.Popen(
            [build.executable, *arguments], env=environment, cwd=self._folder.name,
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True)                     # Ctrl-C is handled by this process
        theirs.close()
        self._asking = threading.Lock()
        self._peer = Connection(ours.detach())
        self.ask("map", path=memory.path, base=memory.base, size=memory.size)

    def ask(self, what, progress=None, **arguments):
        """Send one request and return its reply; `progress(cycles)` is called for each report before it."""
        if not self.alive:
            raise SimulationError("the simulation has ended: open another one")
        message = json.dumps({"do": what, **arguments}).encode()
        if not self._asking.acquire(blocking=False):
            raise SimulationError(f"{what!r} during another request: one at a time")
        try:
            reply = self._exchange(what, message, progress)
        except BaseException:       # the rest of the reply would answer the next request
            self.close()
            raise
        finally:
            self._asking.release()
        if "error" in reply:
            raise SimulationError(reply["error"])
        return reply

    def _exchange(self, what, message, progress):
        def step(action, *arguments):
            try:
                return action(*arguments)
            except (EOFError, OSError):
                raise SimulationError(f"the simulator ended during {what!r}:\n{self._log_end()}") from None

        step(self._peer.send_bytes, message)
        while "progress" in (reply := json.loads(step(self._peer.recv_bytes))):
            if progress is not None:
                progress(reply["progress"])
        return reply

    def read(self, offset):
        """The register at byte `offset`, through the accelerator's AXI4-Lite port."""
        return self.read_many([offset])[0]

    def read_many(self, offsets):
        """The registers at these byte offsets, in order."""
        return self.ask("registers", accesses=[[offset, None] for offset in offsets])["values"]

    def write(self, offset, value):
        """Write the register at byte `offset`."""
        self.ask("registers", accesses=[[offset, value]])

    def run(self, cycles, progress=None, step=STEP):
        """Simulate up to the interrupt, a fault, or this many cycles: {"cycles", "interrupt", "fault"}."""
        return self.ask("run", progress, cycles=cycles, step=step)

    def configure(self, **settings):
        """Change settings of the memory model (names: `settings` in axi_memory.cpp)."""
        self.ask("configure", settings={name: float(value) for name, value in settings.items()})

    def _log_end(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-LOG_LINES:]) or f"exit code {self._process.returncode}, empty log"

    @property
    def alive(self):
        """Whether it still accepts requests."""
        return self._process is not None

    def close(self):
        """End the simulator; a second call does nothing."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self._peer.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        if process.poll() is None:
            process.kill()
            process.wait()
        self._log.close()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_process", None) is not None and hasattr(self, "_peer"):
            self.close()
