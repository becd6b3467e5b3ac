"""Random programs: legal streams for any configuration, and hostile ones (`vta.fuzz.hostile`).

A program is free of races by construction (`vta.fuzz.order`), so both devices must leave the same whatever the
timing. It reads scratchpad entries that it never wrote: their contents are those of earlier programs.
"""

import random

import numpy as np

from vta.fuzz.case import DATA, DATA_BYTES, OUT, OUT_BYTES, QUEUES, STREAM, UOP_WORDS, UOPS, Case, Launch
from vta.fuzz.hostile import HOSTILE, STUCK, after_finish, rubbish
from vta.fuzz.order import Sequencer, token_nop
from vta.hw.isa import INSN_BYTES, AluOp, MemType, Opcode, Queue, Unit, encode, layouts, to_words
from vta.sim.nest import Nest

MOST_STEPS = 400        # of a GEMM or ALU
GRAIN = 16              # bytes of DRAM that are told apart when STORE and LOAD meet
MEMORY = {"ACC_8BIT": "ACC", "OUT": "ACC"}      # memory types -> the memory whose indices they use
LOADED = {"INP": Unit.LOAD, "WGT": Unit.LOAD, "ACC": Unit.COMPUTE, "ACC_8BIT": Unit.COMPUTE}


def generate(config, seed):
    """The random Case of `seed`, a whole number."""
    return Generator(config, seed).case()


class Generator:
    """Makes one case. `rng` is all its randomness; `uops` what the micro-op memory holds, where `known`."""

    def __init__(self, config, seed):
        self.config, self.seed = config, seed
        self.rng = random.Random(f"{seed}")
        self.formats = layouts(config)
        self.uops = np.zeros(config.depth["UOP"], np.uint32)
        self.known = np.zeros(config.depth["UOP"], bool)
        self.image = np.random.default_rng(seed).integers(0, 1 << 32, UOP_WORDS, np.uint32)
        self._next_uop = self.rng.randrange(64)
        self.notes, self.faulty = [], 0

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
        self.windows = {name: self._window(self.config.depth[name]) for name in ("INP", "WGT", "ACC")}
        self.order = Sequencer(self.config, rng, tokens, lambda unit: token_nop(rng, unit),
                               rng.choice((0, 0.1, 0.3, 0.6)))
        self._note("tokens before", any(tokens.values()))
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
            self._note("instructions behind FINISH")
        words = [rubbish(rng, self.formats, self._encode(fields)) for fields, _ in self.order.insns] + tail
        insns = np.array([to_words(word) for word in words], np.uint64)
        address = STREAM + INSN_BYTES * rng.choice((0, 0, rng.randrange(16)))
        launch = Launch(insns, address, memory_behaviour(rng), self.faulty, ends, tuple(self.notes))
        return launch, self.order.tokens_left()

    def _note(self, name, there=True):
        if there:
            self.notes.append(name)

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
        self._note(f"virtual threads: {threads}")
        whole = {name: (0, self.config.depth[name]) for name in self.windows}
        parts = [{name: (start + t * (size // threads), size // threads) for name, (start, size) in whole.items()}
                 for t in range(threads)]
        for queue, unit in ((Queue.G2L, Unit.COMPUTE), (Queue.S2G, Unit.STORE)):
            for _ in range(threads - len(order.queues[queue])):
                order.know(unit, Unit.COMPUTE, order.clock[Unit.COMPUTE][Unit.COMPUTE])
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
        self._note("token left by load or store")

    # what an instruction touches, and where
    def _window(self, depth):
        """(start, size): where programs mostly are in a memory, so that they meet."""
        rng = self.rng
        size = min(depth, rng.choice((2, 4, 8, 32, depth)))
        return rng.choice((0, depth - size, rng.randrange(depth - size + 1))), size

    def place(self, name, count, *, beyond=False):
        """A first index for `count` tiles of a memory, inside of it, or reaching `beyond` its end."""
        rng, depth = self.rng, self.config.depth[name]
        if beyond:
            return rng.choice((depth - rng.randrange(count), rng.randrange(depth, 1 << 16))) if depth < 1 << 16 else 0
        start, size = self.windows[MEMORY.get(name, name)]
        if count <= size and rng.random() < 0.9:
            return start + rng.randrange(size - count + 1)
        return rng.randrange(depth - count + 1)

    def size(self, most):
        rng = self.rng
        return min(most, rng.choice((1, 1, 2, 3, 4, 5, 8, rng.randint(1, 20), rng.randint(1, 70),
                                     rng.randint(1, most) if rng.random() < 0.2 else 7)))

    def shape(self, name, *, pads=True):
        """Fields of a random 2-D transfer that fits the memory, padding included."""
        rng = self.rng
        most = min(self.config.depth[name], 600 if self.config.tile_bytes[name] <= 256 else 64)
        if rng.random() < 0.8:
            most = min(most, self.windows[MEMORY.get(name, name)][1])
        x = self.size(most)
        y = 1 if rng.random() < 0.4 else self.size(max(most // x, 1))
        fields = {"x_size": x, "y_size": y}
        width, height = x, y
        if pads and rng.random() < 0.5:
            for field in rng.sample(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"), rng.randint(1, 4)):
                pad = rng.choice((1, 1, 2, 3, 7, 15))
                new = (width + pad * (field[0] == "x"), height + pad * (field[0] == "y"))
                if new[0] * new[1] <= self.config.depth[name]:
                    fields[field] = pad
                    width, height = new
        if rng.random() < 0.04:
            fields["y_size"] = 0
        fields["x_stride"] = rng.choice((x, x, x, x + 1, x + rng.randrange(1, 20), rng.randrange(x + 1), 0))
        return fields

    def dram(self, name, fields, start, room):
        """A `dram_base` for the transfer somewhere in an area, and a touch of the DRAM grains it covers."""
        tile = self.config.tile_bytes[name]
        reach = (max(fields["y_size"], 1) - 1) * fields["x_stride"] + fields["x_size"]
        while reach * tile > room:
            fields["x_stride"] = fields["x_size"]
            fields["y_size"] = min(fields["y_size"], 1)
            reach = fields["x_size"]
        base = start // tile + self.rng.randrange(room // tile - reach + 1)
        fields["dram_base"] = base
        first = (base + np.arange(fields["y_size"]) * fields["x_stride"]) * tile - OUT
        last = first + fields["x_size"] * tile - 1
        grains = [np.arange(a // GRAIN, b // GRAIN + 1) for a, b in zip(first, last, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *grains])

    def load(self, name=None, *, beyond=False):
        rng = self.rng
        name = name or rng.choice(("INP", "WGT", "ACC", "ACC", "ACC_8BIT"))
        fields = self.shape(name)
        shared = rng.random() < 0.15
        start, room = (OUT, OUT_BYTES) if shared else (DATA, DATA_BYTES)
        grains = self.dram(name, fields, start, room)
        height = fields["y_size"] + fields.get("y_pad_0", 0) + fields.get("y_pad_1", 0)
        count = height * (fields["x_size"] + fields.get("x_pad_0", 0) + fields.get("x_pad_1", 0))
        fields["sram_base"] = self.place(name, max(count, 1), beyond=beyond)
        depth = self.config.depth[name]
        touches = [(MEMORY.get(name, name), depth, (fields["sram_base"] + np.arange(count)) % depth, True)]
        if shared:
            touches.append(("DRAM", OUT_BYTES // GRAIN + 1, grains, False))
        self.faulty += bool(count and fields["sram_base"] + count > depth)
        self._note("LOAD of what STORE may have written", shared)
        self.order.add(LOADED[name], fields | {"opcode": int(Opcode.LOAD), "mem_type": int(MemType[name])}, touches)

    def store(self, *, beyond=False, **more):
        fields = self.shape("OUT", pads=False)
        if self.rng.random() < 0.25:                 # next to each other: bytes of one beat, rows that join
            fields["x_stride"] = fields["x_size"]
        grains = self.dram("OUT", fields, OUT, OUT_BYTES)
        count, depth = fields["x_size"] * fields["y_size"], self.config.depth["OUT"]
        fields["sram_base"] = self.place("OUT", max(count, 1), beyond=beyond)
        touches = [("ACC", depth, (fields["sram_base"] + np.arange(count)) % depth, False),
                   ("DRAM", OUT_BYTES // GRAIN + 1, grains, True)]
        self.faulty += bool(count and fields["sram_base"] + count > depth)
        fields |= {"opcode": int(Opcode.STORE), "mem_type": int(MemType.OUT)} | more
        self.order.add(Unit.STORE, fields, touches)

    def idle(self):
        self.order.nop(self.rng.choice((Unit.LOAD, Unit.COMPUTE, Unit.STORE)))

    # micro-ops and kernels
    def micro_op(self):
        """A random micro-op, most in the window, with rubbish in bits that no field names."""
        rng, config = self.rng, self.config
        low = min(config.depth["INP"], config.depth["ACC"])
        pick = {name: start + rng.randrange(size) for name, (start, size) in self.windows.items()}
        src = rng.choice((pick["INP"], pick["ACC"])) % low
        word = encode(self.formats.uop, {"dst": pick["ACC"], "src": src, "wgt": pick["WGT"]})
        if rng.random() < 0.2:
            word |= rng.getrandbits(32) & ~self.formats.uop.named
        return word

    def load_uops(self, at=None, count=None):
        """LOAD micro-ops: a kernel, at any alignment; now and then in several rows, or padded."""
        rng, depth = self.rng, self.config.depth["UOP"]
        count = count or min(rng.choice((1, 1, 2, 3, 4, 5, 8, 13, 31)), depth)
        words = [self.micro_op() for _ in range(count)]
        if rng.random() < 0.4:
            words = [rng.choice(words[:2]) for _ in words]          # few different ones: hazards
        fields = {"x_size": count, "y_size": 1, "x_stride": count}
        if at is None and rng.random() < 0.2:
            fields |= {"x_size": 1, "y_size": count, "x_stride": rng.choice((1, 1, 2))} if rng.random() < 0.5 else {}
            fields |= {rng.choice(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")): rng.choice((1, 2))}
        reach = (fields["y_size"] - 1) * fields["x_stride"] + fields["x_size"]
        first = self._next_uop + rng.randrange(4)
        self._next_uop = first + reach
        where = first + np.add.outer(np.arange(fields["y_size"]) * fields["x_stride"], np.arange(fields["x_size"]))
        self.image[where.ravel()] = words
        pads = [fields.get(f"{side}_pad_{end}", 0) for side in "yx" for end in (0, 1)]
        written = np.pad(self.image[where], (pads[:2], pads[2:])).ravel()
        if len(written) > depth:
            return
        base = rng.choice((0, rng.randrange(depth - len(written) + 1))) if at is None else at
        entries = (base + np.arange(len(written))) % depth
        self.uops[entries], self.known[entries] = written, True
        self.faulty += base + len(written) > depth
        fields |= {"opcode": int(Opcode.LOAD), "mem_type": int(MemType.UOP), "sram_base": base,
                   "dram_base": UOPS // 4 + first}
        self.order.add(Unit.COMPUTE, fields)

    def nest(self):
        """A random (uop_bgn, uop_end, iter_out, iter_in) over known micro-ops."""
        rng = self.rng
        starts = np.flatnonzero(self.known)
        if not len(starts):
            self.load_uops()
            starts = np.flatnonzero(self.known)
        bgn = int(rng.choice(starts.tolist()))
        run = int(np.argmin(np.append(self.known[bgn:], False)))
        end = bgn + rng.randint(1, min(run, rng.choice((1, 2, 4, 16, 64))))
        loops = [rng.choice((1, 1, 2, 3, 4, 6, rng.randint(1, 30))) for _ in range(2)]
        while (end - bgn) * loops[0] * loops[1] > MOST_STEPS:
            loops[loops[0] < loops[1]] //= 2
        if rng.random() < 0.03:
            loops[rng.randrange(2)] = 0
            self._note("trip count 0")
        if rng.random() < 0.03:
            end = rng.choice((bgn, bgn // 2, 0))
            self._note("empty micro-op range")
        return bgn, end, *loops

    def factors(self, names, nest, *, beyond=False):
        """Fields of index factors that keep the indices `names` (operand -> memory) inside, or not; and the
        indices, (steps,) each."""
        rng, bgn, end, outer, inner = self.rng, *nest
        loop = Nest(bgn, end, outer, inner, *[(0, 0)] * 3)
        words = self.uops[np.arange(bgn, end) % len(self.uops)]
        fields, indices = {}, {}
        for name, memory in names.items():
            depth = self.config.depth[memory]
            for attempt in range(6):
                pair = (0, 0) if attempt == 5 else tuple(
                    rng.choice((0, 0, 1, 1, 2, rng.randrange(1, 9), inner)) for _ in range(2))
                if beyond:
                    pair = tuple(rng.randrange(depth) for _ in range(2))
                if max(pair) >= depth:
                    continue
                if not loop.steps:
                    found = np.zeros(0, np.int64)
                else:
                    found = Nest(bgn, end, outer, inner, pair, pair, pair).indices(
                        name, words, self.config, (0, outer * inner))
                if beyond or found.max(initial=0) < depth:
                    break
            indices[name] = found
            fields |= {f"{name}_factor_out": pair[0], f"{name}_factor_in": pair[1]}
        return fields, indices

    def gemm(self, *, beyond=False, nest=None):
        rng = self.rng
        nest = nest or self.nest()
        reset = int(rng.random() < 0.2)
        names = {"dst": "ACC", "src": "INP", "wgt": "WGT"}
        fields, found = self.factors(names, nest, beyond=beyond)
        if reset:
            names = {"dst": "ACC"}
        self._kernel(Opcode.GEMM, nest, fields | {"reset": reset}, names, found)

    def alu(self, *, beyond=False, nest=None, operation=None):
        rng = self.rng
        nest = nest or self.nest()
        known = operation is None
        operation = int(rng.choice(list(AluOp)) if known else operation)
        use_imm = int(rng.random() < 0.5)
        imm = rng.choice((0, 1, -1, 3, 31, 32, 33, -31, -32, -33, -32768, 32767, rng.randint(-40, 40),
                          rng.randint(-32768, 32767)))
        names = {"dst": "ACC", "src": "ACC"}
        fields, found = self.factors(names, nest, beyond=beyond)
        fields |= {"alu_opcode": operation, "use_imm": use_imm, "imm": imm, "reset": int(rng.random() < 0.1)}
        if use_imm and not self.config.alu_imm_reads_src:
            names = {"dst": "ACC"}
        self._kernel(Opcode.ALU, nest, fields, names if known else {}, found)

    def _kernel(self, opcode, nest, fields, names, found):
        """Append a GEMM or ALU that uses the indices `names`; none for one that does nothing."""
        touches = []
        for name, memory in names.items():
            depth = self.config.depth[memory]
            touches.append((memory, depth, found[name] % depth, name == "dst"))
        if names and len(found["dst"]):
            beyond = any((found[name] >= self.config.depth[memory]).any() for name, memory in names.items())
            self.faulty += bool(beyond or nest[1] > self.config.depth["UOP"])
            self._note_hazards(found["dst"], found.get("src") if opcode == Opcode.ALU and "src" in names else None)
        fields |= dict(zip(("uop_bgn", "uop_end", "iter_out", "iter_in"), nest, strict=True))
        self.order.add(Unit.COMPUTE, fields | {"opcode": int(opcode)}, touches)

    def _note_hazards(self, dst, src):
        """How far apart steps are that write a tile and then use it."""
        for distance in range(1, 7):
            if len(dst) > distance:
                self._note(f"dst again after {distance}", (dst[distance:] == dst[:-distance]).any())
                if src is not None:
                    self._note(f"src is dst of {distance} before", (src[distance:] == dst[:-distance]).any())


def memory_behaviour(rng):
    """Random options of the RTL's memory."""
    return {"latency": rng.choice((1, 2, 5, 16, 16, 40, 150)), "write_latency": rng.choice((1, 3, 16, 16, 100)),
            "outstanding": rng.choice((1, 2, 4, 64, 64)), "bandwidth": rng.choice((1.0, 1.0, 0.5, 0.8)),
            "stall": rng.choice((0.0, 0.0, 0.1, 0.3, 0.6)), "order": rng.choice(("in_order", "reorder", "interleave")),
            "early": rng.choice((0.0, 0.0, 0.5, 1.0)), "seed": rng.randrange(1 << 30)}

