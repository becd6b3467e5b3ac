"""Puts tokens into a random program so that its result depends on no timing.

The sequencer keeps, as the stream grows, what each unit surely knows of the others: its *clock*, the number of
instructions of load, compute and store that are done when its next one starts. Tokens carry the clock of
the instruction that gives them. Before an instruction is appended that touches what another unit touched
before, tokens are popped, or given and popped, until the clock covers that; more tokens than needed are given
and taken at random, so that units run ahead as far as they ever may.
"""

from collections import deque

import numpy as np

from vta.hw.isa import TOKEN_FLAGS, UNIT_QUEUES, MemType, Opcode, Queue, Unit

UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
# queue -> (unit that gives, its flag, unit that takes, its flag)
ENDS = {}
for _unit, _queues in UNIT_QUEUES.items():
    for _flag, _queue in zip(TOKEN_FLAGS, _queues, strict=True):
        if _queue is not None:
            ENDS.setdefault(_queue, {})[_flag.split("_")[0]] = (_unit, _flag)
ENDS = {queue: (*ends["push"], *ends["pop"]) for queue, ends in ENDS.items()}
BETWEEN = {(giver, taker): queue for queue, (giver, _, taker, _) in ENDS.items()}


class Sequencer:
    """A stream in the making: `insns` is a list of (fields, Unit).

    `tokens`: how many are in each queue (by Queue) at launch. `nop(unit)` returns the fields of a token
    instruction. `eager` is the probability of a token that is not needed.
    """

    def __init__(self, config, rng, tokens, nop, eager):
        self.config, self.rng, self._nop, self.eager = config, rng, nop, eager
        self.insns = []
        self.clock = {unit: dict.fromkeys(UNITS, 0) for unit in UNITS}
        self.queues = {queue: deque([dict.fromkeys(UNITS, 0)] * tokens[queue]) for queue in Queue}
        self._given = {queue: tokens[queue] for queue in Queue}
        self._taken = dict.fromkeys(Queue, 0)
        self._taken_by = {queue: [0] for queue in Queue}     # ... by the taker's first n instructions
        self._latest = dict.fromkeys(UNITS)
        self._pending = {unit: set() for unit in UNITS}      # pop flags of the unit's next instruction
        self._last = {}                                      # (memory, unit, writes) -> clock of the last access

    def add(self, unit, fields, touches=()):
        """Append an instruction. `touches`: (memory, its size, entries, writes) each; a memory is any name."""
        for memory, _, entries, writes in touches:
            for other in UNITS:
                for kind in (False, True) if writes else (True,):
                    if other != unit and (memory, other, kind) in self._last:
                        self.know(unit, other, int(self._last[memory, other, kind][entries].max(initial=0)))
        for queue, (_, _, taker, flag) in ENDS.items():
            if taker == unit and self.queues[queue] and flag not in self._pending[unit] and self._by_chance():
                self.pop(queue)
        self._append(unit, fields)
        for memory, size, entries, writes in touches:
            last = self._last.setdefault((memory, unit, writes), np.zeros(size, np.int64))
            last[entries] = self.clock[unit][unit]
        for queue, (giver, _, _, _) in ENDS.items():
            if giver == unit and self._by_chance() and self._room(queue) > 2:
                self._give(queue, self.insns[-1][0])

    def know(self, unit, other, count):
        """Make `unit` wait until `other` has done its first `count` instructions."""
        if self.clock[unit][other] >= count:
            return
        if (other, unit) not in BETWEEN:                     # load and store: by way of compute
            self.know(Unit.COMPUTE, other, count)
            if self._pending[Unit.COMPUTE]:
                self.nop(Unit.COMPUTE)
            return self.know(unit, Unit.COMPUTE, self.clock[Unit.COMPUTE][Unit.COMPUTE])
        queue = BETWEEN[other, unit]
        while self.clock[unit][other] < count:
            if not self.queues[queue]:
                self.push(queue)
            self.pop(queue)

    def pop(self, queue):
        """Let the next instruction of the queue's taker take a token, which must be there."""
        _, _, unit, flag = ENDS[queue]
        if flag in self._pending[unit]:
            self.nop(unit)
        self._pending[unit].add(flag)
        self._taken[queue] += 1
        for other, count in self.queues[queue].popleft().items():
            self.clock[unit][other] = max(self.clock[unit][other], count)

    def push(self, queue):
        """Let the giver's latest instruction give a token, or a token instruction after it."""
        unit, flag, taker, _ = ENDS[queue]
        if self._room(queue) < 2:
            self.know(unit, taker, self.clock[taker][taker])
        latest = self._latest[unit]
        if latest is None or self._pending[unit] or latest.get(flag) or self.rng.random() < 0.3:
            self.nop(unit)
        self._give(queue, self._latest[unit])

    def nop(self, unit):
        """Append a token instruction."""
        self._append(unit, self._nop(unit))

    def finish(self, wait=True):
        """Append FINISH, which waits for all instructions before it, or for none."""
        if wait:
            self.settle()
        self.add(Unit.COMPUTE, {"opcode": int(Opcode.FINISH)})

    def settle(self):
        """Let the next instruction of compute wait for everything."""
        for unit in (Unit.LOAD, Unit.STORE):
            self.know(Unit.COMPUTE, unit, self.clock[unit][unit])

    def tokens_left(self):
        return {queue: len(tokens) for queue, tokens in self.queues.items()}

    def _by_chance(self):
        return self.rng.random() < self.eager

    def _room(self, queue):
        """Tokens that may be given now, whatever the timing."""
        unit, _, taker, _ = ENDS[queue]
        return self.config.token_depth - self._given[queue] + self._taken_by[queue][self.clock[unit][taker]]

    def _give(self, queue, fields):
        unit, flag, _, _ = ENDS[queue]
        fields[flag] = 1
        self._given[queue] += 1
        self.queues[queue].append(dict(self.clock[unit]))

    def _append(self, unit, fields):
        fields |= dict.fromkeys(self._pending[unit], 1)
        self._pending[unit].clear()
        self.insns.append((fields, unit))
        self._latest[unit] = fields
        self.clock[unit][unit] += 1
        for queue, (_, _, taker, _) in ENDS.items():
            if taker == unit:
                self._taken_by[queue].append(self._taken[queue])


def token_nop(rng, unit):
    """A random instruction of `unit` without work: x_size 0, everything else whatever it may be."""
    memory = {Unit.LOAD: (MemType.INP, MemType.WGT), Unit.COMPUTE: (MemType.UOP, MemType.ACC, MemType.ACC_8BIT,
                                                                    MemType.OUT, 6, 7),
              Unit.STORE: range(8)}[unit]
    fields = {"opcode": int(Opcode.STORE if unit == Unit.STORE else Opcode.LOAD), "mem_type": int(rng.choice(memory))}
    if rng.random() < 0.3:
        fields |= {"sram_base": rng.getrandbits(16), "dram_base": rng.getrandbits(32), "y_size": rng.getrandbits(16),
                   "x_stride": rng.getrandbits(16), "x_pad_0": rng.getrandbits(4), "y_pad_1": rng.getrandbits(4)}
        if unit == Unit.STORE:
            fields |= {"x_pad_0": 0, "y_pad_1": 0}
    return fields
