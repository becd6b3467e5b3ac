"""A timing model: how long a stream takes, without running it. The tiling search ranks candidates by it.

`predict` goes through the instructions once, in program order. Each unit works in order; an instruction starts when
it is fetched, its tokens are available and its unit is free; a token carries the time at which it is pushed. Loads of
inputs and weights, loads for compute, and stores each occupy a port for their beats; the beats of compute's loads and
of the stream itself are taken from the bulk loads. Accumulator tiles may arrive early; compute then spends a cycle on
each beat, or each tile of padding, in program order. The constants are cycles measured on the RTL; everything else
follows from the configuration.
"""

from dataclasses import dataclass

import numpy as np

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
    "fetch": 13,          # until the first instruction is dispatched, in addition to the latency
    "issue": 5,           # between two bulk LOADs
    "request": 6,         # from a LOAD's issue to its first beat, in addition to the latency
    "load": 3,            # from a bulk LOAD's last beat to its token
    "gemm": 0,            # overhead of a GEMM beyond its steps
    "alu": 0,             # overhead of an ALU instruction beyond its steps
    "mul": 4,             # a step of MUL
    "clash": 1,           # extra, for a step whose src and dst lie in one accumulator bank
    "token": 1,           # from the last step of a kernel to its token
    "load_uop": 4,        # from the last beat of a LOAD in compute to the next kernel's first step
    "fetch_share": 0.2,   # of the beats of the stream that a LOAD in compute waits for
    "store": 2,           # from a STORE's issue to its first beat
    "response": 0,        # from a write response to the token
    "finish": 4,          # from the last effect of compute to the end of the run
    "taken_ahead": 16,    # instructions that compute takes from its queue early
}
LOAD, COMPUTE, STORE = WORKERS


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
    c = constants | ({} if latency is None else {"latency": latency})
    rows = _rows(insns, config, c, uops)
    tokens = [[0] * (tokens_before or {}).get(queue.name.lower(), 0) for queue in Queue]      # times of the pushes
    popped = [0] * len(Queue)
    depth = {LOAD: config.load_queue_depth, COMPUTE: config.compute_queue_depth + c["taken_ahead"],
             STORE: config.store_queue_depth}
    issued = {unit: [] for unit in depth}       # when each instruction left its queue
    port, done = dict.fromkeys(depth, 0), dict.fromkeys(depth, 0)
    busy = {unit.name.lower(): 0 for unit in depth}
    per_insn = INSN_BYTES / config.bus_bytes
    fetched, seen = c["latency"] + c["fetch"], {LOAD: 0, COMPUTE: 0}
    for n, (unit, opcode, work, arrival, pops, pushes) in enumerate(rows):
        mine = issued[unit]
        fetched = max(fetched + 1, c["latency"] + c["fetch"] + (n + 1) * per_insn)
        if len(mine) >= depth[unit]:
            fetched = max(fetched, mine[-depth[unit]])
        start, waited = max(fetched, mine[-1] if mine else 0), None
        for queue in pops:
            if popped[queue] >= len(tokens[queue]):
                raise TimingError(f"instruction {n} pops a token of {Queue(queue).name} that nothing before "
                                  f"it in program order pushes")
            if tokens[queue][popped[queue]] > start:
                start, waited = tokens[queue][popped[queue]], Queue(queue)
            popped[queue] += 1
        busy[unit.name.lower()] += work
        if unit is COMPUTE:
            if opcode == Opcode.LOAD and work:
                begin = max(port[COMPUTE], start + c["request"] + c["latency"])
                begin += (n - seen[COMPUTE]) * per_insn * c["fetch_share"]
                seen[COMPUTE] = n
                if port[LOAD] > begin:          # requests in flight go first; then the bulk waits
                    begin += min(port[LOAD] - begin, config.read_ahead_beats / 2)
                    port[LOAD] += work
                port[COMPUTE] = begin + work
                done[COMPUTE] = max(done[COMPUTE] + arrival, port[COMPUTE] + c["load_uop"])
            elif work:
                done[COMPUTE] = max(done[COMPUTE], start) + work + c["gemm" if opcode == Opcode.GEMM else "alu"]
            else:
                done[COMPUTE] = max(done[COMPUTE], start)
            end = done[COMPUTE] + c["token"]
            mine.append(start)
        elif unit is LOAD:
            mine.append(start + (c["issue"] if work else 1))
            if work:
                begin = max(port[LOAD] + (n - seen[LOAD]) * per_insn, start + c["request"] + c["latency"])
                seen[LOAD], port[LOAD] = n, begin + work
                done[LOAD] = max(done[LOAD], port[LOAD] + c["load"])
            end = done[LOAD] = max(done[LOAD], start)
        else:
            mine.append(start + 1)
            if work:
                port[STORE] = max(port[STORE], start + c["store"]) + work
                done[STORE] = max(done[STORE], port[STORE] + c["latency"] + c["response"])
            end = done[STORE] = max(done[STORE], start)
        for queue in pushes:
            tokens[queue].append(end)
        if spans is not None:
            last = done[unit] if opcode in (Opcode.GEMM, Opcode.ALU) else port[unit]
            spans.append(Span(n, unit, last - work, last, waited) if work else Span(n, unit, start, start, waited))
    return Prediction(int(done[COMPUTE] + c["finish"]), busy)


def traffic(insns, config):
    """{"read_bytes", "write_bytes"} of a stream, the stream itself included."""
    columns = Columns(insns, config)
    moved = columns.tiles * columns.tile_bytes
    return {"read_bytes": int(moved[columns.is_load].sum()) + INSN_BYTES * len(columns),
            "write_bytes": int(moved[columns.is_store].sum())}


def _rows(insns, config, constants, uops):
    """(unit, opcode, beats or cycles of steps, cycles of accumulator tiles, queues popped, queues pushed) of each."""
    columns = Columns(insns, config)
    steps = columns.steps.copy()
    steps[columns.is_alu & (columns.alu["alu_opcode"] == AluOp.MUL)] *= constants["mul"]
    if uops is not None:
        steps += constants["clash"] * clashes(columns, uops)
    beats = columns.tiles * columns.tile_bytes / config.bus_bytes
    work = np.where(columns.is_load | columns.is_store, beats, steps)
    width, height = columns.extent
    to_acc = columns.is_load & np.isin(columns.mem_type, (MemType.ACC, MemType.ACC_8BIT)) & (beats > 0)
    arrival = np.where(to_acc, np.maximum(width * height, work), 0)
    units = map(tuple(Unit).__getitem__, columns.unit.tolist())
    numbers = (column.tolist() for column in (columns.opcode, work, arrival))
    return zip(units, *numbers, columns.pops, columns.pushes, strict=True)


def clashes(columns, uops):
    """For each instruction, its ALU steps whose src and dst lie in one accumulator bank (n,) int64.

    `columns` are the stream's Columns. The bank of a tile is the parity of its index's bits; a src used twice in a
    row, and not written between, is read once (see the accumulator's docstring in the hardware)."""
    config, known = columns.config, layouts(columns.config)
    memory = np.zeros(2 * config.depth["UOP"], np.uint32)        # the upper half is only there to be indexed
    found, seen, version = np.zeros(len(columns), np.int64), {}, 0
    tensor = columns.is_alu & (columns.alu["use_imm"] == 0)
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
