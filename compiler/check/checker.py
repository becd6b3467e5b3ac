"""The stream checker: proves that a stream's result does not depend on timing, or reports faults.

The three units run in parallel and only tokens order them. The checker executes the tokens, not the data: fetch
dispatches in order into queues of finite depth, each unit executes in order, and every token carries the *clock*
(a vector clock) of the instruction that pushed it: how many instructions of load, compute and store are done by
then. Two accesses to one entry by different units, at least one of them a write, are ordered if and only if the
later one's clock covers the earlier one; otherwise they race. Every on-chip memory has one unit that writes it and
one other that reads it (load and compute; compute and store), so the last writer and reader suffice.

    report = check(insns, config, memory=image, tokens_before={"s2g": 1})
    if report.faults: print(report)

Kinds of fault: "field", "bounds", "race", "deadlock", "tokens", "unwritten", "dram", "finish".
"""

from collections import Counter, deque

import numpy as np

from vta.compiler.check.footprint import Access, Footprints
from vta.compiler.check.overlap import Overlaps
from vta.compiler.check.report import KEEP, CheckError, Fault, Report
from vta.compiler.check.rules import dram_faults, field_faults
from vta.hw.isa import UOP_BYTES, WORKERS, Opcode, Queue

__all__ = ["CheckError", "Fault", "Report", "check"]

# plain ints from here on: enums would double the time
LOAD, COMPUTE, STORE = UNITS = range(3)          # positions of the units in a clock
NAMES = [unit.name.lower() for unit in WORKERS]
CONSUMER = [WORKERS.index(queue.consumer) for queue in Queue]
WRITER = {"INP": LOAD, "WGT": LOAD, "ACC": COMPUTE, "OUT": COMPUTE, "UOP": COMPUTE, "PAR": COMPUTE}
READER = {"INP": COMPUTE, "WGT": COMPUTE, "ACC": COMPUTE, "OUT": STORE, "UOP": COMPUTE, "PAR": COMPUTE}
NESTS = (int(Opcode.GEMM), int(Opcode.ALU), int(Opcode.WINDOW))
NAMED = {"PAR": "the parameters of requantisation"}
FINISH = int(Opcode.FINISH)


def check(insns, config, *, memory=None, tokens_before=None, tokens_left=None, regions=None, defined=None,
          stream_address=None):
    """Check one launch: `insns` (n, 2) uint64. Returns a Report.

    memory: `memory(address, nbytes)` -> uint8 array of DRAM before the launch, or None where unknown;
    micro-ops are read from it. tokens_before: queue name -> tokens present at launch; they stand for everything
    done before. tokens_left: those expected at the end (default: none). regions: (k, 2) of (address,
    bytes), the DRAM that may be accessed. defined: the same, DRAM with contents (default: not checked).
    stream_address: of the stream itself, where no STORE may write.
    """
    insns = np.asarray(insns, np.uint64).reshape(-1, 2)
    run = _Check(insns, config, memory, tokens_before or {})
    for kind, insn, message in (*field_faults(run.columns),
                                *dram_faults(run.footprints, regions, defined, stream_address)):
        run.fault(kind, insn, message)
    run.execute()
    run.check_end(tokens_left or {})
    return Report(len(insns), tuple(run.faults), sum(run.counts.values()),
                  {queue.name.lower(): len(run.tokens[queue]) for queue in Queue}, run.uops_known)


class _Check:
    """The state of one check."""

    def __init__(self, insns, config, memory, tokens_before):
        self.config, self.memory = config, memory
        self.footprints = Footprints(insns, config)
        self.columns = self.footprints.columns
        self.transfers = self.footprints.transfers()
        self.overlaps = Overlaps(self.footprints)
        self.faults, self.counts = [], Counter()
        self.opcode = self.columns.opcode.tolist()
        self.units = (self.columns.unit - int(WORKERS[0])).tolist()
        self.tokens = [deque([(0, 0, 0)] * tokens_before.get(queue.name.lower(), 0)) for queue in Queue]
        self.pushed, self.popped = [len(tokens) for tokens in self.tokens], [0] * len(Queue)
        self.clocks = [[0, 0, 0] for _ in UNITS]
        self.depths = [getattr(config, f"{name}_queue_depth") for name in NAMES]
        # for each unit and instruction, how many of the unit's instructions come before it in the stream
        self.before = np.stack([np.cumsum(self.columns.unit == unit) for unit in WORKERS])
        self.order = [[], [], []]            # for each unit, the stream positions of what it executed
        self.waits = {}
        self.finish = None
        # memories that may be read unwritten: harmless where nothing is stored (benchmarks of GEMM alone), and
        # unknown micro-ops may have written any accumulator
        self.blind = set() if (self.columns.is_store & self.columns.transfers).any() else set(WRITER) - {"UOP"}
        self.uops_known = True
        self.uops = np.zeros(config.depth["UOP"], np.uint32)
        self.uops_valid = np.zeros(config.depth["UOP"], bool)
        # for each entry how many instructions its writer (reader) had executed after the last write (read)
        depth = config.depth | {"PAR": 1}
        self.written = {name: np.zeros(depth[name], np.int64) for name in WRITER}
        self.read = {name: np.zeros(depth[name], np.int64) for name in READER}
        self.pops, self.pushes = self.columns.pops, self.columns.pushes
        self.pops_done = [[0] for _ in Queue]       # of each queue, by its consumer's first n instructions

    def fault(self, kind, insn, message, other=None):
        self.counts[kind] += 1
        if self.counts[kind] <= KEEP:
            self.faults.append(Fault(kind, insn, message, other))

    # execution of the tokens
    def execute(self):
        """Run fetch and the units until none can advance."""
        units, waiting, depths = self.units, (deque(), deque(), deque()), self.depths
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
            self.popped[queue] += 1
        clock[unit] += 1
        self.order[unit].append(n)
        self._access(unit, n, clock)
        for queue, consumer in enumerate(CONSUMER):
            if consumer == unit:
                self.pops_done[queue].append(self.popped[queue])
        for queue in self.pushes[n]:
            self._push(queue, unit, n, clock)
        if self.opcode[n] == FINISH:
            self.finish = n
        return True

    def _push(self, queue, unit, n, clock):
        self.tokens[queue].append(tuple(clock))
        self.pushed[queue] += 1
        # what the consumer has certainly popped: by the clock, or because fetch could not be here otherwise
        consumer = CONSUMER[queue]
        fetched = int(self.before[consumer, n]) - self.depths[consumer] - 1
        most = self.pushed[queue] - self.pops_done[queue][max(clock[consumer], fetched)]
        if most > self.config.token_depth:
            self.fault("tokens", n, f"queue {Queue(queue).name} may come to hold {most} tokens, "
                                    f"its depth is {self.config.token_depth}: larger pieces need fewer tokens, or "
                                    f"raise token_depth")

    def _access(self, unit, n, clock):
        """Compare the accesses of instruction `n` with all earlier ones, and record them."""
        access = self.transfers[n]
        if access is None:
            if self.opcode[n] not in NESTS:
                return
            access = self._nest(n)
        for memory, top in access.beyond:
            self.fault("bounds", n, f"reaches {memory} index {top}, the memory has "
                                    f"{self.config.depth[memory]}")
        for memory, what in access.reads:
            written, writer = self.written[memory], WRITER[memory]
            if memory not in self.blind and not written[what].all():
                at = self._first(what, written[what] == 0)
                self.fault("unwritten", n, f"reads {NAMED.get(memory, f'{memory}[{at}]')}, which nothing has written")
            if unit != writer:
                self._race(n, clock, memory, what, written[what], writer, "reads", "writes")
                self.read[memory][what] = clock[unit]
        for memory, what in access.writes:
            reader = READER[memory]
            if unit != reader:
                self._race(n, clock, memory, what, self.read[memory][what], reader, "writes", "reads")
            self.written[memory][what] = clock[unit]
            if memory == "UOP":
                self._load_uops(n, what)
        if self.overlaps.shared[n]:
            for other, at in self.overlaps.access(unit, n, clock, self.order):
                self.fault("race", n, f"DRAM at {at:#x} is also accessed by instruction {other}, "
                                      f"and no token orders the two", other)

    def _race(self, n, clock, memory, what, last, unit, verb, other_verb):
        """Report a race where `last`, the counts of `unit` after its last accesses, exceeds what the clock covers."""
        if last.max() <= clock[unit]:
            return
        late = last > clock[unit]
        at = np.arange(self.config.depth[memory])[what][late]
        other = self.order[unit][int(last[late][0]) - 1]
        self.fault("race", n, f"{NAMES[self.units[n]]} {verb} {memory}[{at[0]}..{at[-1]}], which "
                              f"instruction {other} ({NAMES[unit]}) {other_verb}, "
                              f"and no token orders the two", other)

    def _first(self, what, mask):
        return int(what.start + mask.argmax()) if isinstance(what, slice) else int(what[mask.argmax()])

    # micro-ops
    def _load_uops(self, n, what):
        get, depth = self.columns.memory, len(self.uops)
        size, stride = int(get["x_size"][n]), int(get["x_stride"][n])
        pads = any(get[f"{axis}_pad_{end}"][n] for axis in "xy" for end in (0, 1))
        self.uops_valid[what] = False
        if self.memory is None or pads or self.overlaps.shared[n]:
            return
        at = int(self.columns.sram_base[n])
        for row in range(int(get["y_size"][n])):
            data = self.memory((int(get["dram_base"][n]) + row * stride) * UOP_BYTES, size * UOP_BYTES)
            if data is None:
                return
            where = (at + row * size + np.arange(size)) % depth
            self.uops[where] = np.ascontiguousarray(data, np.uint8).view("<u4")
            self.uops_valid[where] = True

    def _nest(self, n):
        access = self.footprints.nest(n, self.uops)
        if not access.reads:
            return access
        what = access.reads[0][1]               # its micro-ops
        if self.uops_valid[what].all():
            return access
        self.blind |= {"ACC", "OUT", "PAR"}
        if self.written["UOP"][what].all():
            self.uops_known = False
        return Access(access.reads[:1], (), tuple(pair for pair in access.beyond if pair[0] == "UOP"))

    # the end
    def check_end(self, expected):
        """Deadlock, FINISH, tokens."""
        heads = [(unit, n) for unit, n in enumerate(self.heads) if n is not None]
        if self.finish is None and FINISH not in self.opcode:
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
                if self.transfers[n] is not None:
                    self.fault("finish", n, "no token makes FINISH wait for it")
                    break
        left = {queue.name.lower(): len(self.tokens[queue]) for queue in Queue}
        for name, count in left.items():
            if not stuck and count != expected.get(name, 0):
                self.fault("tokens", None, f"{count} token{'s' * (count != 1)} left in {name.upper()}, "
                                           f"{expected.get(name, 0)} expected")
