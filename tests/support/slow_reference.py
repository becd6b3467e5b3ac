"""A second functional simulator, slow and literal: one lane of one step at a time.

Programs must be in program order and end with FINISH: it ignores tokens.
"""

import operator

from vta.hw.isa import AluOp, MemType, Opcode, check_complete, decode, from_words, layouts


def low(value, bits):
    """`value` modulo 2^bits, signed."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def shift(x, y):
    return x >> (y % 32) if y >= 0 else x << (-y % 32)


OPERATIONS = {AluOp.MIN: min, AluOp.MAX: max, AluOp.ADD: operator.add, AluOp.SHR: shift, AluOp.MUL: operator.mul}
check_complete(AluOp, OPERATIONS, __name__)


def operate(operation, x, y):
    return low(OPERATIONS[operation](x, y), 32)


class Reference:
    """Scratchpads are lists of tiles, a tile a list of integers; `dram` is a bytearray from address 0."""

    def __init__(self, config, dram):
        self.config, self.dram, depth = config, dram, config.depth
        self.lanes, self.block = config.lanes, config.block
        self.uop = [0] * depth["UOP"]
        self.wgt = [[0] * self.block ** 2 for _ in range(depth["WGT"])]
        self.inp = [[0] * self.lanes for _ in range(depth["INP"])]
        self.acc = [[0] * self.lanes for _ in range(depth["ACC"])]

    def run(self, insns):
        for words in insns:
            word = from_words(words)
            opcode = word & 7
            if opcode == Opcode.FINISH:
                return
            fields = decode(layouts(self.config).of(opcode), word)
            {Opcode.LOAD: self.load, Opcode.STORE: self.store, Opcode.GEMM: self.nest,
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
        memory = {MemType.UOP: self.uop, MemType.WGT: self.wgt, MemType.INP: self.inp}.get(mem, self.acc)
        size = len(self.tile(mem, 0))
        at = f["sram_base"]
        for r in range(-f["y_pad_0"], f["y_size"] + f["y_pad_1"]):
            for c in range(-f["x_pad_0"], f["x_size"] + f["x_pad_1"]):
                tile = [0] * size
                if 0 <= r < f["y_size"] and 0 <= c < f["x_size"]:
                    tile = self.tile(mem, f["dram_base"] + r * f["x_stride"] + c)
                memory[at % len(memory)] = tile[0] if mem == MemType.UOP else tile
                at += 1

    def store(self, f):
        for r in range(f["y_size"]):
            for c in range(f["x_size"]):
                tile = self.acc[(f["sram_base"] + r * f["x_size"] + c) % len(self.acc)]
                address = (f["dram_base"] + r * f["x_stride"] + c) * self.lanes
                self.dram[address:address + self.lanes] = bytes(value & 255 for value in tile)

    def nest(self, f):
        step = self.alu if f["opcode"] == Opcode.ALU else self.gemm
        for o in range(f["iter_out"]):
            for i in range(f["iter_in"]):
                for u in range(f["uop_bgn"], f["uop_end"]):
                    start = decode(layouts(self.config).uop, self.uop[u % len(self.uop)])
                    step(f, {name: start[name] + o * f.get(f"{name}_factor_out", 0)
                             + i * f.get(f"{name}_factor_in", 0) for name in ("dst", "src", "wgt")})

    def gemm(self, f, at):
        acc = self.acc[at["dst"] % len(self.acc)]
        if f["reset"]:
            acc[:] = [0] * self.lanes
            return
        inp, wgt = self.inp[at["src"] % len(self.inp)], self.wgt[at["wgt"] % len(self.wgt)]
        for lane in range(self.lanes):
            b, j = divmod(lane, self.block)
            dot = sum(inp[b * self.block + k] * wgt[j * self.block + k] for k in range(self.block))
            acc[lane] = low(acc[lane] + dot, 32)

    def alu(self, f, at):
        dst, src = (self.acc[at[name] % len(self.acc)] for name in ("dst", "src"))
        x = src if f["use_imm"] and self.config.alu_imm_reads_src else dst
        y = [f["imm"]] * self.lanes if f["use_imm"] else src
        dst[:] = [operate(f["alu_opcode"], *pair) for pair in zip(x, y, strict=True)]
