"""The stream checker: proves that a stream's result depends on no timing, or names what is wrong.

The three units run at the same time and only tokens order them. The checker executes the tokens, not the
data: fetch dispatches in order into queues of finite depth, each unit executes in order, and every token
carries the *clock* of the instruction that gave it: how many instructions of load, compute and store are done
by then. Two accesses to one entry by different units, one of them a write, are ordered exactly if the later
one's clock covers the earlier one; else they are a race. Every on-chip memory has one unit that writes it and
one other that reads it (load and compute; compute and store), so the last writer and reader suffice.

    report = check(insns, config, memory=image, tokens_before={"s2g": 1})
    if report.faults: print(report)

Kinds of faults: "field", "bounds", "race", "deadlock", "tokens", "unwritten", "dram", "finish".
"""

from collections import Counter, deque

import numpy as np

from vta.compiler.check.footprint import Footprints, Touch
from vta.compiler.check.overlap import Overlaps
from vta.compiler.check.report import KEEP, CheckError, Fault, Report
from vta.compiler.check.rules import dram_faults, field_faults
from vta.hw.isa import TOKEN_FLAGS, UNIT_QUEUES, Opcode, Queue, Unit

__all__ = ["CheckError", "Fault", "Report", "check"]

LOAD, COMPUTE, STORE = 0, 1, 2   # places of the units in a clock
WRITER = {"INP": LOAD, "WGT": LOAD, "ACC": COMPUTE, "UOP": COMPUTE}
READER = {"INP": COMPUTE, "WGT": COMPUTE, "ACC": STORE, "UOP": COMPUTE}
NAMES = ("load", "compute", "store")
# plain ints from here on: enums would double the time
CONSUMER = {int(queue): unit for unit, name in enumerate(NAMES)
            for queue in UNIT_QUEUES[Unit[name.upper()]][:2] if queue is not None}
NESTS = (int(Opcode.GEMM), int(Opcode.ALU))
FINISH = int(Opcode.FINISH)


def check(insns, config, *, memory=None, tokens_before=None, tokens_left=None, regions=None, defined=None,
          stream_address=None):
    """Check one launch: `insns` (n, 2) uint64. Returns a Report.

    memory: `memory(address, nbytes)` -> uint8 array of DRAM before the launch, or None where unknown;
    micro-ops are read from it. tokens_before: queue name -> tokens there at launch; they stand for everything
    done before. tokens_left: what is expected at the end (default: nothing). regions: (k, 2) of (address,
    bytes), the DRAM that may be accessed. defined: the same, DRAM with contents (default: not checked).
    stream_address: where the stream lies, so that no STORE goes there.
    """
    insns = np.asarray(insns, np.uint64).reshape(-1, 2)
    run = _Run(insns, config, memory, tokens_before or {})
    for kind, insn, message in (*field_faults(run.feet),
                                *dram_faults(run.feet, regions, defined, stream_address)):
        run.fault(kind, insn, message)
    run.execute()
    run.check_end(tokens_left or {})
    return Report(len(insns), tuple(run.faults), sum(run.counts.values()),
                  {queue.name.lower(): len(run.tokens[queue]) for queue in Queue}, run.uops_known)


class _Run:
    """The state of one check."""

    def __init__(self, insns, config, memory, tokens_before):
        self.config, self.memory = config, memory
        self.feet = Footprints(insns, config)
        self.touches = self.feet.transfers()
        self.overlaps = Overlaps(self.feet)
        self.faults, self.counts = [], Counter()
        self.opcode = self.feet.opcode.tolist()
        self.tokens = [deque([(0, 0, 0)] * tokens_before.get(queue.name.lower(), 0)) for queue in Queue]
        self.given, self.taken = [len(tokens) for tokens in self.tokens], [0] * len(Queue)
        self.clocks = [[0, 0, 0] for _ in NAMES]
        self.depths = [getattr(config, f"{name}_queue_depth") for name in NAMES]
        # for each unit and instruction, how many of the unit's instructions come before it in the stream
        self.before = np.stack([np.cumsum(self.feet.unit == unit + 1) for unit in range(3)])
        self.order = [[], [], []]            # for each unit the stream numbers of what it executed
        self.waits = {}
        self.finish = None
        # memories whose unwritten entries are no fault: such data is harmless where nothing leaves
        # the chip (benchmarks of GEMM alone do that), and unknown micro-ops may have written any accumulator
        self.blind = set() if (self.feet.is_store & self.feet.moves).any() else {"INP", "WGT", "ACC"}
        self.uops_known = True
        self.uops = np.zeros(config.depth["UOP"], np.uint32)
        self.uops_valid = np.zeros(config.depth["UOP"], bool)
        # for each entry how many instructions its writer (reader) had executed after the last write (read)
        self.written = {name: np.zeros(config.depth[name], np.int64) for name in WRITER}
        self.read = {name: np.zeros(config.depth[name], np.int64) for name in READER}
        self.pops, self.pushes = self._flags("pop"), self._flags("push")
        self.pops_done = [[0] for _ in Queue]       # of each queue, by its consumer's first n instructions

    def fault(self, kind, insn, message, other=None):
        self.counts[kind] += 1
        if self.counts[kind] <= KEEP:
            self.faults.append(Fault(kind, insn, message, other))

    def _flags(self, verb):
        """For each instruction the tuple of queues it pops or pushes."""
        feet, table = self.feet, {}
        code = sum(feet.column[name] << bit for bit, name in enumerate(TOKEN_FLAGS))
        for unit, queues in UNIT_QUEUES.items():
            for bits in range(16):
                table[int(unit), bits] = tuple(
                    int(queue) for bit, (name, queue) in enumerate(zip(TOKEN_FLAGS, queues, strict=True))
                    if bits >> bit & 1 and queue is not None and name.startswith(verb))
        return [table[key] for key in zip(feet.unit.tolist(), code.tolist(), strict=True)]

    # execution of the tokens
    def execute(self):
        """Run fetch and the units until nothing moves any more."""
        units = (self.feet.unit - int(Unit.LOAD)).tolist()
        waiting, depths = (deque(), deque(), deque()), self.depths
        fetched, moved = 0, True
        while moved:
            moved = False
            while fetched < len(units) and len(waiting[units[fetched]]) < depths[units[fetched]]:
                waiting[units[fetched]].append(fetched)
                fetched, moved = fetched + 1, True
            for unit, queue in enumerate(waiting):
                while queue and self._step(unit, queue[0]):
                    queue.popleft()
                    moved = True
        self.heads = [queue[0] if queue else None for queue in waiting]

    def _step(self, unit, n):
        """Execute instruction `n`, the next of `unit`; False if it has to wait."""
        if self.finish is not None and unit == COMPUTE:
            return False
        pops = self.pops[n]
        for queue in pops:
            if not self.tokens[queue]:
                self.waits[unit] = queue
                return False
        clock = self.clocks[unit]
        for queue in pops:
            clock[:] = map(max, clock, self.tokens[queue].popleft())
            self.taken[queue] += 1
        clock[unit] += 1
        self.order[unit].append(n)
        self._touch(unit, n, clock)
        for queue, consumer in CONSUMER.items():
            if consumer == unit:
                self.pops_done[queue].append(self.taken[queue])
        for queue in self.pushes[n]:
            self._push(queue, unit, n, clock)
        if self.opcode[n] == FINISH:
            self.finish = n
        return True

    def _push(self, queue, unit, n, clock):
        self.tokens[queue].append(tuple(clock))
        self.given[queue] += 1
        # what the consumer has surely popped: by the clock, or since fetch could not have come here otherwise
        consumer = CONSUMER[queue]
        fetched = int(self.before[consumer, n]) - self.depths[consumer] - 1
        most = self.given[queue] - self.pops_done[queue][max(clock[consumer], fetched)]
        if most > self.config.token_depth:
            self.fault("tokens", n, f"queue {Queue(queue).name} may come to hold {most} tokens, "
                                    f"its depth is {self.config.token_depth}: larger pieces need fewer tokens, or "
                                    f"raise token_depth")

    def _touch(self, unit, n, clock):
        """Compare the accesses of instruction `n` with all earlier ones, and enter them."""
        touch = self.touches[n]
        if touch is None:
            if self.opcode[n] not in NESTS:
                return
            touch = self._nest(n)
        for memory, top in touch.beyond:
            self.fault("bounds", n, f"reaches {memory} index {top}, the memory has "
                                    f"{self.config.depth[memory]}")
        for memory, what in touch.reads:
            written, writer = self.written[memory], WRITER[memory]
            if memory not in self.blind and not written[what].all():
                at = self._first(what, written[what] == 0)
                self.fault("unwritten", n, f"reads {memory}[{at}], which nothing has written")
            if unit != writer:
                self._race(n, clock, memory, what, written[what], writer, "reads", "writes")
                self.read[memory][what] = clock[unit]
        for memory, what in touch.writes:
            reader = READER[memory]
            if unit != reader:
                self._race(n, clock, memory, what, self.read[memory][what], reader, "writes", "reads")
            self.written[memory][what] = clock[unit]
            if memory == "UOP":
                self._load_uops(n, what)
        if self.overlaps.touched[n]:
            for other, at in self.overlaps.access(unit, n, clock, self.order):
                self.fault("race", n, f"DRAM at {at:#x} is also accessed by instruction {other}, "
                                      f"and no token orders the two", other)

    def _race(self, n, clock, memory, what, last, unit, verb, other_verb):
        """Fault where `last`, the counts of `unit` after its last accesses, exceeds what the clock covers."""
        if last.max() <= clock[unit]:
            return
        late = last > clock[unit]
        at = np.arange(self.config.depth[memory])[what][late]
        other = self.order[unit][int(last[late][0]) - 1]
        self.fault("race", n, f"{NAMES[self.feet.unit[n] - 1]} {verb} {memory}[{at[0]}..{at[-1]}], which "
                              f"instruction {other} ({NAMES[unit]}) {other_verb}, "
                              f"and no token orders the two", other)

    def _first(self, what, mask):
        return int(what.start + mask.argmax()) if isinstance(what, slice) else int(what[mask.argmax()])

    # micro-ops
    def _load_uops(self, n, what):
        col, depth = self.feet.column, len(self.uops)
        size, stride = int(col["x_size"][n]), int(col["x_stride"][n])
        pads = any(col[f"{axis}_pad_{end}"][n] for axis in "xy" for end in (0, 1))
        self.uops_valid[what] = False
        if self.memory is None or pads or self.overlaps.touched[n]:
            return
        at = int(col["sram_base"][n])
        for row in range(int(col["y_size"][n])):
            data = self.memory((int(col["dram_base"][n]) + row * stride) * 4, size * 4)
            if data is None:
                return
            where = (at + row * size + np.arange(size)) % depth
            self.uops[where] = np.ascontiguousarray(data, np.uint8).view("<u4")
            self.uops_valid[where] = True

    def _nest(self, n):
        touch = self.feet.nest(n, self.uops)
        if not touch.reads:
            return touch
        what = touch.reads[0][1]                # its micro-ops
        if self.uops_valid[what].all():
            return touch
        self.blind.add("ACC")
        if self.written["UOP"][what].all():
            self.uops_known = False
        return Touch(touch.reads[:1], (), tuple(pair for pair in touch.beyond if pair[0] == "UOP"))

    # the end
    def check_end(self, expected):
        """Deadlock, FINISH, tokens."""
        heads = [(unit, n) for unit, n in enumerate(self.heads) if n is not None]
        if self.finish is None and not any(self.feet.opcode == Opcode.FINISH):
            self.fault("finish", None, "the stream has no FINISH: the run never ends")
        stuck = [(unit, n) for unit, n in heads if not (unit == COMPUTE and self.finish is not None)]
        if stuck:
            self.fault("deadlock", stuck[0][1], "; ".join(
                f"{NAMES[unit]} waits at instruction {n} for a token of {Queue(self.waits[unit]).name}"
                for unit, n in stuck))
        if self.finish is None:
            return
        if self.heads[COMPUTE] is not None:
            self.fault("finish", self.heads[COMPUTE], f"follows FINISH (instruction {self.finish}) in "
                                                      f"compute: it is never executed")
        for unit in (LOAD, STORE):
            for n in reversed(self.order[unit][self.clocks[COMPUTE][unit]:]):
                if self.touches[n] is not None:
                    self.fault("finish", n, "no token makes FINISH wait for it")
                    break
        left = {queue.name.lower(): len(self.tokens[queue]) for queue in Queue}
        for name, count in left.items():
            if not stuck and count != expected.get(name, 0):
                self.fault("tokens", None, f"{count} token{'s' * (count != 1)} left in {name.upper()}, "
                                           f"{expected.get(name, 0)} expected")
