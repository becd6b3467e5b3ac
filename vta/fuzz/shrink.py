"""Makes a failing case small: fewer launches, fewer instructions, smaller numbers, as long as it still fails.

What is tried must stay a program whose result depends on no timing, and `vta.compiler.check.checker` says whether it
does; so a case never shrinks into a race.
"""

import logging
import time
from dataclasses import replace

import numpy as np

from vta.compiler.check.checker import check
from vta.hw.isa import (
    TOKEN_FLAGS,
    UNIT_QUEUES,
    Opcode,
    Queue,
    Unit,
    decode,
    encode,
    from_words,
    layouts,
    to_words,
    unit_of,
)

log = logging.getLogger(__name__)

FATAL = ("race", "deadlock", "tokens", "dram")
SMALLER = {"x_size": 1, "y_size": 1, "x_stride": 1, "y_pad_0": 0, "y_pad_1": 0, "x_pad_0": 0, "x_pad_1": 0,
           "sram_base": 0, "iter_out": 1, "iter_in": 1, "reset": 0, "imm": 0, "use_imm": 1, "alu_opcode": 2,
           **{f"{name}_factor_{loop}": 0 for name in ("dst", "src", "wgt") for loop in ("out", "in")}}


def sound(case):
    """Whether no launch of the case has a race, deadlock or too many tokens, other than those it is meant to."""
    tokens, image = dict(case.tokens), case.dram()
    for launch in case.launches:
        finish = np.flatnonzero(launch.insns[:, 0] & np.uint64(7) == Opcode.FINISH)
        insns = launch.insns[:finish[0] + 1] if len(finish) else launch.insns
        expected = _tokens_left(insns, case.config, tokens)
        if min(expected.values()) < 0 and launch.ends:
            return False
        report = check(insns, case.config, memory=lambda at, n: image[at:at + n], tokens_before=tokens,
                       tokens_left=expected)
        if launch.ends and (any(fault.kind in FATAL for fault in report.faults) or not len(finish)):
            return False
        tokens = report.tokens_left
    return True


def _tokens_left(insns, config, tokens):
    """Tokens by queue name after all of `insns`."""
    left = {queue.name.lower(): tokens.get(queue.name.lower(), 0) for queue in Queue}
    for word in map(from_words, insns.tolist()):
        for flag, queue in _flags(word, config):
            left[queue.name.lower()] += 1 if flag.startswith("push") else -1
    return left


def _flags(word, config):
    """(flag, Queue) for each token that an instruction takes or gives."""
    fields = decode(layouts(config).memory, word)
    unit = unit_of(fields["opcode"], fields["mem_type"])
    return [(flag, queue) for flag, queue in zip(TOKEN_FLAGS, UNIT_QUEUES[unit], strict=True)
            if queue is not None and fields[flag]]


def _users(case, queue, verb):
    """(launch, position, flag) of each instruction that gives ("push") or takes ("pop") a token of `queue`; for
    tokens that are there before the first launch (None, None, None)."""
    before = [(None,) * 3] * (case.tokens.get(queue.name.lower(), 0) if verb == "push" else 0)
    return before + [(number, n, flag) for number, launch in enumerate(case.launches)
                     for n, words in enumerate(launch.insns.tolist())
                     for flag, used in _flags(from_words(words), case.config)
                     if used == queue and flag.startswith(verb)]


def _without(case, queue, first, last):
    """The case without the tokens `first` to `last` of a queue."""
    streams, layout = [launch.insns.copy() for launch in case.launches], layouts(case.config).memory
    tokens, name = dict(case.tokens), queue.name.lower()
    for verb in ("push", "pop"):
        for number, n, flag in _users(case, queue, verb)[first:last]:
            if number is None:
                tokens = {key: count - (key == name) for key, count in tokens.items() if count > (key == name)}
            else:
                streams[number][n, 0] &= ~np.uint64(1 << layout[flag].offset)
    launches = tuple(replace(launch, insns=insns) for launch, insns in zip(case.launches, streams, strict=True))
    return replace(case, tokens=tokens, launches=launches)


def _is_idle(word, config):
    fields = decode(layouts(config).memory, word)
    return fields["opcode"] <= Opcode.STORE and not any(fields[name] for name in ("x_size", *TOKEN_FLAGS))


class Shrinker:
    """`fails(case)` says whether a case shows the difference; at most `seconds` are spent."""

    def __init__(self, fails, seconds=120):
        self._fails, self._end = fails, time.monotonic() + seconds

    def shrink(self, case):
        """The smallest case found that still fails."""
        for step in (self._launches, self._neutral, self._idle, self._pairs, self._idle, self._behaviour,
                     self._numbers, self._neutral, self._pairs, self._idle, self._launches):
            case = step(case)
            log.info("%s instructions left", sum(len(launch.insns) for launch in case.launches))
        return case

    def _try(self, case, smaller):
        """`smaller` if it fails too, else `case`."""
        if time.monotonic() > self._end or not sound(smaller) or not self._fails(smaller):
            return case
        return smaller

    def _launches(self, case):
        for number in reversed(range(len(case.launches))):
            if len(case.launches) > 1:
                rest = case.launches[:number] + case.launches[number + 1:]
                case = self._try(case, replace(case, launches=rest))
        return case

    def _each(self, case, change):
        """Apply `change(word)` (None: leave it) to instructions, many at a time, then fewer."""
        for number in range(len(case.launches)):
            size = max(len(case.launches[number].insns) // 2, 1)
            while size:
                for first in range(0, len(case.launches[number].insns), size):
                    insns = case.launches[number].insns.copy()
                    for n in range(first, min(first + size, len(insns))):
                        word = change(from_words(insns[n].tolist()))
                        if word is not None:
                            insns[n] = to_words(word)
                    if (insns != case.launches[number].insns).any():
                        case = self._try(case, case.with_launch(number, insns=insns))
                size //= 2
        return case

    def _neutral(self, case):
        """Instructions without work, their tokens kept."""
        formats = layouts(case.config)

        def change(word):
            fields = decode(formats.memory, word)
            if fields["opcode"] == Opcode.FINISH:
                return None
            kept = {flag: fields[flag] for flag in TOKEN_FLAGS}
            nop = {Unit.LOAD: (Opcode.LOAD, 2), Unit.COMPUTE: (Opcode.LOAD, 0), Unit.STORE: (Opcode.STORE, 4)}
            opcode, mem_type = nop[unit_of(fields["opcode"], fields["mem_type"])]
            return encode(formats.memory, kept | {"opcode": opcode, "mem_type": mem_type})
        return self._each(case, change)

    def _pairs(self, case):
        """Without tokens: the n-th one of a queue is neither given nor taken."""
        for queue in Queue:
            case = self._leave_out(case, lambda case, queue=queue: len(_users(case, queue, "push")),
                                   lambda case, first, last, queue=queue: _without(case, queue, first, last))
        return case

    def _idle(self, case):
        """Without the instructions that do nothing."""
        for number, launch in enumerate(case.launches):
            def idle(case, number=number):
                return [n for n, words in enumerate(case.launches[number].insns.tolist())
                        if _is_idle(from_words(words), case.config)]

            def without(case, first, last, number=number, idle=idle):
                insns = np.delete(case.launches[number].insns, idle(case)[first:last], 0)
                return case.with_launch(number, insns=insns)

            case = self._leave_out(case, lambda case, idle=idle: len(idle(case)), without)
            case = self._try(case, case.with_launch(number, address=launch.address & ~0xFFF))
        return case

    def _leave_out(self, case, count, without):
        """Try `without(case, first, last)` on ranges of the `count(case)` things there are: large, then small ones."""
        size = max(count(case), 1)
        while size:
            first = 0
            while first < count(case):
                kept = self._try(case, without(case, first, first + size))
                first += size if kept is case else 0
                case = kept
            size //= 2
        return case

    def _behaviour(self, case):
        for number, launch in enumerate(case.launches):
            case = self._try(case, case.with_launch(number, memory={}))
            for name in launch.memory:
                memory = {key: value for key, value in case.launches[number].memory.items() if key != name}
                case = self._try(case, case.with_launch(number, memory=memory))
        return case

    def _numbers(self, case):
        """Smaller fields, one at a time: as small as can be, or half."""
        formats = layouts(case.config)
        for name, least in SMALLER.items():
            def change(word, name=name, least=least, half=False):
                layout = formats.of(word & 7)
                fields = decode(layout, word)
                if name not in fields or fields[name] == least:
                    return None
                fields[name] = fields[name] // 2 if half and fields[name] > least else least
                return encode(layout, fields)
            case = self._each(case, change)
            case = self._each(case, lambda word, change=change: change(word, half=True))
        return case
