"""A device on another machine: `open_device("tcp://host:port?token=...")`, served there by `vta serve`.

DRAM is mirrored here, so that buffers are numpy arrays as on every device. Pages changed here are sent before a run,
pages changed there are received after it.
"""

import os
import secrets
import socket
from urllib.parse import parse_qs, urlsplit

from vta.hw.config import Config
from vta.hw.isa import Unit
from vta.runtime import device as errors
from vta.runtime.device import Device, DeviceError, RunResult, check_tokens, error_cause
from vta.runtime.memory import Memory
from vta.runtime.remote.wire import NONCE_BYTES, PROTOCOL, RemoteError, Wire, WireError, changes, proof

KINDS = {kind.__name__: kind for kind in (errors.DeviceError, errors.InstructionError, errors.BusError,
                                          errors.TokenError, errors.DeadlockError)}
DEFAULT_PORT = 7780


class RemoteDevice(Device):
    """The device behind `url`. It must have the architecture of `config`; its RTL parameters are its own.

    token     the server's; default: the URL's, else $VTA_TOKEN
    timeout   seconds for connecting and for each short answer
    wait      seconds to wait while another client uses the device
    """

    name = "tcp"

    def __init__(self, url, config="default", *, token=None, timeout=10.0, wait=60.0):
        host, port, given = parse_url(url)
        token = token or given or os.environ.get("VTA_TOKEN")
        self.url, self._timeout = f"tcp://{host}:{port}", timeout
        try:
            self._wire = Wire(socket.create_connection((host, port), timeout))
        except OSError as error:
            raise RemoteError(f"cannot connect to {self.url}: {error.strerror or error}") from None
        try:
            ready = self._hello(Config.load(config), token, wait)
            config = Config.from_dict(ready["config"], name=ready["name"])
            memory = Memory(ready["size"], ready["base"])
            self._known = Memory(ready["size"], ready["base"])   # what the server has
            self.remote_name = ready["device"]
        except (WireError, KeyError, TypeError, ValueError, OSError) as error:
            self._wire.close()
            raise RemoteError(f"{self.url}: {error}: no vta server of this version") from None
        except BaseException:
            self._wire.close()
            raise
        super().__init__(config, memory)

    def _hello(self, config, token, wait):
        hello = self._granted(self._wire.receive(timeout=self._timeout))
        if hello.get("protocol") != PROTOCOL:
            raise RemoteError(f"{self.url} speaks protocol {hello.get('protocol')} (version "
                              f"{hello.get('version')}), this side {PROTOCOL}: install one version on both")
        if hello["token"] and not token:
            raise RemoteError(f"{self.url} wants its token: tcp://host:port?token=... or $VTA_TOKEN")
        nonces = hello["nonce"], secrets.token_bytes(NONCE_BYTES)
        self._wire.send("hello", protocol=PROTOCOL, nonce=nonces[1], config=config.architecture,
                        proof=proof(token or "", "client", *nonces))
        ready = self._answer(self._timeout)
        if ready["op"] == "wait":
            ready = self._answer(wait, f"{self.url} is in use by another client; gave up after {wait} s")
        if ready["proof"] != proof(token or "", "server", *nonces):
            raise RemoteError(f"{self.url} does not know the token: not the server you mean")
        return ready

    def _answer(self, timeout, late=None):
        """The next message; a refusal of the server becomes a RemoteError."""
        try:
            message = self._wire.receive(timeout=timeout)
        except WireError as error:
            raise RemoteError(late or f"{self.url}: {error}") from None
        return self._granted(message)

    def _granted(self, message):
        if message["op"] == "refused":
            raise RemoteError(f"{self.url}: {message.get('message')}")
        return message

    def _ask(self, op, **values):
        self._tell(op, **values)
        return self._answer(self._timeout)

    def _tell(self, op, **values):
        if self._wire is None:
            raise RemoteError(f"{self.url}: the device is closed")
        try:
            self._wire.send(op, **values)
        except WireError as error:
            raise RemoteError(f"{self.url}: {error}") from None

    @property
    def tokens(self):
        return self._ask("tokens")["tokens"]

    def set_tokens(self, **counts):
        self._ask("set_tokens", tokens=check_tokens(counts))

    def reset(self):
        self._ask("reset")

    def _run(self, insn_address, insn_count, watchdog, progress):
        try:
            return self._exchange(insn_address, insn_count, watchdog, progress)
        except DeviceError:
            raise
        except BaseException:                    # Ctrl-C, or an error in `progress`: answers are still in flight
            self._hang_up()
            raise

    def _exchange(self, insn_address, insn_count, watchdog, progress):
        """Send changed pages, run, receive changed pages, up to the message that ends the run."""
        for address, data in changes(self.memory, self._known):
            self._ask("write", address=address, data=data)
        self._tell("run", address=int(insn_address), count=int(insn_count), watchdog=watchdog,
                   progress=progress is not None)
        while True:
            message = self._answer(None)         # a run may take long; a dead server is noticed by TCP
            if message["op"] == "progress":
                if progress is not None:
                    progress(message["cycles"])
            elif message["op"] == "data":
                self.memory.write(message["address"], message["data"])
                self._known.write(message["address"], message["data"])
            else:
                return self._finish(message)

    @staticmethod
    def _finish(message):
        result = None if message["result"] is None else RunResult(**message["result"])
        error = message.get("error")
        if error is None:
            return result
        unit = None if error["unit"] is None else Unit(error["unit"])
        raise KINDS[error["kind"]](error["message"], error_cause(error["cause"]), unit, error["insn"], result)

    def _hang_up(self):
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def close(self):
        self._hang_up()
        self._known.close()
        super().close()


def parse_url(url):
    """(host, port, token or None) of tcp://host:port?token=...; ValueError where it is malformed."""
    parts = urlsplit(url)
    try:
        port = parts.port if parts.port is not None else DEFAULT_PORT
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError as error:
        raise ValueError(f"device {url.split('?')[0]!r}: {error}") from None
    if parts.scheme != "tcp" or not parts.hostname or parts.path.strip("/") or set(query) - {"token"}:
        raise ValueError(f"device {url.split('?')[0]!r}: must be tcp://host:port or tcp://host:port?token=...")
    return parts.hostname, port, query.get("token", [None])[0]
