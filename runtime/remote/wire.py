"""Messages between `vta serve` and a remote device: msgpack maps over TCP, each after its length.

msgpack is small, maintained, and carries data only (no pickles). Plain sockets report a lost connection at once, which
is when the device has to be reset.

A frame is four bytes of length, big endian, and that many bytes of one msgpack map. The reader sets the longest frame
that it accepts; a longer one ends the connection.
"""

import contextlib
import hashlib
import hmac
import socket
import struct
import time

import numpy as np

from vta.runtime.device import DeviceError
from vta.runtime.memory import PAGE

PROTOCOL = 2                     # both sides must have the same
CHUNK = 1 << 20                  # bytes of DRAM in one message at most
HELLO_LIMIT = 4096               # longest frame before authentication
LIMIT = CHUNK + 65536            # longest frame after that
NONCE_BYTES = 16


class RemoteError(DeviceError):
    """The remote device refused, or the connection to it failed."""


class WireError(Exception):
    """The peer disconnected, timed out, or violated the protocol."""


def pack(message):
    return _msgpack().packb(message, use_bin_type=True)


def unpack(data):
    """The map in `data`; WireError for anything else."""
    try:
        message = _msgpack().unpackb(data, raw=False, strict_map_key=True)
    except Exception as error:                   # msgpack's errors have no common base
        raise WireError(f"not a message: {type(error).__name__}") from None
    if not isinstance(message, dict):
        raise WireError(f"not a message: {type(message).__name__}")
    return message


class Wire:
    """One connection. `send` and `receive` are for one thread at a time."""

    def __init__(self, connection):
        self.socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):            # a peer that lost power is noticed within a minute
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)

    def send(self, op, timeout=60.0, **values):
        """Send one message; WireError when it cannot be delivered within `timeout` seconds."""
        data = pack({"op": op, **values})
        try:
            self.socket.settimeout(timeout)
            self.socket.sendall(struct.pack(">I", len(data)) + data)
        except OSError as error:
            raise WireError(f"connection lost ({error})") from None

    def receive(self, limit=LIMIT, timeout=None):
        """The next message, a dict with "op".

        WireError when the connection ends, when the message is malformed or longer than `limit`, or when it is
        incomplete after `timeout` seconds (None: no limit).
        """
        end = None if timeout is None else time.monotonic() + timeout
        length, = struct.unpack(">I", self._exactly(4, end))
        if length > limit:
            raise WireError(f"a message of {length} bytes, the limit is {limit}")
        message = unpack(self._exactly(length, end))
        if not isinstance(message.get("op"), str):
            raise WireError("a message without op")
        return message

    def _exactly(self, count, end):
        data = bytearray()
        while len(data) < count:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise WireError("no answer in time")
            try:
                self.socket.settimeout(left)
                part = self.socket.recv(min(count - len(data), 1 << 18))
            except TimeoutError:
                raise WireError("no answer in time") from None
            except OSError as error:
                raise WireError(f"connection lost ({error})") from None
            if not part:
                raise WireError("the other side closed the connection")
            data += part
        return bytes(data)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def proof(token, side, server_nonce, client_nonce):
    """Proof that `side` ("client" or "server") knows the token, without sending it."""
    return hmac.digest(token.encode(), side.encode() + server_nonce + client_nonce, hashlib.sha256)


def changes(memory, known):
    """Yield (address, bytes), at most CHUNK bytes each, where `memory` differs from `known`, a Memory of the same
    window; `known` is updated on the way."""
    blocks = sorted({(address - memory.base + offset) // CHUNK for source in (memory, known)
                     for address, nbytes in source.extents()
                     for offset in [*range(0, nbytes, CHUNK), nbytes - 1]})
    for block in blocks:
        start, end = block * CHUNK, min((block + 1) * CHUNK, memory.size)
        new = memory.read(memory.base + start, end - start)      # a copy: another thread may be writing there
        old = known.bytes[start:end]
        differ = (new.reshape(-1, PAGE) != old.reshape(-1, PAGE)).any(axis=1)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], differ, [False])).astype(np.int8)))
        for first, last in edges.reshape(-1, 2) * PAGE:
            old[first:last] = new[first:last]
            yield memory.base + start + int(first), new[first:last].tobytes()


def _msgpack():
    try:
        import msgpack
    except ImportError:
        raise RemoteError("remote devices need msgpack: pip install amaranth-vta[remote]") from None
    return msgpack
