"""Adds tokens to a random program so that its result does not depend on timing.

The sequencer tracks, as the stream grows, what each unit is certain to know of the others: its *clock*, the number of
instructions of load, compute and store that are done when its next one starts. Tokens carry the clock of the
instruction that pushes them. Before an instruction is appended that accesses what another unit accessed, tokens are
popped, or pushed and popped, until the clock covers that access; more tokens than needed are pushed and popped at
random, so that units run ahead as far as possible.
"""

from collections import deque

import numpy as np

from vta.hw.columns import CODES
from vta.hw.config import PAD_BASE_BITS
from vta.hw.isa import WORKERS, MemType, Opcode, Queue, Unit, unit_of


class Sequencer:
    """A stream under construction: `insns` is a list of (fields, Unit).

    `tokens`: how many are in each queue (by Queue) at launch. `nop(unit)` returns the fields of a token
    instruction. `eager` is the probability of a token that is not needed.
    """

    def __init__(self, config, rng, tokens, nop, eager):
        self.config, self.rng, self._nop, self.eager = config, rng, nop, eager
        self.insns = []
        self.clock = {unit: dict.fromkeys(WORKERS, 0) for unit in WORKERS}
        self.queues = {queue: deque([dict.fromkeys(WORKERS, 0)] * tokens[queue]) for queue in Queue}
        self._pushed = {queue: tokens[queue] for queue in Queue}
        self._popped = dict.fromkeys(Queue, 0)
        self._popped_by = {queue: [0] for queue in Queue}    # ... by the consumer's first n instructions
        self._latest = dict.fromkeys(WORKERS)
        self._pending = {unit: set() for unit in WORKERS}    # pop flags of the unit's next instruction
        self._last = {}                                      # (memory, unit, writes) -> clock of the last access

    def add(self, unit, fields, accesses=()):
        """Append an instruction. `accesses`: (memory, its size, entries, writes) each; a memory is any name."""
        for memory, _, entries, writes in accesses:
            for other in WORKERS:
                for kind in (False, True) if writes else (True,):
                    if other != unit and (memory, other, kind) in self._last:
                        self.know(unit, other, int(self._last[memory, other, kind][entries].max(initial=0)))
        for queue in Queue:
            if (queue.consumer == unit and self.queues[queue] and queue.pop_flag not in self._pending[unit]
                    and self._by_chance()):
                self.pop(queue)
        self._append(unit, fields)
        for memory, size, entries, writes in accesses:
            last = self._last.setdefault((memory, unit, writes), np.zeros(size, np.int64))
            last[entries] = self.clock[unit][unit]
        for queue in Queue:
            if queue.producer == unit and self._by_chance() and self._room(queue) > 2:
                self._set_push(queue, self.insns[-1][0])

    def know(self, unit, other, count):
        """Make `unit` wait until `other` has done its first `count` instructions."""
        if self.clock[unit][other] >= count:
            return
        queue = Queue.between(other, unit)
        if queue is None:                                    # load and store: by way of compute
            self.know(Unit.COMPUTE, other, count)
            if self._pending[Unit.COMPUTE]:
                self.nop(Unit.COMPUTE)
            return self.know(unit, Unit.COMPUTE, self.clock[Unit.COMPUTE][Unit.COMPUTE])
        while self.clock[unit][other] < count:
            if not self.queues[queue]:
                self.push(queue, reserve=0)
            self.pop(queue)

    def pop(self, queue):
        """Let the consumer's next instruction pop a token, which must be in the queue."""
        unit, flag = queue.consumer, queue.pop_flag
        if flag in self._pending[unit]:
            self.nop(unit)
        self._pending[unit].add(flag)
        self._popped[queue] += 1
        for other, count in self.queues[queue].popleft().items():
            self.clock[unit][other] = max(self.clock[unit][other], count)

    def push(self, queue, reserve=1):
        """Let the producer's latest instruction push a token, or a token instruction after it.

        `reserve` places are left free, for a token that says how many have been popped: without them two units
        might each wait to hear from the other."""
        unit, consumer = queue.producer, queue.consumer
        if self._room(queue) <= reserve:
            self.know(unit, consumer, self.clock[consumer][consumer])
        latest = self._latest[unit]
        if latest is None or self._pending[unit] or latest.get(queue.push_flag) or self.rng.random() < 0.3:
            self.nop(unit)
        self._set_push(queue, self._latest[unit])

    def nop(self, unit):
        """Append a token instruction."""
        self._append(unit, self._nop(unit))

    def finish(self, wait=True):
        """Append FINISH; it waits for all instructions before it unless `wait` is false."""
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
        """Tokens that may be pushed now, whatever the timing."""
        done = self.clock[queue.producer][queue.consumer]
        return self.config.token_depth - self._pushed[queue] + self._popped_by[queue][done]

    def _set_push(self, queue, fields):
        fields[queue.push_flag] = 1
        self._pushed[queue] += 1
        self.queues[queue].append(dict(self.clock[queue.producer]))

    def _append(self, unit, fields):
        fields |= dict.fromkeys(self._pending[unit], 1)
        self._pending[unit].clear()
        self.insns.append((fields, unit))
        self._latest[unit] = fields
        self.clock[unit][unit] += 1
        for queue in Queue:
            if queue.consumer == unit:
                self._popped_by[queue].append(self._popped[queue])


def token_nop(config, rng, unit):
    """A random instruction of `unit` that only handles tokens: x_size is 0, all other fields are random."""
    opcode = Opcode.STORE if unit == Unit.STORE else Opcode.LOAD
    memory = [mem for mem in range(CODES) if unit_of(config, opcode, mem) == unit]
    fields = {"opcode": int(opcode), "mem_type": rng.choice(memory)}
    if rng.random() < 0.3:
        fields |= {"sram_base": rng.getrandbits(16), "dram_base": rng.getrandbits(32), "y_size": rng.getrandbits(16),
                   "x_stride": rng.getrandbits(16), "x_pad_0": rng.getrandbits(4), "y_pad_1": rng.getrandbits(4)}
        if unit == Unit.STORE:
            fields |= {"x_pad_0": 0, "y_pad_1": 0}
        elif fields["mem_type"] == MemType.INP_PAD:
            fields["sram_base"] %= 1 << PAD_BASE_BITS
    return fields
