"""`vta serve`: one device for other machines, one client at a time.

Each client gets a device in its power-up state: it is opened for the client and closed when the connection ends, for
whatever reason. Until a client has proved that it knows the token, it may send one short message. Nothing it sends is
executed or unpickled; sizes, addresses and times are bounded.
"""

import contextlib
import hmac
import secrets
import socket
import threading
import time
from importlib import metadata

from vta.hw.config import PRESETS, Config, ConfigError
from vta.runtime.device import DeviceError
from vta.runtime.remote.session import Session
from vta.runtime.remote.wire import HELLO_LIMIT, NONCE_BYTES, PROTOCOL, Wire, WireError, pack, proof

VERSION = metadata.version("amaranth-vta")
CONNECTIONS = 16                 # at a time, including clients that wait for the device
HELLO_SECONDS = 10.0
IDLE_SECONDS = 3600.0


class Server:
    """Serves the devices that `open_device()` makes on host:port (port 0: any free one).

    token   what clients must know; None: no authentication
    idle    seconds after which a silent client loses the device
    report  called with a line of text for each client that connects or disconnects
    """

    def __init__(self, open_device, token, host="127.0.0.1", port=0, idle=IDLE_SECONDS, report=None):
        if token is not None and len(token) < 8:
            raise ValueError(f"a token of {len(token)} characters: at least 8, or none at all (--no-token)")
        pack({})                                 # raises now if msgpack is missing
        self._open, self._token, self._idle = open_device, token, idle
        self._report = report or (lambda line: None)
        self._device = open_device()             # one that cannot be opened raises now
        self._in_use = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._wires, self._threads, self._stopping = set(), set(), False
        try:
            self._listener = socket.create_server((host, port), family=_family(host))
        except OSError as error:
            self._device.close()
            raise ValueError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        self.address = self._listener.getsockname()[:2]
        self.config = self._device.config

    @property
    def url(self):
        """The URL for clients, with this machine's host name."""
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
                time.sleep(0.1)                  # out of file descriptors, for instance: retry
                continue
            if not self._slots.acquire(blocking=False):
                self._reject(connection)
                continue
            thread = threading.Thread(target=self._client, args=(connection, f"{peer[0]}:{peer[1]}"),
                                      daemon=True)
            self._threads.add(thread)
            thread.start()

    def close(self):
        """Stop listening, disconnect clients, wait for a run in progress, close the device."""
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
        for thread in list(self._threads):       # none may report while Python shuts down
            thread.join()

    @staticmethod
    def _reject(connection):
        with contextlib.suppress(WireError, OSError):
            wire = Wire(connection)
            wire.send("refused", message=f"{CONNECTIONS} clients are connected already, try later")
        connection.close()

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
        except OSError:                          # disconnected before its first message
            connection.close()
        finally:
            self._slots.release()
            self._threads.discard(threading.current_thread())

    def _session(self, wire, peer):
        nonce = secrets.token_bytes(NONCE_BYTES)
        wire.send("hello", protocol=PROTOCOL, version=VERSION, nonce=nonce,
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
            config = self.config.to_dict()
            wire.send("ready", device=device.name, name=self.config.name, config=config,
                      size=device.memory.size, base=device.memory.base,
                      proof=proof(self._token or "", "server", nonce, hello["nonce"]))
            Session(device, wire, self._idle).serve()
        finally:
            device, self._device = self._device, None
            if device is not None:
                device.close()                   # with the tokens, memory and scratchpads of this client
            self._in_use.release()

    def _check_hello(self, hello, nonce):
        """What is wrong with a client's hello, or None."""
        theirs, shown = hello.get("nonce"), hello.get("proof")
        if hello.get("protocol") != PROTOCOL:
            return f"this server speaks protocol {PROTOCOL}: install version {VERSION}"
        if not (isinstance(theirs, bytes) and len(theirs) == NONCE_BYTES and isinstance(shown, bytes)):
            return "malformed hello"
        expected = proof(self._token or "", "client", nonce, theirs)
        if self._token is not None and not hmac.compare_digest(shown, expected):
            return "wrong token"
        try:
            refusal = self.config.refusal(Config.from_dict(hello.get("config"), PRESETS["stock"], "of the client"))
        except ConfigError as error:
            return str(error)
        return f"this device does not fit the program: {refusal}" if refusal else None


def _family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET
