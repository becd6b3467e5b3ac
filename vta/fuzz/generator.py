"""Random programs: legal streams for any configuration, and hostile ones (`vta.fuzz.hostile`).

A program is free of races by construction (`vta.fuzz.order`), so both devices must leave the same whatever the
timing. It reads scratchpad entries that it never wrote: their contents are those of earlier programs.
"""

import random

import numpy as np

from vta.fuzz.case import QUEUES, STREAM, Case, Launch
from vta.fuzz.hostile import HOSTILE, STUCK, after_finish, rubbish
from vta.fuzz.kernels import Kernels
from vta.fuzz.order import Sequencer, token_nop
from vta.hw.isa import INSN_BYTES, Queue, Unit, encode, to_words


def generate(config, seed):
    """The random Case of `seed`, a whole number."""
    return Generator(config, seed).case()


class Generator(Kernels):
    """Makes the case of one seed."""

    def __init__(self, config, seed):
        super().__init__(config, random.Random(f"{seed}"), seed)
        self.seed = seed

    def case(self):
        rng = self.rng
        first = {queue: rng.choice((0, 0, 0, 1, 2)) if rng.random() < 0.3 else 0 for queue in Queue}
        tokens, launches = first, []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            launch, tokens = self._launch(tokens)
            launches.append(launch)
            if not launch.ends:
                break
        names = dict(zip(QUEUES, first.values(), strict=True))
        return Case(self.seed, self.config, {name: n for name, n in names.items() if n}, self.image, tuple(launches))

    def _launch(self, tokens):
        """(a Launch, the tokens it leaves)."""
        rng = self.rng
        self.notes, self.faulty = [], 0
        self.windows = {name: self.window(self.config.depth[name]) for name in ("INP", "WGT", "ACC")}
        self.order = Sequencer(self.config, rng, tokens, lambda unit: token_nop(rng, unit),
                               rng.choice((0, 0.1, 0.3, 0.6)))
        self.note("tokens before", any(tokens.values()))
        hostile = rng.random() < 0.3
        threads = rng.choice((0, 0, 0, 1, 2, 3, 4))
        self.load_uops()
        if threads:
            self._threads(threads)
        else:
            self._freely(rng.choice((5, 12, 25, 40)), hostile)
        ends, tail = not (hostile and rng.random() < 0.04), []
        if not ends:
            rng.choice(STUCK)(self)
        elif rng.random() < 0.2:
            self._loose_end()
            self.order.finish(wait=False)
        else:
            self.order.finish()
        if ends and rng.random() < 0.1:
            tail = after_finish(rng)
            self.note("instructions behind FINISH")
        words = [rubbish(rng, self.formats, self._encode(fields)) for fields, _ in self.order.insns] + tail
        insns = np.array([to_words(word) for word in words], np.uint64)
        address = STREAM + INSN_BYTES * rng.choice((0, 0, rng.randrange(16)))
        launch = Launch(insns, address, memory_behaviour(rng), self.faulty, ends, tuple(self.notes))
        return launch, self.order.tokens_left()

    def _encode(self, fields):
        if "word" in fields:                      # hostile: given as it is, but for its tokens
            flags = {name: value for name, value in fields.items() if name != "word"}
            return fields["word"] | encode(self.formats.control, flags)
        return encode(self.formats.of(fields["opcode"]), fields)

    def _freely(self, length, hostile):
        """Instructions of all kinds in any order."""
        rng = self.rng
        kinds = {self.load: 4, self.load_uops: 1, self.gemm: 3, self.alu: 4, self.store: 3, self.idle: 1}
        weights = [weight * rng.choice((0.3, 1, 3)) for weight in kinds.values()]
        at = {rng.randrange(length) for _ in range(rng.choice((1, 1, 1, 3)))} if hostile else ()
        for n in range(length):
            if n in at:
                rng.choice(HOSTILE)(self)
            rng.choices(list(kinds), weights)[0]()

    def _threads(self, threads):
        """Load, compute, store, in turns by so many virtual threads, each on its own part of the memories."""
        rng, order = self.rng, self.order
        self.note(f"virtual threads: {threads}")
        whole = {name: (0, self.config.depth[name]) for name in self.windows}
        parts = [{name: (start + t * (size // threads), size // threads) for name, (start, size) in whole.items()}
                 for t in range(threads)]
        for queue in (Queue.G2L, Queue.S2G):
            for _ in range(threads - len(order.queues[queue])):
                order.push(queue)
        for _ in range(rng.choice((1, 2, 4))):
            for self.windows in parts:
                self._take(Queue.G2L)
                self.load(rng.choice(("INP", "WGT")))
                if rng.random() < 0.5:
                    self.load("INP")
                order.push(Queue.L2G)
                self._take(Queue.L2G)
                self._take(Queue.S2G)
                for step in rng.choices((self.gemm, self.alu, self.load_uops), (3, 3, 1), k=rng.randrange(1, 4)):
                    step()
                order.push(Queue.G2L)
                order.push(Queue.G2S)
                self._take(Queue.G2S)
                self.store()
                order.push(Queue.S2G)

    def idle(self):
        self.order.nop(self.rng.choice((Unit.LOAD, Unit.COMPUTE, Unit.STORE)))

    def _take(self, queue):
        if self.order.queues[queue]:
            self.order.pop(queue)

    def _loose_end(self):
        """A token that nobody takes in this launch, from load or store: the other one's round trip gives it time."""
        order = self.order
        order.settle()
        unit, other, queue = self.rng.choice(((Unit.LOAD, Unit.STORE, Queue.L2G), (Unit.STORE, Unit.LOAD, Queue.S2G)))
        order.eager = 0
        order.nop(unit)
        order.push(queue)
        order.know(other, Unit.COMPUTE, order.clock[Unit.COMPUTE][Unit.COMPUTE])
        self.store() if other == Unit.STORE else self.load("INP")
        order.know(Unit.COMPUTE, other, order.clock[other][other])
        self.note("token left by load or store")


def memory_behaviour(rng):
    """Random options of the RTL's memory."""
    return {"latency": rng.choice((1, 2, 5, 16, 16, 40, 150)), "write_latency": rng.choice((1, 3, 16, 16, 100)),
            "outstanding": rng.choice((1, 2, 4, 64, 64)), "bandwidth": rng.choice((1.0, 1.0, 0.5, 0.8)),
            "stall": rng.choice((0.0, 0.0, 0.1, 0.3, 0.6)), "order": rng.choice(("in_order", "reorder", "interleave")),
            "early": rng.choice((0.0, 0.0, 0.5, 1.0)), "seed": rng.randrange(1 << 30)}

