"""Random micro-ops, and GEMM and ALU instructions over them."""

import numpy as np

from vta.fuzz.case import UOP_WORDS, UOPS
from vta.fuzz.transfers import Transfers
from vta.hw.isa import AluOp, MemType, Opcode, Unit, encode, layouts
from vta.sim.functional.loop_nest import LoopNest

MOST_STEPS = 400        # of a GEMM or ALU


class Kernels(Transfers):
    """Transfers and kernels. `uops` is what the micro-op memory holds, where `known`; `image` are those in DRAM."""

    def __init__(self, config, rng, seed):
        super().__init__(config, rng)
        self.formats = layouts(config)
        self.uops = np.zeros(config.depth["UOP"], np.uint32)
        self.known = np.zeros(config.depth["UOP"], bool)
        self.image = np.random.default_rng(seed).integers(0, 1 << 32, UOP_WORDS, np.uint32)
        self._next_uop = rng.randrange(64)

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
            self.note("trip count 0")
        if rng.random() < 0.03:
            end = rng.choice((bgn, bgn // 2, 0))
            self.note("empty micro-op range")
        return bgn, end, *loops

    def factors(self, names, nest, *, beyond=False):
        """Fields of index factors that keep the indices `names` (operand -> memory) inside, or not; and the
        indices, (steps,) each."""
        rng, bgn, end, outer, inner = self.rng, *nest
        loop = LoopNest(bgn, end, outer, inner, *[(0, 0)] * 3)
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
                    found = LoopNest(bgn, end, outer, inner, pair, pair, pair).indices(
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
                self.note(f"dst again after {distance}", (dst[distance:] == dst[:-distance]).any())
                if src is not None:
                    self.note(f"src is dst of {distance} before", (src[distance:] == dst[:-distance]).any())
