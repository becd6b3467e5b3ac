"""Random programs: legal streams for any configuration, and hostile ones (`vta.fuzz.hostile`).

A program is free of races by construction (`vta.fuzz.sequencer`), so both devices must produce the same results
whatever their timing. It reads scratchpad entries that it never wrote: they hold what earlier programs left.
"""

import random

import numpy as np

from vta.fuzz.case import QUEUES, STREAM, Case, Launch
from vta.fuzz.draft import Draft, MicroOps
from vta.fuzz.hostile import STUCK, after_finish, hostile_for, random_unused
from vta.fuzz.nests import alu, gemm, load_uops
from vta.fuzz.requantised import burst, can_burst, load_parameters
from vta.fuzz.transfers import load, store
from vta.hw.features import Feature
from vta.hw.isa import INSN_BYTES, WORKERS, Queue, Unit, encode, to_words


def generate(config, seed):
    """The random Case of `seed`, an integer; `config` is one that `fuzz_configs` accepts."""
    rng = random.Random(f"{seed}")
    micro_ops = MicroOps(config, rng, seed)
    first = {queue: rng.choice((0, 0, 0, 1, 2)) if rng.random() < 0.3 else 0 for queue in Queue}
    tokens, launches = first, []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        draft = Draft(config, rng, tokens, micro_ops)
        launches.append(_launch(draft))
        tokens = draft.sequencer.tokens_left()
        if not launches[-1].ends:
            break
    names = dict(zip(QUEUES, first.values(), strict=True))
    return Case(seed, config, {name: n for name, n in names.items() if n}, micro_ops.image, tuple(launches))


def _launch(draft):
    """Fill the Draft with random instructions; returns the Launch."""
    rng, sequencer = draft.rng, draft.sequencer
    draft.record("tokens before", any(sequencer.queues.values()))
    hostile = rng.random() < 0.3
    threads = rng.choice((0, 0, 0, 1, 2, 3, 4))
    load_uops(draft)
    if draft.config.has(Feature.REQUANTISE) and rng.random() < 0.95:
        load_parameters(draft)
    if threads:
        _append_threads(draft, threads)
    else:
        _append_mixed(draft, rng.choice((5, 12, 25, 40)), hostile)
    ends, tail = not (hostile and rng.random() < 0.04), []
    if not ends:
        rng.choice(STUCK)(draft)
    elif rng.random() < 0.2:
        _leave_token(draft)
        sequencer.finish(wait=False)
    else:
        sequencer.finish()
    if ends and rng.random() < 0.1:
        tail = after_finish(rng)
        draft.record("instructions behind FINISH")
    words = [random_unused(rng, draft.formats, _encode(draft.formats, fields)) for fields, _ in sequencer.insns] + tail
    insns = np.array([to_words(word) for word in words], np.uint64)
    address = STREAM + INSN_BYTES * rng.choice((0, 0, rng.randrange(16)))
    return Launch(insns, address, memory_behaviour(rng), draft.faulty, ends, tuple(draft.features))


def _encode(formats, fields):
    if "word" in fields:                      # hostile: all bits but the tokens are given
        flags = {name: value for name, value in fields.items() if name != "word"}
        return fields["word"] | encode(formats.control, flags)
    return encode(formats.of(fields["opcode"], fields.get("mem_type")), fields)


def _append_mixed(draft, length, hostile):
    """Instructions of all kinds in any order."""
    rng = draft.rng
    kinds = {load: 4, load_uops: 1, gemm: 3, alu: 4, store: 3, _idle: 1}
    if can_burst(draft.config):
        kinds[burst] = 3
    weights = [weight * rng.choice((0.3, 1, 3)) for weight in kinds.values()]
    at = {rng.randrange(length) for _ in range(rng.choice((1, 1, 1, 3)))} if hostile else ()
    for n in range(length):
        if n in at:
            rng.choice(hostile_for(draft.config))(draft)
        rng.choices(list(kinds), weights)[0](draft)


def _append_threads(draft, threads):
    """Rounds of load, compute, store by virtual threads, each in its own share of the memories."""
    rng, sequencer = draft.rng, draft.sequencer
    draft.record(f"virtual threads: {threads}")
    sizes = {name: draft.config.depth[name] // threads for name in draft.working_sets}
    shares = [{name: (thread * size, size) for name, size in sizes.items()} for thread in range(threads)]
    for queue in (Queue.G2L, Queue.S2G):
        for _ in range(min(threads, draft.config.token_depth - 1) - len(sequencer.queues[queue])):
            sequencer.push(queue)
    kinds = (gemm, alu, load_uops, *([burst] * can_burst(draft.config)))
    for _ in range(rng.choice((1, 2, 4))):
        for draft.working_sets in shares:
            _pop(sequencer, Queue.G2L)
            load(draft, rng.choice(("INP", "WGT")))
            if rng.random() < 0.5:
                load(draft, "INP")
            sequencer.push(Queue.L2G)
            _pop(sequencer, Queue.L2G)
            _pop(sequencer, Queue.S2G)
            for append in rng.choices(kinds, (3, 3, 1, 3)[:len(kinds)], k=rng.randrange(1, 4)):
                append(draft)
            sequencer.push(Queue.G2L)
            sequencer.push(Queue.G2S)
            _pop(sequencer, Queue.G2S)
            store(draft)
            sequencer.push(Queue.S2G)


def _pop(sequencer, queue):
    if sequencer.queues[queue]:
        sequencer.pop(queue)


def _idle(draft):
    draft.sequencer.nop(draft.rng.choice(WORKERS))


def _leave_token(draft):
    """A token of load or store that this launch never pops; the other unit's round trip gives it time to arrive."""
    sequencer = draft.sequencer
    sequencer.settle()
    unit, other, queue = draft.rng.choice(((Unit.LOAD, Unit.STORE, Queue.L2G), (Unit.STORE, Unit.LOAD, Queue.S2G)))
    sequencer.eager = 0
    sequencer.nop(unit)
    sequencer.push(queue)
    sequencer.know(other, Unit.COMPUTE, sequencer.clock[Unit.COMPUTE][Unit.COMPUTE])
    store(draft) if other == Unit.STORE else load(draft, "INP")
    sequencer.know(Unit.COMPUTE, other, sequencer.clock[other][other])
    draft.record("token left by load or store")


def memory_behaviour(rng):
    """Random options of the RTL's memory."""
    return {"latency": rng.choice((1, 2, 5, 16, 16, 40, 150)), "write_latency": rng.choice((1, 3, 16, 16, 100)),
            "outstanding": rng.choice((1, 2, 4, 64, 64)), "bandwidth": rng.choice((1.0, 1.0, 0.5, 0.8)),
            "stall": rng.choice((0.0, 0.0, 0.1, 0.3, 0.6)), "order": rng.choice(("in_order", "reorder", "interleave")),
            "early": rng.choice((0.0, 0.0, 0.5, 1.0)), "seed": rng.randrange(1 << 30)}
