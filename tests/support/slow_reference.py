"""A second functional simulator, slow and literal: one lane of one step at a time.

Programs must be in program order and end with FINISH: it ignores tokens.
"""

import operator

from vta.hw.isa import LANE_OPS, AluOp, MemType, Opcode, check_complete, decode, from_words, layouts, pad_value


def low(value, bits):
    """`value` modulo 2^bits, signed."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def shift(x, y):
    return x >> (y % 32) if y >= 0 else x << (-y % 32)


OPERATIONS = {AluOp.MIN: min, AluOp.MAX: max, AluOp.ADD: operator.add, AluOp.SHR: shift, AluOp.MUL: operator.mul}
check_complete(LANE_OPS, OPERATIONS, __name__)


def operate(operation, x, y):
    return low(OPERATIONS[operation](x, y), 32)


def requantise(acc, wide, multiplier, bias, word, bounds):
    """What happens to one lane: docs/isa.md, word by word."""
    shift, early, rounding, raw = word & 31, word >> 5 & 1, word >> 6 & 3, word >> 17 & 1
    zero_point = low(word >> 8, 9)
    if wide:
        x, early = (acc >> 20 << 20) + low((acc & 0xFFFFF) + low(bias, 25), 25), 0
    else:
        x = low(low(acc, 25) + low(bias, 25), 25)
    product, k = x * multiplier, 11 if early else 31
    if rounding == 0:                # double: half up, then half away from zero
        y = low((product + (1 << (k - 1))) >> k, 32)
        q = (y + (1 << shift >> 1) - (y < 0)) >> shift if shift else y
    else:
        y = low(product >> k, 32)
        whole = y << k | product & ((1 << k) - 1)          # in units of 2^-k
        unit = 1 << (k + shift)
        q, rest = divmod(whole, unit)
        q += {1: 2 * rest >= unit, 2: 2 * rest > unit or (2 * rest == unit and q & 1), 3: 0}[rounding]
    q = low(q, 32)
    if raw:
        return q
    return min(max(q + zero_point, bounds[0]), bounds[1])


class Reference:
    """Scratchpads are lists of tiles, a tile a list of integers; `dram` is a bytearray from address 0."""

    def __init__(self, config, dram):
        self.config, self.dram, depth = config, dram, config.depth
        self.lanes, self.block = config.lanes, config.block
        self.uop = [0] * depth["UOP"]
        self.wgt = [[0] * self.block ** 2 for _ in range(depth["WGT"])]
        self.inp = [[0] * self.lanes for _ in range(depth["INP"])]
        self.acc = [[0] * self.lanes for _ in range(depth["ACC"])]
        self.out = [[0] * self.lanes for _ in range(depth["OUT"])]
        self.parameters, self.bounds = [[0] * self.lanes] * 3, (0, 0)

    def run(self, insns):
        for words in insns:
            word = from_words(words)
            opcode = word & 7
            if opcode == Opcode.FINISH:
                return
            fields = decode(layouts(self.config).of_word(word), word)
            {Opcode.LOAD: self.load, Opcode.STORE: self.store, Opcode.GEMM: self.nest, Opcode.WINDOW: self.nest,
             Opcode.ALU: self.nest}[opcode](fields)

    def tile(self, mem, number):
        """A tile of DRAM as signed integers (micro-ops unsigned)."""
        size = self.config.tile_bytes[mem.name]
        step = 4 if mem in (MemType.ACC, MemType.UOP) else 1
        data = self.dram[number * size:(number + 1) * size]
        return [int.from_bytes(data[n:n + step], "little", signed=mem != MemType.UOP)
                for n in range(0, size, step)]

    def load(self, f):
        mem = MemType(f["mem_type"])
        if not f["x_size"]:
            return
        memory = {"UOP": self.uop, "WGT": self.wgt, "INP": self.inp, "ACC": self.acc}[mem.memory]
        size, padding = len(self.tile(mem, 0)), pad_value(f) if mem is MemType.INP_PAD else 0
        at = f["sram_base"]
        for r in range(-f["y_pad_0"], f["y_size"] + f["y_pad_1"]):
            for c in range(-f["x_pad_0"], f["x_size"] + f["x_pad_1"]):
                tile = [padding] * size
                if 0 <= r < f["y_size"] and 0 <= c < f["x_size"]:
                    tile = self.tile(mem, f["dram_base"] + r * f["x_stride"] + c)
                if mem == MemType.WGT_DIAG:
                    tile = [tile[j] if j == k else 0 for j in range(size) for k in range(size)]
                memory[at % len(memory)] = tile[0] if mem == MemType.UOP else list(tile)
                if memory is self.acc:
                    self.to_out(at % len(memory))
                at += 1

    def store(self, f):
        for r in range(f["y_size"]):
            for c in range(f["x_size"]):
                tile = self.out[(f["sram_base"] + r * f["x_size"] + c) % len(self.out)]
                address = (f["dram_base"] + r * f["x_stride"] + c) * self.lanes
                self.dram[address:address + self.lanes] = bytes(value & 255 for value in tile)

    def nest(self, f):
        step = {Opcode.ALU: self.alu, Opcode.GEMM: self.gemm, Opcode.WINDOW: self.window}[f["opcode"]]
        self.seen = []
        for o in range(f["iter_out"]):
            for i in range(f["iter_in"]):
                for u in range(f["uop_bgn"], f["uop_end"]):
                    self.first, self.last = u == f["uop_bgn"], u == f["uop_end"] - 1
                    start = decode(layouts(self.config).uop, self.uop[u % len(self.uop)])
                    step(f, {name: start[name] + o * f.get(f"{name}_factor_out", 0)
                             + i * f.get(f"{name}_factor_in", 0) for name in ("dst", "src", "wgt")})

    def gemm(self, f, at):
        number, requantises = at["dst"] % len(self.acc), f.get("requantise")
        acc = self.acc[number]
        if f["reset"] and (self.first or not requantises):
            acc[:] = [0] * self.lanes
        if f["reset"] and not requantises:
            self.to_out(number)
            return
        inp, wgt = self.inp[at["src"] % len(self.inp)], self.wgt[at["wgt"] % len(self.wgt)]
        for lane in range(self.lanes):
            b, j = divmod(lane, self.block)
            dot = sum(inp[b * self.block + k] * wgt[j * self.block + k] for k in range(self.block))
            acc[lane] = low(acc[lane] + dot, 32)
        self.finish(number, requantises, self.last)

    def window(self, f, at):
        """Even lanes have their taps in the left half of a row of the weight tile, odd lanes in the right half."""
        number, half = at["dst"] % len(self.acc), self.block // 2
        acc, wgt = self.acc[number], self.wgt[at["wgt"] % len(self.wgt)]
        if f["reset"]:
            acc[:] = [0] * self.lanes
        self.seen.insert(0, self.inp[at["src"] % len(self.inp)])
        for lane in range(self.lanes):
            j = lane % self.block
            taps = wgt[j * self.block + j % 2 * half:][:min(half, 4)]
            acc[lane] = low(acc[lane] + sum(w * tile[lane] for w, tile in zip(taps, self.seen, strict=False)), 32)
        self.finish(number, f.get("requantise"), True)

    def finish(self, number, requantises, last):
        if not requantises:
            self.to_out(number)
        elif last:
            self.out[number] = [low(value, 8) for value in self.requantise(self.acc[number], 0)]

    def requantise(self, tile, wide):
        return [requantise(acc, wide, *words, self.bounds) for acc, *words in zip(tile, *self.parameters, strict=True)]

    def to_out(self, number):
        self.out[number] = [low(value, 8) for value in self.acc[number]]

    def alu(self, f, at):
        if f["alu_opcode"] == AluOp.PAR:
            self.parameters = [list(self.acc[(at["src"] + k) % len(self.acc)]) for k in range(3)]
            self.bounds = low(f["imm"], 8), low(f["imm"] >> 8, 8)
            return
        dst, src = (self.acc[at[name] % len(self.acc)] for name in ("dst", "src"))
        requantises = f["alu_opcode"] == AluOp.REQ
        x = src if (f["use_imm"] or requantises) and self.config.alu_imm_reads_src else dst
        if requantises:
            dst[:] = self.requantise(x, f["imm"] & 1)
            self.to_out(at["dst"] % len(self.acc))
            return
        y = [f["imm"]] * self.lanes if f["use_imm"] else src
        dst[:] = [operate(f["alu_opcode"], *pair) for pair in zip(x, y, strict=True)]
        self.to_out(at["dst"] % len(self.acc))
