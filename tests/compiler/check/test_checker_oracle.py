"""The checker against a naive oracle: on random streams both find a race, a deadlock or neither.

The oracle builds the graph of what waits for what (order in a unit; the k-th push of a queue before its k-th pop),
takes its transitive closure, and compares every pair of instructions entry by entry.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vta.compiler.check.checker import check
from vta.compiler.stream.assembler import assemble
from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.hw.isa import TOKEN_FLAGS, UNIT_QUEUES, WORKERS, Queue, Unit

# queues deeper than a stream is long, since the oracle knows no full queue
DEEP = dict(load_queue_depth=64, compute_queue_depth=64, store_queue_depth=64, token_depth=64)
CONFIGS = {"stock": replace(PRESETS["tiny"], **DEEP),
           "features": replace(PRESETS["tiny"], features=frozenset(FEATURES), **DEEP)}
LENGTH = 8
MOST = 4                 # entries of each memory that the streams use; micro-op n has dst, src and wgt n


def instructions(at, size, config):
    """(unit, reads, writes, text) of instructions on entries `at` to `at` + `size` - 1; what is read and written are
    sets of (memory, entry). OUT is a memory of its own, and PAR are the parameters."""
    last = at + size - 1
    span = f"sram={at} dram=0x1000 y=1 x={size} stride={size}"
    one, rows = f"uop={at}:{at + 1} iter={size}x1", f"uop={at}:{last + 1} iter=1x1"

    def tiles(*memories, entries=range(at, at + size)):
        return {(memory, n) for memory in memories for n in entries}

    products = tiles("INP", "WGT") | {("PAR", 0)}
    found = [
        (Unit.LOAD, set(), tiles("INP"), f"LOAD INP {span}"),
        (Unit.LOAD, set(), tiles("WGT"), f"LOAD WGT {span}"),
        (Unit.COMPUTE, set(), tiles("ACC", "OUT"), f"LOAD ACC {span}"),
        (Unit.COMPUTE, tiles("ACC", "INP") | {("WGT", at)}, tiles("ACC", "OUT"),
         f"GEMM {one} dst=1/0 src=1/0 wgt=0/0"),
        (Unit.COMPUTE, tiles("ACC"), {("ACC", at), ("OUT", at)}, f"ALU ADD {one} dst=0/0 src=1/0"),
        (Unit.STORE, tiles("OUT"), set(), f"STORE OUT {span.replace('0x1000', '0x9000')}"),
    ]
    if config.features:
        three = range(at, at + 3)
        found += [
            (Unit.LOAD, set(), tiles("INP"), f"LOAD INP_PAD {span} value=-5"),
            (Unit.LOAD, set(), tiles("WGT"), f"LOAD WGT_DIAG {span}"),
            (Unit.COMPUTE, tiles("ACC", entries=three), {("PAR", 0)}, f"ALU PAR {one} dst=0/0 src=0/0 imm=32640"),
            (Unit.COMPUTE, tiles("ACC") | {("PAR", 0)}, tiles("ACC", "OUT"), f"ALU REQ {rows} dst=0/0 src=0/0 imm=0"),
            # only the last micro-op writes OUT, but each step of a WINDOW
            (Unit.COMPUTE, products | tiles("ACC"), tiles("ACC") | {("OUT", last)},
             f"GEMM requantise {rows} dst=0/0 src=0/0 wgt=0/0"),
            (Unit.COMPUTE, products, tiles("ACC", "OUT"), f"WINDOW reset requantise {rows} dst=0/0 src=0/0 wgt=0/0"),
        ]
    return found


def random_stream(random, config):
    """[unit, reads, writes, text, pops, pushes] of each instruction; no pop without a push before it."""
    tokens, rows = Counter(), []
    for _ in range(LENGTH):
        found = instructions(int(random.integers(0, MOST)), int(random.integers(1, 3)), config)
        unit, reads, writes, text = found[random.integers(0, len(found))]
        pops, pushes = [], []
        for name, queue in zip(TOKEN_FLAGS, UNIT_QUEUES[unit], strict=True):
            if queue is None or random.random() < 0.1:
                continue
            if name.startswith("push"):
                tokens[queue] += 1
                pushes.append(queue)
            elif tokens[queue] > 0:
                tokens[queue] -= 1
                pops.append(queue)
            else:
                continue
            text += f" {name}"
        rows.append([unit, reads, writes, text, pops, pushes])
    return rows


def oracle(rows):
    """(deadlock, race, use of parameters that nothing has loaded) of the rows, by the transitive closure of the order;
    where nothing is stored, what is used does not count."""
    count = len(rows)
    before = np.zeros((count, count), bool)
    for unit in WORKERS:
        own = [n for n in range(count) if rows[n][0] == unit]
        before[own[:-1], own[1:]] = True
    missing = []
    for queue in Queue:
        pushes = [n for n in range(count) if queue in rows[n][5]]
        pops = [n for n in range(count) if queue in rows[n][4]]
        for push, pop in zip(pushes, pops, strict=False):
            before[push, pop] = True
        missing += pops[len(pushes):]
    for middle in range(count):
        before |= before[:, [middle]] & before[[middle], :]
    deadlock = bool(missing) or before.diagonal().any()
    race = any(not before[a, b] and not before[b, a] and rows[a][0] != rows[b][0]
               and (rows[a][2] & (rows[b][1] | rows[b][2]) or rows[b][2] & rows[a][1])
               for a in range(count) for b in range(a))
    compute = [row for row in rows if row[0] == Unit.COMPUTE]
    uses, loads = ([n for n, row in enumerate(compute) if ("PAR", 0) in row[k]] for k in (1, 2))
    stores = any(row[0] == Unit.STORE for row in rows)
    return deadlock, race, bool(stores and uses and (not loads or min(uses) < min(loads)))


def verdict(rows, config):
    """The same from the checker."""
    header = f"LOAD UOP sram=0 dram=0 y=1 x={MOST + 1} stride={MOST + 1}\n"
    uops = "".join(f"UOP dst={n} src={n} wgt={n}\n" for n in range(MOST + 1))
    insns, image = assemble(header + "\n".join(row[3] for row in rows) + "\nFINISH\n" + uops, config)
    data = image.view(np.uint8)
    report = check(insns, config, memory=lambda address, nbytes: data[address:address + nbytes])
    kinds = {fault.kind for fault in report.faults}
    return "deadlock" in kinds, "race" in kinds, any("parameters" in fault.message for fault in report.faults)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("block", range(4))
def test_random_streams(block, config):
    """Balanced streams, and the same with one token flag dropped or two instructions swapped."""
    random = np.random.default_rng(block)
    seen = Counter()
    for _ in range(150):
        rows = random_stream(random, config)
        change = random.integers(0, 3)
        if change == 1:
            a, b = random.choice(LENGTH, 2, replace=False)
            rows[a], rows[b] = rows[b], rows[a]
        elif change == 2:
            row = rows[random.integers(0, LENGTH)]
            for queues, names in ((row[4], TOKEN_FLAGS[:2]), (row[5], TOKEN_FLAGS[2:])):
                for name in names:
                    queue = UNIT_QUEUES[row[0]][TOKEN_FLAGS.index(name)]
                    if queue in queues:
                        queues.remove(queue)
                        row[3] = row[3].replace(f" {name}", "")
                        break
        want, got = oracle(rows), verdict(rows, config)
        seen[want] += 1
        if want[0]:
            assert got[0], rows                # what a deadlock kept from running is not compared
        else:
            assert got == want, rows
    for deadlock, race in ((False, False), (False, True), (True, None)):
        where = [want for want in seen if want[0] == deadlock and race in (None, want[1])]
        assert sum(seen[want] for want in where) > 10
        assert not config.features or {want[2] for want in where} == {False, True}
