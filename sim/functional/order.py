"""The order in which the functional simulator executes a stream: program order, as far as tokens allow.

Tokens do not depend on data, so the order is computed before anything is executed.
"""

from dataclasses import dataclass

import numpy as np

from vta.hw.isa import WORKERS, Opcode, Queue


@dataclass
class Order:
    """`executed`: positions in the stream, in order of execution; the last is the FINISH that ended the run.

    `tokens_left`: by Queue number. `finished` is false when the stream got stuck; then `waiting` lists, for
    each unit that has an instruction left, (Unit, position, [Queue it waits for]).
    """

    executed: np.ndarray
    tokens_left: list
    finished: bool
    waiting: list

    def deadlock(self, columns):
        """Why the run got stuck, in one line."""
        if not self.waiting:
            return f"all {len(columns)} instructions executed and there was no FINISH"
        return "; ".join(
            f"{unit.name.lower()} waits at its instruction {columns.in_unit(position)} ({position} of the "
            f"stream) for a token from {' and '.join(queue.name.lower() for queue in queues)}"
            for unit, position, queues in self.waiting if queues)


def order(columns, tokens):
    """The Order of a stream, given the tokens in the queues (by Queue number) at its start.

    Each unit executes in order; an instruction is ready when every token it pops is available; of several that
    are ready, the earliest in the stream executes. FINISH ends the run; what is left is never executed.
    """
    finishes = np.flatnonzero(columns.opcode == Opcode.FINISH)
    if not finishes.size:
        return _any_order(columns, tokens)
    end = int(finishes[0]) + 1
    pops, pushes = columns.pop_flags[:, :end], columns.push_flags[:, :end]
    balance = np.array(tokens)[:, None] + np.cumsum(pushes.astype(np.int64) - pops, axis=1)
    if (balance - pushes >= 0).all():        # no instruction waits for a later one: program order
        return Order(np.arange(end), balance[:, -1].tolist(), True, [])
    return _any_order(columns, tokens)


def _any_order(columns, tokens):
    tokens = list(tokens)
    opcodes = columns.opcode.tolist()
    pops, pushes = columns.pops, columns.pushes
    queues = {unit: np.flatnonzero(columns.unit == unit).tolist() for unit in WORKERS}
    heads = dict.fromkeys(queues, 0)
    executed = []
    while True:
        ready = [(queue[heads[unit]], unit) for unit, queue in queues.items() if heads[unit] < len(queue)
                 and all(tokens[q] for q in pops[queue[heads[unit]]])]
        if not ready:
            break
        position, unit = min(ready)
        heads[unit] += 1
        executed.append(position)
        for queue in pops[position]:
            tokens[queue] -= 1
        for queue in pushes[position]:
            tokens[queue] += 1
        if opcodes[position] == Opcode.FINISH:
            return Order(np.array(executed), tokens, True, [])
    waiting = []
    for unit, queue in queues.items():
        if heads[unit] < len(queue):
            position = queue[heads[unit]]
            waiting.append((unit, position, [Queue(q) for q in pops[position] if not tokens[q]]))
    return Order(np.array(executed, np.int64), tokens, False, waiting)
