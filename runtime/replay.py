"""Run a vector on a device and compare all results: DRAM byte for byte, tokens, statistics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vta.hw.isa import INSN_BYTES
from vta.runtime.device import Device, DeviceError, RunResult
from vta.runtime.memory import Memory
from vta.runtime.vector import Vector, VectorError


@dataclass(frozen=True)
class Replay:
    """`differences` are messages, the first differing byte of DRAM first; empty if all is equal. `result` is the
    RunResult, or None if the run produced none."""

    differences: tuple[str, ...]
    result: RunResult | None

    @property
    def equal(self) -> bool:
        return not self.differences


def replay(vector: Vector, device: Device, *, progress: Callable[[int], object] | None = None) -> Replay:
    """Load a Vector into an otherwise empty DRAM, set its tokens, run it, compare; returns a Replay.

    AddressError for a vector that does not fit the device's DRAM, VectorError if its `insns` are not the stream in
    its DRAM. An error of the run is a difference.
    """
    memory = device.memory
    expected = Memory(memory.size, memory.base)
    try:
        vector.before.write(expected)
        _check_stream(vector, expected)
        device.reset()
        device.set_tokens(**vector.tokens_before)
        memory.clear()
        vector.before.write(memory)
        differences = []
        try:
            result = device.run(vector.insn_address, len(vector.insns), progress=progress)
        except DeviceError as error:
            differences.append(str(error))
            result = error.result
        vector.after.write(expected)
        differences += _dram(memory, expected)
    finally:
        expected.close()
    if result is not None:
        differences += _numbers("tokens", vector.tokens_left, result.tokens_left)
        differences += _numbers("statistics", vector.stats, result.stats)
    return Replay(tuple(differences), result)


def _check_stream(vector, memory):
    stream = memory.read(vector.insn_address, vector.insns.nbytes).view(np.uint64).reshape(-1, 2)
    differ = np.flatnonzero((stream != vector.insns).any(axis=1))
    if differ.size:
        raise VectorError(f"{vector.path}: instruction {differ[0]} of insns is not the one in DRAM at "
                          f"0x{vector.insn_address + INSN_BYTES * int(differ[0]):x}")


def _dram(memory, expected):
    """[message on the first byte that differs] or []. Pages that neither side wrote are not read."""
    first, count = None, 0
    for address, nbytes in _union([*memory.extents(), *expected.extents()]):
        got, want = memory.view(address, nbytes), expected.view(address, nbytes)
        if np.array_equal(got, want):
            continue
        where = np.flatnonzero(got != want)
        count += len(where)
        if first is None:
            n = int(where[0])
            first = f"DRAM at 0x{address + n:x}: expected 0x{want[n]:02x}, got 0x{got[n]:02x}"
    return [] if first is None else [f"{first} ({count} bytes differ)"]


def _union(ranges):
    """Ranges (address, nbytes) joined where they overlap or touch, ascending."""
    joined = []
    for address, nbytes in sorted(ranges):
        if joined and address <= sum(joined[-1]):
            start = joined[-1][0]
            joined[-1] = (start, max(sum(joined[-1]), address + nbytes) - start)
        else:
            joined.append((address, nbytes))
    return joined


def _numbers(what, expected, got):
    return [f"{what}: expected {name} = {value}, got {got.get(name)}"
            for name, value in expected.items() if got.get(name) != value]
