"""A timing model: how long a stream takes, without running it. The tiling search ranks candidates by it.

`predict` goes through the instructions once, in program order. An instruction waits until it is fetched, its unit has
taken the one before and its tokens are available; a token carries the time at which it is pushed. Loads of inputs and
weights, loads for compute, and stores each occupy a port for their beats; `compiler/read_bus.py` has what loads and the
stream do to each other. Compute takes instructions ahead of their execution, and loads as soon as they are taken; then
everything is executed in order: a step a cycle, and a cycle for each beat, or tile, of an accumulator load.
The constants are cycles measured on the RTL; everything else follows from the configuration.
"""

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from vta.compiler.read_bus import ReadBus
from vta.hw.columns import Columns
from vta.hw.isa import (
    INSN_BYTES,
    TOKEN_MASK,
    WORKERS,
    AluOp,
    MemType,
    Opcode,
    Queue,
    Unit,
    decode,
    extract,
    from_words,
    layouts,
)

CONSTANTS = {
    "latency": 16,        # read address to first beat, last write beat to response: the memory's
    "first": 2,           # until the first beat of the stream, in addition to the latency
    "dispatch": 8,        # from an instruction's last beat to where its unit can take it
    "between": 2,         # from one instruction of a unit to the next
    "request": 4,         # from a bulk LOAD's being taken to its first beat, in addition to the latency
    "urgent": 5,          # the same for a LOAD in compute
    "turn": 4,            # from a burst's last beat to the next request, when all are in flight
    "load": 0,            # from a bulk LOAD's last beat to its token
    "nest": 6,            # from a GEMM's or ALU's being taken to its first step
    "mul": 4,             # a step of MUL
    "par": 3,             # ... of PAR, and of a wide REQ
    "requantiser": 16,    # from the last step that enters the requantiser to what waits until it is empty
    "delay_line": 4,      # less than that where no GEMM was just ahead of a REQ
    "apart": 1,           # between instructions that the requantiser holds tiles of
    "requantised": 9,     # from the last step that enters the requantiser to its token to store, in addition
    "returned": 13,       # from a step of a REQ that is not quick to its next one, in addition
    "clash": 1,           # extra, for a step whose src and dst lie in one accumulator bank
    "ticket": 1,          # an instruction of compute without steps
    "token": 1,           # from the last step of a kernel to its token
    "token_store": 1,     # ... to store in addition
    "load_uop": 4,        # from the last beat of a LOAD UOP to the next kernel's first step
    "load_acc": 5,        # from the last beat of a LOAD ACC to the next kernel's first step
    "store": 4,           # from a STORE's being taken to its first beat
    "finish": 4,          # from the last effect of compute to the end of the run
    "tickets": 16,        # instructions that compute takes before the first of them is executed
    "nests": 10,          # ... GEMM and ALU instructions
}
LOAD, COMPUTE, STORE = WORKERS
# the requantiser, as bits: tiles go there; it must be empty first; what goes there comes back to the accumulators.
# Products go through the delay line, and so does what comes right behind them
ENTERS, DRAINS, RETURNS, PRODUCTS = 1, 2, 4, 8


class TimingError(ValueError):
    """A stream whose tokens are popped before they are pushed in program order has no prediction."""


@dataclass(frozen=True)
class Prediction:
    """`cycles` of the run; `busy`: steps or beats of each unit, by unit name."""

    cycles: int
    busy: dict


@dataclass(frozen=True)
class Span:
    """Instruction `n` keeps its unit's data path busy from cycle `begin` to `end` (equal where it only handles
    tokens). `waited`: the Queue whose token it began for, None where it was the unit or fetch."""

    n: int
    unit: Unit
    begin: float
    end: float
    waited: Queue | None


def predict(insns, config, latency=None, constants=CONSTANTS, tokens_before=None, spans=None, uops=None):
    """The Prediction for a stream, (n, 2) uint64.

    tokens_before: {"s2g": 1, ...}, tokens present at the start. spans: a list that receives a Span for each
    instruction, in program order. uops: a function (dram_base, count) to that many micro-op words; without it
    src and dst of tensor ALU steps are assumed to lie in different banks.
    """
    columns = Columns(insns, config)
    machine = _Machine(columns, constants | ({} if latency is None else {"latency": latency}))
    tokens = [[0] * (tokens_before or {}).get(queue.name.lower(), 0) for queue in Queue]      # times of the pushes
    popped = [0] * len(Queue)
    for n, (unit, work, pops, pushes, *facts) in enumerate(_rows(columns, machine.constants, uops)):
        start, waited = machine.offered(n, unit, bool(facts[0])), None
        for queue in pops:
            if popped[queue] >= len(tokens[queue]):
                raise TimingError(f"instruction {n} pops a token of {Queue(queue).name} that nothing before "
                                  f"it in program order pushes")
            if tokens[queue][popped[queue]] > start:
                start, waited = tokens[queue][popped[queue]], Queue(queue)
            popped[queue] += 1
        last, pushed = machine.execute(unit, start, work, *facts)
        for queue in pushes:
            tokens[queue].append(pushed + (machine.to_store if queue == Queue.G2S else 0))
        if spans is not None:
            spans.append(Span(n, unit, last - work, last, waited) if work else Span(n, unit, start, start, waited))
    return Prediction(int(machine.done[COMPUTE] + machine.constants["finish"]), machine.busy)


class _Machine:
    """The units. `done`: when all instructions of a unit so far are; `port`: when its last beat was."""

    def __init__(self, columns, constants):
        config = columns.config
        self.config, self.constants = config, constants
        self.depth = {LOAD: config.load_queue_depth, COMPUTE: config.compute_queue_depth,
                      STORE: config.store_queue_depth}
        self.positions = {unit: np.flatnonzero(columns.unit == unit).tolist() for unit in WORKERS}
        self.taken = {unit: [] for unit in WORKERS}         # when each instruction left its queue
        self.executed, self.kernels = [], []                # when each instruction of compute, each kernel was
        self.kernel_begin = self.dispatched = self.emptied = self.returned = self.delayed = 0
        self.to_store = 0                                   # from the last instruction's tokens to that to store
        self.port, self.done = dict.fromkeys(WORKERS, 0), dict.fromkeys(WORKERS, 0)
        self.busy = {unit.name.lower(): 0 for unit in WORKERS}
        self.per_insn = INSN_BYTES / config.bus_bytes
        self.total = len(columns) * self.per_insn
        self.bulk_left = int(np.count_nonzero(columns.transfers & (columns.unit == LOAD)))
        self.bus = ReadBus(config, constants["latency"], constants["turn"], constants["latency"] + constants["first"])

    def offered(self, n, unit, kernel):
        """When instruction `n` can be taken, tokens apart."""
        c, taken, depth = self.constants, self.taken[unit], self.depth[unit]
        self.dispatched = max(self.dispatched + 2, self.bus.stream((n + 1) * self.per_insn) + c["dispatch"])
        if len(taken) >= depth:                  # its queue is full until then
            self.dispatched = max(self.dispatched, taken[-depth] + c["dispatch"])
        start = max(self.dispatched, taken[-1] + c["between"] if taken else 0)
        if unit is COMPUTE and len(self.executed) >= c["tickets"]:
            start = max(start, self.executed[-c["tickets"]])
        if kernel and len(self.kernels) >= c["nests"]:
            start = max(start, self.kernels[-c["nests"]])
        return start

    def execute(self, unit, start, work, *facts):
        """An instruction taken at `start`: when its work ends, and when it pushes its tokens."""
        self.taken[unit].append(start)
        self.busy[unit.name.lower()] += work
        return {LOAD: self._load, COMPUTE: self._compute, STORE: self._store}[unit](start, work, *facts)

    def _stream_ahead(self, time):
        """(beats of the stream that the queues can have taken by `time`, beats that fetch can have read)."""
        first_left = [position[ahead] for unit, position in self.positions.items()
                      if (ahead := bisect_right(self.taken[unit], time) + self.depth[unit]) < len(position)]
        taken = min([self.total, *(self.per_insn * n for n in first_left)])
        stored, burst = taken + self.config.fetch_depth * self.per_insn, self.bus.fetch_burst
        return taken, self.total if stored >= self.total else stored // burst * burst

    def _load(self, start, work, _, burst, arrival, use):
        if work:
            self.bulk_left -= 1
            self.port[LOAD] = self.bus.bulk(start + self.constants["request"], work, burst, *self._stream_ahead(start))
            self.done[LOAD] = self.port[LOAD] + self.constants["load"]
        self.done[LOAD] = max(self.done[LOAD], start)
        return self.port[LOAD], self.done[LOAD]

    def _compute(self, start, work, kernel, burst, arrival, use):
        c, done = self.constants, self.done[COMPUTE]
        if use & DRAINS:
            done = max(done, self.emptied)
        elif use & ENTERS:
            done = max(done + c["apart"] * (done < self.emptied), self.returned)
        if kernel:
            self.kernel_begin = max(done, start + c["nest"])
            done = last = self.kernel_begin + work
            self.kernels.append(done)
        elif not work:
            done = last = max(done, start + c["ticket"]) + c["ticket"]
        else:
            last = self.port[COMPUTE] = self.bus.urgent(
                start + c["urgent"], work, burst, *self._stream_ahead(start), self.port[COMPUTE], self.bulk_left)
            if arrival:
                done = max(done + arrival, last + c["load_acc"])
            else:           # written while the kernel before reads others
                done = max(done + c["ticket"], max(last, self.kernel_begin + work) + c["load_uop"])
        self.to_store = c["token_store"]
        if kernel and (use & PRODUCTS or self.kernel_begin <= self.delayed):
            self.delayed = done + c["delay_line"]      # until then, what comes goes through the line
        if use & ENTERS:
            self.emptied = done + c["requantiser"] - c["delay_line"] * (done > self.delayed)
            self.to_store += c["requantised"]
            self.returned = self.emptied if use & RETURNS else self.returned
        self.done[COMPUTE] = done
        self.executed.append(done)
        return last, done + c["token"]

    def _store(self, start, work, _, burst, cycles, use):
        if work:
            self.port[STORE] = max(self.port[STORE], start + self.constants["store"]) + cycles
            self.done[STORE] = self.port[STORE] + self.constants["latency"]
        self.done[STORE] = max(self.done[STORE], start)
        return self.port[STORE], self.done[STORE]


def traffic(insns, config):
    """{"read_bytes", "write_bytes"} of a stream, the stream itself included."""
    columns = Columns(insns, config)
    moved = columns.tiles * columns.tile_bytes
    return {"read_bytes": int(moved[columns.is_load].sum()) + INSN_BYTES * len(columns),
            "write_bytes": int(moved[columns.is_store].sum())}


def _rows(columns, constants, uops):
    """(unit, beats or cycles of steps, queues popped, queues pushed, whether it has steps, beats of a burst, cycles of
    accumulator tiles or of a store's rows, what it has to do with the requantiser) of each instruction."""
    config, memory = columns.config, columns.memory
    steps, is_req = np.where(columns.bad_alu, 0, columns.steps), columns.is_op(AluOp.REQ)
    waits = is_req & ~_quick(columns)
    steps[columns.is_op(AluOp.MUL)] *= constants["mul"]
    steps[columns.is_op(AluOp.PAR) | (is_req & (columns.alu["imm"] & 1 == 1))] *= constants["par"]
    steps[waits] += constants["returned"] * np.maximum(columns.steps[waits] - 1, 0)
    if uops is not None:
        steps += constants["clash"] * clashes(columns, uops)
    beats = columns.tiles * columns.tile_bytes / config.bus_bytes
    work = np.where(columns.is_load | columns.is_store, beats, steps)
    width, height = columns.extent
    to_acc = columns.is_load & np.isin(columns.mem_type, (MemType.ACC, MemType.ACC_8BIT)) & (beats > 0)
    tile = columns.tile_bytes // config.bus_bytes             # beats of the next tile, which arrive meanwhile
    cycles = np.where(to_acc, np.maximum(width * height, work - tile), 0)

    # rows that continue each other are one; a STORE takes two cycles for each burst, and one more than it has tiles
    rows = np.where(memory["x_stride"] == memory["x_size"], 1, np.maximum(memory["y_size"], 1))
    row = np.ceil(beats / rows)
    burst = np.clip(row, 1, config.max_burst).astype(int)
    store = np.maximum(np.maximum(beats, columns.tiles + 1), 2 * rows * np.ceil(row / config.max_burst))
    cycles = np.where(columns.is_store, store, cycles)
    units = map(tuple(Unit).__getitem__, columns.unit.tolist())
    enters = columns.requantised > 0
    plain = ~enters & ((steps > 0) | to_acc | columns.push_flags[Queue.G2S] | (columns.opcode == Opcode.FINISH))
    use = ENTERS * enters + DRAINS * plain + RETURNS * (enters & is_req)
    use += PRODUCTS * ((columns.is_gemm | columns.is_window) & ~columns.is_reset)
    numbers = (column.tolist() for column in (steps > 0, burst, cycles, use))
    return zip(units, work.tolist(), columns.pops, columns.pushes, *numbers, strict=True)


def _quick(columns):
    """The ALU instructions whose steps write tiles so different that a REQ need not wait for itself: one loop, an odd
    distance, and as many tiles as the requantiser may hold."""
    alu, config = columns.alu, columns.config
    able = config.acc_depth_log >= 5 and not config.alu_imm_reads_src
    return able & (alu["uop_end"] - alu["uop_bgn"] == 1) & (alu["iter_out"] == 1) & (alu["dst_factor_in"] & 1 == 1)


def clashes(columns, uops):
    """For each instruction, its ALU steps whose src and dst lie in one accumulator bank (n,) int64.

    `columns` are the stream's Columns. The bank of a tile is the parity of its index's bits; a src used twice in a
    row, and not written between, is read once (see the accumulator's docstring in the hardware)."""
    config, known = columns.config, layouts(columns.config)
    memory = np.zeros(2 * config.depth["UOP"], np.uint32)        # the upper half is only there to be indexed
    found, seen, version = np.zeros(len(columns), np.int64), {}, 0
    tensor = columns.is_alu & (columns.alu["use_imm"] == 0) & ~columns.is_op(AluOp.PAR) & ~columns.is_op(AluOp.REQ)
    loads = columns.is_load & columns.transfers & (columns.mem_type == MemType.UOP)
    for n in np.flatnonzero(tensor | loads):
        word = from_words(columns.insns[n])
        if loads[n]:
            load = decode(known.memory, word)
            words = uops(load["dram_base"], load["x_size"])
            at = load["sram_base"] % config.depth["UOP"]
            memory[at:at + len(words)] = words
            version += 1
            continue
        key = word & ~TOKEN_MASK, version
        if key not in seen:
            seen[key] = _clashes(decode(known.alu, word), known.uop, memory, config.depth["ACC"])
        found[n] = seen[key]
    return found


def _clashes(alu, layout, memory, depth):
    """The clashing steps of one ALU instruction."""
    words = memory[alu["uop_bgn"]:alu["uop_end"]]
    outer, inner = np.arange(alu["iter_out"])[:, None, None], np.arange(alu["iter_in"])[None, :, None]
    dst, src = ((extract(words, layout[name])[None, None] + outer * alu[f"{name}_factor_out"]
                 + inner * alu[f"{name}_factor_in"]).ravel() % depth for name in ("dst", "src"))
    parity = dst ^ src                           # of the indices' bits, SRAM_BASE_BITS at most
    for shift in (8, 4, 2, 1):
        parity ^= parity >> shift
    parity &= 1
    kept = np.zeros(len(src), bool)
    kept[1:] = (src[1:] == src[:-1]) & (dst[:-1] != src[1:])
    return int(np.count_nonzero((parity == 0) & (dst != src) & ~kept))
