"""`vta serve`: one device for other machines, one client at a time.

Each client gets a device as after power-up: it is opened for him and closed when he goes, however he goes.
Until he has shown that he knows the token, he may send one short message. Nothing he sends is executed or
unpickled; sizes, addresses and times are bounded.
"""

import contextlib
import hmac
import secrets
import socket
import threading
from dataclasses import asdict

import vta
from vta.hw.isa import Unit
from vta.runtime.device import DeviceError
from vta.runtime.memory import Memory
from vta.runtime.remote import KINDS
from vta.runtime.wire import (
    CHUNK,
    HELLO_LIMIT,
    NONCE_BYTES,
    PROTOCOL,
    Wire,
    WireError,
    changes,
    pack,
    proof,
)

CONNECTIONS = 16                 # at a time, those who wait for the device included
HELLO_SECONDS = 10.0
IDLE_SECONDS = 3600.0
MAX_WATCHDOG = (1 << 32) - 1


class Server:
    """Serves the devices that `open_device()` makes on host:port (port 0: any free one).

    token   what clients must know; None lets everybody in
    idle    seconds after which a silent client loses the device
    report  called with one line for each client that comes or goes
    """

    def __init__(self, open_device, token, host="127.0.0.1", port=0, idle=IDLE_SECONDS, report=None):
        if token is not None and len(token) < 8:
            raise ValueError(f"a token of {len(token)} characters: at least 8, or none at all (--no-token)")
        pack({})                                 # says now if msgpack is missing
        self._open, self._token, self._idle = open_device, token, idle
        self._report = report or (lambda line: None)
        self._device = open_device()             # one that cannot be opened is known before anybody calls
        self._in_use = threading.Lock()
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        self._wires, self._stopping = set(), False
        try:
            self._listener = socket.create_server((host, port), family=_family(host))
        except OSError as error:
            self._device.close()
            raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        self.address = self._listener.getsockname()[:2]
        self.config = self._device.config

    @property
    def url(self):
        """Where clients find the server, as far as it can know."""
        host, port = self.address
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    def serve_forever(self):
        """Accept clients until `close` is called from another thread, or KeyboardInterrupt."""
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                if self._stopping:
                    return
                continue
            if not self._room.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._client, args=(connection, f"{peer[0]}:{peer[1]}"),
                             daemon=True).start()

    def close(self):
        """Stop listening, let go of clients and device."""
        self._stopping = True
        with contextlib.suppress(OSError):       # wakes the thread in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for wire in list(self._wires):
            wire.close()
        with self._in_use:
            if self._device is not None:
                self._device.close()
                self._device = None

    def _client(self, connection, peer):
        try:
            wire = Wire(connection)
            self._wires.add(wire)
            try:
                self._report(f"{peer} connected")
                self._session(wire, peer)
            except (WireError, OSError) as error:
                self._report(f"{peer} gone: {error}")
            finally:
                self._wires.discard(wire)
                wire.close()
        except OSError:                          # gone before it was looked at
            connection.close()
        finally:
            self._room.release()

    def _session(self, wire, peer):
        nonce = secrets.token_bytes(NONCE_BYTES)
        wire.send("hello", protocol=PROTOCOL, version=vta.__version__, nonce=nonce,
                  token=self._token is not None)
        hello = wire.receive(HELLO_LIMIT, HELLO_SECONDS)
        problem = self._check_hello(hello, nonce)
        if problem:
            wire.send("refused", message=problem)
            self._report(f"{peer} refused: {problem}")
            return
        if not self._in_use.acquire(blocking=False):
            wire.send("wait")
            self._in_use.acquire()
        try:
            if self._stopping:
                return
            try:
                device = self._device = self._device or self._open()
            except (DeviceError, ValueError, OSError) as error:
                wire.send("refused", message=f"the device cannot be opened: {error}")
                return
            config = {key: value for key, value in asdict(self.config).items() if key != "name"}
            wire.send("ready", device=device.name, name=self.config.name, config=config,
                      size=device.memory.size, base=device.memory.base,
                      proof=proof(self._token or "", "server", nonce, hello["nonce"]))
            Session(device, wire, self._idle).serve()
        finally:
            device, self._device = self._device, None
            if device is not None:
                device.close()                   # tokens, memory and scratchpads of this client go with it
            self._in_use.release()

    def _check_hello(self, hello, nonce):
        """What is wrong with a client's hello, or None."""
        theirs, shown = hello.get("nonce"), hello.get("proof")
        if hello.get("protocol") != PROTOCOL:
            return f"this server speaks protocol {PROTOCOL}: install version {vta.__version__}"
        if not (isinstance(theirs, bytes) and len(theirs) == NONCE_BYTES and isinstance(shown, bytes)):
            return "malformed hello"
        expected = proof(self._token or "", "client", nonce, theirs)
        if self._token is not None and not hmac.compare_digest(shown, expected):
            return "wrong token"
        wanted = hello.get("hash") if isinstance(hello.get("hash"), int) else 0
        if wanted != self.config.hash:
            return (f"this device has configuration {self.config.name!r} (hash 0x{self.config.hash:08x}), "
                    f"the program wants one with hash 0x{wanted:08x}")
        return None


class Session:
    """One client's use of the device: takes its messages until the connection ends."""

    def __init__(self, device, wire, idle):
        self._device, self._wire, self._idle = device, wire, idle
        self._known = Memory(device.memory.size, device.memory.base)     # what the client has

    def serve(self):
        operations = {"write": self._write, "run": self._run, "tokens": self._tokens,
                      "set_tokens": self._set_tokens, "reset": self._reset}
        try:
            while True:
                message = self._wire.receive(timeout=self._idle)
                operation = operations.get(message["op"])
                try:
                    if operation is None:
                        raise ValueError(f"no operation {message['op'][:40]!r}")
                    operation(message)
                except (ValueError, DeviceError) as error:
                    self._wire.send("refused", message=str(error))
                except RuntimeError as error:            # the simulator behind the device died
                    self._wire.send("refused", message=f"the device failed: {error}")
                    raise WireError(f"the device failed: {error}") from None
        finally:
            self._known.close()

    def _write(self, message):
        address, data = _int(message, "address"), message.get("data")
        if not isinstance(data, bytes) or len(data) > CHUNK:
            raise ValueError(f"write: data must be at most {CHUNK} bytes")
        self._device.memory.write(address, data)         # AddressError outside of DRAM
        self._known.write(address, data)
        self._wire.send("done")

    def _tokens(self, message):
        self._wire.send("tokens", tokens=self._device.tokens)

    def _set_tokens(self, message):
        counts = message.get("tokens")
        if not isinstance(counts, dict):
            raise ValueError("set_tokens: tokens must be a map")
        self._device.set_tokens(**{name: _int(counts, name) for name in counts})
        self._wire.send("done")

    def _reset(self, message):
        self._device.reset()
        self._wire.send("done")

    def _run(self, message):
        address, count = _int(message, "address"), _int(message, "count")
        watchdog = None
        if message.get("watchdog") is not None:
            watchdog = _int(message, "watchdog", 1, MAX_WATCHDOG)
        progress = self._progress if message.get("progress") is True else None
        error = None
        try:
            result = self._device.run(address, count, watchdog=watchdog, progress=progress)
        except DeviceError as caught:
            error, result = caught, caught.result
        for start, data in changes(self._device.memory, self._known):
            self._wire.send("data", address=start, data=data)
        self._wire.send("result", result=None if result is None else _plain(asdict(result)),
                        error=_error(error))

    def _progress(self, cycles):
        with contextlib.suppress(WireError):     # the run ends first; then the connection is found to be lost
            self._wire.send("progress", cycles=int(cycles))


def _int(message, name, low=0, high=(1 << 63) - 1):
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{str(name)[:40]} = {str(value)[:40]}: must be a whole number from {low} to {high}")
    return value


def _plain(value):
    """`value` as msgpack carries it: numpy's integers become Python's."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.item() if hasattr(value, "item") else value


def _error(error):
    if error is None:
        return None
    kind = type(error).__name__ if type(error).__name__ in KINDS else "DeviceError"
    return {"kind": kind, "message": str(error), "cause": int(error.cause),
            "unit": None if error.unit is None else int(Unit(error.unit)), "insn": error.insn}


def _family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET
