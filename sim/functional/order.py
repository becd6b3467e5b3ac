"""The order in which the functional simulator executes a stream: program order, as far as tokens allow.

Tokens do not depend on data, so the whole order is known before anything is executed.
"""

from dataclasses import dataclass

import numpy as np

from vta.hw.isa import Opcode, Queue, Unit


@dataclass
class Order:
    """`executed`: positions in the stream, in order of execution, the FINISH that ended the run last.

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

    Each unit executes in order; an instruction starts when every token it pops is there; of several that
    could start, the earliest of the stream does. FINISH ends the run: what has not been executed never is.
    """
    finishes = np.flatnonzero(columns.opcode == Opcode.FINISH)
    if not finishes.size:
        return _any_order(columns, tokens)
    end = int(finishes[0]) + 1
    pops, pushes = (part[:, :end] for part in columns.tokens())
    balance = np.array(tokens)[:, None] + np.cumsum(pushes.astype(np.int64) - pops, axis=1)
    if (balance - pushes >= 0).all():        # nothing ever waits for a later instruction: plain program order
        return Order(np.arange(end), balance[:, -1].tolist(), True, [])
    return _any_order(columns, tokens)


def _any_order(columns, tokens):
    tokens = list(tokens)
    opcodes = columns.opcode.tolist()
    pops, pushes = ([np.flatnonzero(row).tolist() for row in flags.T] for flags in columns.tokens())
    queues = {unit: np.flatnonzero(columns.unit == unit).tolist()
              for unit in (Unit.LOAD, Unit.COMPUTE, Unit.STORE)}
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
