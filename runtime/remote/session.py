"""A client's session on a served device: checks and answers its messages (see `vta.runtime.remote.serve`)."""

import contextlib
from dataclasses import asdict

from vta.hw.isa import Unit
from vta.runtime.device import MAX_WATCHDOG, DeviceError
from vta.runtime.memory import Memory
from vta.runtime.remote.client import KINDS
from vta.runtime.remote.wire import CHUNK, WireError, changes


class Session:
    """Answers the messages of one client until the connection ends."""

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
        with contextlib.suppress(WireError):     # the run ends first; sending its result then fails
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
