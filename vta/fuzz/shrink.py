"""Makes a failing case small: fewer launches, fewer instructions, smaller numbers, as long as it still fails.

Every candidate must pass `vta.compiler.check.checker`, so that a case never shrinks into a race.
"""

import logging
import time
from dataclasses import replace

import numpy as np

from vta.compiler.check.checker import check
from vta.hw.columns import Columns
from vta.hw.isa import (
    MEMORY,
    TOKEN_FLAGS,
    TOKEN_MASK,
    AluOp,
    MemType,
    Opcode,
    Queue,
    Unit,
    decode,
    encode,
    from_words,
    layouts,
    opcode_of,
    to_words,
    unit_of,
)

log = logging.getLogger(__name__)

FATAL = ("race", "deadlock", "tokens", "dram", "finish")
SMALLER = {"x_size": 1, "y_size": 1, "x_stride": 1, "y_pad_0": 0, "y_pad_1": 0, "x_pad_0": 0, "x_pad_1": 0,
           "sram_base": 0, "iter_out": 1, "iter_in": 1, "reset": 0, "requantise": 0, "pad_low": 0,
           "pad_high": 0, "imm": 0, "use_imm": 1,
           "alu_opcode": int(AluOp.ADD),
           **{f"{name}_factor_{loop}": 0 for name in ("dst", "src", "wgt") for loop in ("out", "in")}}
NOPS = {Unit.LOAD: (Opcode.LOAD, MemType.INP), Unit.COMPUTE: (Opcode.LOAD, MemType.UOP),
        Unit.STORE: (Opcode.STORE, MemType.OUT)}


def sound(case):
    """Whether no launch of the case has an unintended race, deadlock or overflow of tokens."""
    tokens, image = dict(case.tokens), case.dram()
    for launch in case.launches:
        finish = np.flatnonzero(opcode_of(launch.insns[:, 0]) == Opcode.FINISH)
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
    columns = Columns(insns, config)
    change = columns.push_flags.sum(axis=1) - columns.pop_flags.sum(axis=1)
    return {queue.name.lower(): tokens.get(queue.name.lower(), 0) + int(change[queue]) for queue in Queue}


def _positions(case, queue, flags):
    """(launch, position) of each instruction that pushes ("push_flags") or pops ("pop_flags") a token of `queue`; for
    tokens that are there before the first launch (None, None)."""
    before = [(None, None)] * (case.tokens.get(queue.name.lower(), 0) if flags == "push_flags" else 0)
    return before + [(number, n) for number, launch in enumerate(case.launches)
                     for n in np.flatnonzero(getattr(Columns(launch.insns, case.config), flags)[queue]).tolist()]


def _without(case, queue, first, last):
    """The case without the tokens `first` to `last` of a queue."""
    streams, tokens, name = [launch.insns.copy() for launch in case.launches], dict(case.tokens), queue.name.lower()
    for flags, flag in (("push_flags", queue.push_flag), ("pop_flags", queue.pop_flag)):
        for number, n in _positions(case, queue, flags)[first:last]:
            if number is None:
                tokens = {key: count - (key == name) for key, count in tokens.items() if count > (key == name)}
            else:
                streams[number][n, 0] &= ~np.uint64(1 << MEMORY[flag].offset)
    launches = tuple(replace(launch, insns=insns) for launch, insns in zip(case.launches, streams, strict=True))
    return replace(case, tokens=tokens, launches=launches)


def _idle_positions(insns, config):
    """Positions of the LOADs and STOREs that neither move anything nor handle tokens."""
    columns = Columns(insns, config)
    no_tokens = insns[:, 0] & np.uint64(TOKEN_MASK) == 0
    return np.flatnonzero((columns.is_load | columns.is_store) & ~columns.moves & no_tokens)


class Shrinker:
    """`fails(case)` is whether a case shows the difference; at most `seconds` are spent."""

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
        """Apply `change(word)` (None: unchanged) to instructions, many at a time, then fewer."""
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
        """Replace instructions by NOPs with the same tokens."""
        formats = layouts(case.config)

        def change(word):
            fields = decode(formats.memory, word)
            if fields["opcode"] == Opcode.FINISH:
                return None
            kept = {flag: fields[flag] for flag in TOKEN_FLAGS}
            opcode, mem_type = NOPS[unit_of(case.config, fields["opcode"], fields["mem_type"])]
            return encode(formats.memory, kept | {"opcode": opcode, "mem_type": mem_type})
        return self._each(case, change)

    def _pairs(self, case):
        """Remove tokens: the n-th push of a queue together with the n-th pop."""
        for queue in Queue:
            case = self._leave_out(case, lambda case, queue=queue: len(_positions(case, queue, "push_flags")),
                                   lambda case, first, last, queue=queue: _without(case, queue, first, last))
        return case

    def _idle(self, case):
        """Remove the instructions that do nothing."""
        for number, launch in enumerate(case.launches):
            def idle(case, number=number):
                return _idle_positions(case.launches[number].insns, case.config)

            def without(case, first, last, number=number, idle=idle):
                insns = np.delete(case.launches[number].insns, idle(case)[first:last], 0)
                return case.with_launch(number, insns=insns)

            case = self._leave_out(case, lambda case, idle=idle: len(idle(case)), without)
            case = self._try(case, case.with_launch(number, address=launch.address & ~0xFFF))
        return case

    def _leave_out(self, case, count, without):
        """Try `without(case, first, last)` on ranges of `count(case)` items, large ones first."""
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
        """Reduce one field at a time: to its least value, or by half."""
        formats = layouts(case.config)
        for name, least in SMALLER.items():
            def change(word, name=name, least=least, half=False):
                layout = formats.of_word(word)
                fields = decode(layout, word)
                if name not in fields or fields[name] == least:
                    return None
                if half and name == "imm" and fields["alu_opcode"] == AluOp.PAR:      # two bounds, in order
                    return None
                fields[name] = fields[name] // 2 if half and fields[name] > least else least
                return encode(layout, fields)
            case = self._each(case, change)
            case = self._each(case, lambda word, change=change: change(word, half=True))
        return case
