"""One device contract for functional simulator, RTL simulator, board and remote machine.

    with open_device("sim") as device:
        a = device.memory.alloc(1024)
        a.view(np.int8)[:] = ...
        result = device.run(insn_address, insn_count)

Addresses are the accelerator's byte addresses. A run continues after an error to its end; `run` then raises a
DeviceError whose `result` is that of the run.
"""

import abc
import importlib
import inspect
import operator
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vta.hw.config import Config
from vta.hw.counters import tvm_stats
from vta.hw.isa import INSN_BYTES, Queue, Unit
from vta.hw.registers import ErrorCause
from vta.runtime.memory import Memory

QUEUES = tuple(queue.name.lower() for queue in Queue)
STREAM_ALIGN = 4096
MAX_WATCHDOG = (1 << 32) - 1


@dataclass
class RunResult:
    """The result of one run. `cycles` is None on a device without cycles.

    `counters`: by the names of `vta.hw.counters`, events on every device, states on those with cycles. `stats`: the
    seven statistics of TVM's simulators. `tokens_left`: by dependency queue.
    """

    cycles: int | None
    counters: dict[str, int]
    tokens_left: dict[str, int]
    seconds: float
    stats: dict[str, int] = field(default_factory=dict)


class DeviceError(RuntimeError):
    """A run failed. `cause` is an ErrorCause, `unit` a Unit or None, `insn` the index of the instruction among
    those of its unit or None, `result` the RunResult up to the failure or None."""

    def __init__(self, message: str, cause: ErrorCause | int = ErrorCause.NONE, unit: Unit | None = None,
                 insn: int | None = None, result: RunResult | None = None):
        super().__init__(message)
        self.cause, self.unit, self.insn, self.result = cause, unit, insn, result


class InstructionError(DeviceError):
    """An instruction with an unknown opcode or memory type, or an on-chip index out of range."""


class BusError(DeviceError):
    """A bus transfer failed: usually an address outside of DRAM."""


class TokenError(DeviceError):
    """A dependency queue ran full."""


class DeadlockError(DeviceError):
    """No unit can proceed: each waits for a token that never comes, or FINISH is missing."""


KINDS = {"instruction": InstructionError, "bus": BusError, "token": TokenError, "deadlock": DeadlockError}


def error_cause(number):
    """The ErrorCause of this number, or the number itself if it is unknown (a newer accelerator)."""
    return ErrorCause(number) if number in list(ErrorCause) else number


def run_error(cause, unit=None, insn=None, detail="", result=None):
    """The DeviceError for an ErrorCause, as text: "compute, instruction 7: on-chip index ...: detail"."""
    kind = KINDS.get(getattr(cause, "kind", None), DeviceError)
    text = getattr(cause, "message", f"error {int(cause)}")
    where = [] if unit is None else [unit.name.lower()]
    where += [] if insn is None else [f"instruction {insn}"]
    message = ": ".join(part for part in (", ".join(where), text, detail) if part)
    return kind(message, cause, unit, insn, result)


class Device(abc.ABC):
    """An accelerator with its DRAM. Subclasses set `config` and `memory` (a Memory) and implement the rest.

    Scratchpads and tokens live from run to run; `reset` clears tokens, never memories.
    """

    name = "device"
    config: Config
    memory: Memory

    def __init__(self, config: Config, memory: Memory):
        self.config, self.memory = config, memory
        self.clear_stats()

    @property
    @abc.abstractmethod
    def tokens(self) -> dict[str, int]:
        """Tokens in the dependency queues now: {"l2g": n, "g2l": n, "g2s": n, "s2g": n}."""

    @abc.abstractmethod
    def set_tokens(self, **counts: int) -> None:
        """Set the given queues (`set_tokens(s2g=1)`), no others. ValueError for a bad name or count."""

    @abc.abstractmethod
    def _run(self, insn_address, insn_count, watchdog, progress):
        """Execute the stream; return a RunResult (`stats` may be left empty) or raise a DeviceError."""

    @abc.abstractmethod
    def reset(self) -> None:
        """Return to the power-up state: no instructions, tokens or errors. Memories are not cleared."""

    def close(self) -> None:
        """Release all resources; the device cannot be used afterwards."""
        self.memory.close()

    def run(self, insn_address: int, insn_count: int, *, watchdog: int | None = None,
            progress: Callable[[int], object] | None = None) -> RunResult:
        """Execute the `insn_count` instructions at DRAM byte address `insn_address`, up to FINISH.

        watchdog: cycles without progress after which the run is ended (None: the device's default; 0: never).
        progress: called periodically with the cycles so far, on devices with cycles.
        """
        insn_address, insn_count = operator.index(insn_address), operator.index(insn_count)     # numpy's too
        if watchdog is not None:
            watchdog = operator.index(watchdog)
            if not 0 <= watchdog <= MAX_WATCHDOG:
                raise ValueError(f"watchdog = {watchdog}: must be from 0 to {MAX_WATCHDOG} cycles")
        if insn_count < 1:
            raise ValueError(f"a stream of {insn_count} instructions: at least FINISH is needed")
        if insn_address % INSN_BYTES:
            raise ValueError(f"stream address 0x{insn_address:x} is not a multiple of {INSN_BYTES}")
        self.memory.check(insn_address, insn_count * INSN_BYTES)
        try:
            result = self._run(insn_address, insn_count, watchdog, progress)
        except DeviceError as error:
            self._account(error.result)
            raise
        self._account(result)
        return result

    def _account(self, result):
        if result is None:
            return
        result.stats = tvm_stats(result.counters, self.config)
        values = result.stats if result.cycles is None else result.stats | {"cycle_count": result.cycles}
        for sums in (self._stats, _PROCESS):
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value

    def run_insns(self, insns: ArrayLike, **options: Any) -> RunResult:
        """Copy a stream, (n, 2) uint64, into DRAM, `run` it, free it."""
        insns = np.ascontiguousarray(insns, np.uint64).reshape(-1, 2)
        with self.memory.alloc(max(insns.nbytes, 1), STREAM_ALIGN) as stream:
            self.memory.write(stream.address, insns)
            return self.run(stream.address, len(insns), **options)

    def stats(self) -> dict[str, int]:
        """TVM's statistics, and `cycle_count` on devices with cycles, summed over the runs since `clear_stats`."""
        return dict(self._stats)

    def clear_stats(self) -> None:
        self._stats = tvm_stats(defaultdict(int), self.config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


_PROCESS = {}                    # statistics of all devices of this process


def stats() -> dict[str, int]:
    """TVM's statistics, summed over the runs of all devices since `clear_stats`."""
    return tvm_stats(defaultdict(int), Config()) | _PROCESS


def clear_stats() -> None:
    """Reset the sums of `stats`; those of each device are unaffected."""
    _PROCESS.clear()


def check_tokens(counts):
    """The arguments of `set_tokens` as a dict of ints; ValueError for an unknown queue or a bad count."""
    for name, count in counts.items():
        if name not in QUEUES:
            raise ValueError(f"no dependency queue {name!r}; there are {', '.join(QUEUES)}")
        if int(count) != count or count < 0:
            raise ValueError(f"{count!r} tokens in {name}: must be a whole number, at least 0")
    return {name: int(count) for name, count in counts.items()}


# name -> module and class, imported on first use: the dependencies of the others need not be installed
DEVICES = {
    "sim": ("vta.runtime.functional", "FunctionalDevice"),
    "tsim": ("vta.runtime.tsim", "RtlDevice"),
    "pynq": ("vta.runtime.pynq", "PynqDevice"),
}
REMOTE = ("vta.runtime.remote.client", "RemoteDevice")


def open_device(name: str = "sim", config: Config | str = "default", **options: Any) -> Device:
    """The device `name`: "sim" (functional), "tsim" (RTL in Verilator), "pynq" (board), "tcp://host:port".

    `config` is a Config, a preset's name or the path of a `vta_config.json`. Options are the constructor's:
    e.g. `latency=16` for "tsim". ValueError for an unknown name or option.
    """
    config = Config.load(config)
    remote = str(name).startswith("tcp://")
    if not remote and name not in DEVICES:
        raise ValueError(f"no device {name!r}; there are {', '.join(DEVICES)} and tcp://host:port")
    module, kind = REMOTE if remote else DEVICES[name]
    kind = getattr(importlib.import_module(module), kind)
    known = [parameter.name for parameter in inspect.signature(kind).parameters.values()
             if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
             and parameter.name not in ("config", "url")]
    for option in options:
        if option not in known:
            raise ValueError(f"device {name!r} has no option {option!r}; it has {', '.join(known) or 'none'}")
    return kind(name, config, **options) if remote else kind(config, **options)
