"""Small programs for any device, written instruction by instruction."""

import dataclasses

import numpy as np

from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES
from vta.hw.isa import LANE_OPS, AluOp, MemType, Opcode, Unit, encode, layouts, pad_fields, to_words, unit_of

NUMBERS = {MemType.UOP: np.uint32, MemType.ACC: np.int32}      # all others are int8


CONFIGS = {
    "default": Config(),
    "tiny": PRESETS["tiny"],
    "batch": Config(log_batch=2, log_block=3, log_uop_buff_size=13, log_inp_buff_size=10,
                    log_wgt_buff_size=10, log_acc_buff_size=12),
    "reads_src": dataclasses.replace(PRESETS["tiny"], alu_imm_reads_src=True),
}
ALL = frozenset(FEATURES)
EXTENDED = {f"{name} extended": dataclasses.replace(config, features=ALL) for name, config in CONFIGS.items()}


class Program:
    """A stream under construction and its data in the DRAM of `device`.

    Each instruction waits for the one before it, by tokens (with a NOP between a load and a store), unless `serial` is
    false: then only the given flags are set.
    """

    def __init__(self, device):
        self.device, self.config = device, device.config
        self.insns, self.buffers, self.serial = [], [], True

    def emit(self, opcode, **fields):
        """Append one instruction; returns its fields, which can still be changed."""
        fields["opcode"] = int(opcode)
        unit = unit_of(self.config, opcode, fields.get("mem_type", 0))
        if self.serial and self.insns:
            last, before = self.insns[-1]
            if {unit, before} == {Unit.LOAD, Unit.STORE}:
                last = self.emit(Opcode.LOAD, mem_type=MemType.UOP)
                before = Unit.COMPUTE
            if unit != before:
                last["push_next" if unit > before else "push_prev"] = 1
                fields["pop_prev" if unit > before else "pop_next"] = 1
        self.insns.append((fields, unit))
        return fields

    def data(self, array, dtype):
        """A buffer with these values, aligned to any tile."""
        array = np.ascontiguousarray(array, dtype)
        buffer = self.device.memory.alloc(max(array.nbytes, 1), 4096)
        buffer.view(dtype, array.shape)[:] = array
        self.buffers.append(buffer)
        return buffer

    def tile(self, mem):
        return self.config.tile_bytes[MemType(mem).name]

    def load(self, mem, tiles, sram=0, x=None, y=1, stride=None, pads=(0, 0, 0, 0), **flags):
        """LOAD the values `tiles`, (n, elements); by default all of them in one row. pads: y0, y1, x0, x1."""
        tiles = np.asarray(tiles)
        x = len(tiles) // y if x is None else x
        where = self.data(tiles, NUMBERS.get(mem, np.int8)).address // self.tile(mem)
        flags |= zip(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"), pads, strict=True)
        return self.emit(Opcode.LOAD, mem_type=int(mem), sram_base=sram, dram_base=where, x_size=x, y_size=y,
                         x_stride=x if stride is None else stride, **flags)

    def fill(self, mem, values, sram=0, **options):
        """LOAD one tile for each value, all its elements equal."""
        dtype = NUMBERS.get(mem, np.int8)
        size = self.tile(mem) // np.dtype(dtype).itemsize
        return self.load(mem, np.repeat(np.array(values, dtype)[:, None], size, axis=1), sram, **options)

    def uops(self, *indices, sram=0):
        """LOAD micro-ops, (dst, src, wgt) each."""
        layout = layouts(self.config).uop
        words = [encode(layout, dict(zip(("dst", "src", "wgt"), index, strict=False))) for index in indices]
        return self.load(MemType.UOP, np.array(words, np.uint32)[:, None], sram)

    def gemm(self, uop=(0, 1), loop=(1, 1), dst=(0, 0), src=(0, 0), wgt=(0, 0), opcode=Opcode.GEMM, **fields):
        """GEMM; loop and factors are (outer, inner)."""
        return self._nest(opcode, uop, loop, {"dst": dst, "src": src, "wgt": wgt}, fields)

    def alu(self, operation, imm=None, uop=(0, 1), loop=(1, 1), dst=(0, 0), src=(0, 0), bounds=(0, 0), **fields):
        """ALU with an immediate, or with ACC[src] if `imm` is None; `bounds` are those of PAR."""
        low, high = bounds
        imm_field = imm if imm is not None else (high << 8 | low & 255)
        fields |= {"alu_opcode": int(operation), "use_imm": int(imm is not None), "imm": imm_field}
        return self._nest(Opcode.ALU, uop, loop, {"dst": dst, "src": src}, fields)

    def parameters(self, multiplier, bias, word, low, high, sram=0):
        """PAR, from three tiles loaded to `sram` on, with a micro-op of its own (number 0)."""
        self.load(MemType.ACC, np.stack([multiplier, bias, word]), sram)
        self.uops((0, sram))
        self.alu(AluOp.PAR, imm=None, bounds=(low, high))

    def _nest(self, opcode, uop, loop, factors, fields):
        for name, (outer, inner) in factors.items():
            fields |= {f"{name}_factor_out": outer, f"{name}_factor_in": inner}
        return self.emit(opcode, uop_bgn=uop[0], uop_end=uop[1], iter_out=loop[0], iter_in=loop[1], **fields)

    def store(self, count, sram=0, y=1, stride=None, room=None, mem=MemType.OUT, **flags):
        """STORE y rows of `count` tiles; returns the buffer, filled with 0x55 beforehand, as int8 tiles."""
        stride = count if stride is None else stride
        room = (y - 1) * stride + count if room is None else room
        values = self.data(np.full((max(room, 1), self.tile(MemType.OUT)), 0x55, np.int8), np.int8)
        self.emit(Opcode.STORE, mem_type=int(mem), sram_base=sram, x_size=count, y_size=y, x_stride=stride,
                  dram_base=values.address // self.tile(MemType.OUT), **flags)
        return values.view(np.int8, (max(room, 1), self.tile(MemType.OUT)))

    def words(self):
        """The stream, (n, 2) uint64, with FINISH at its end."""
        if not self.insns or self.insns[-1][0]["opcode"] != Opcode.FINISH:
            self.emit(Opcode.FINISH)
        table = layouts(self.config)
        return np.array([to_words(encode(table.of(fields["opcode"], fields.get("mem_type")), fields))
                         for fields, _ in self.insns], np.uint64)

    def run(self):
        return self.device.run_insns(self.words())


def random_program(program, rng, length):
    """Loads, nests and stores with legal and illegal indices, on random scratchpads."""
    config = program.config
    depth = config.depth
    everything = {MemType.INP: config.lanes, MemType.WGT: config.block ** 2, MemType.ACC: config.lanes}
    for mem, size in everything.items():
        low, high = (-2**31, 2**31) if mem == MemType.ACC else (-128, 128)
        program.load(mem, rng.integers(low, high, (depth[mem.name], size)))
    program.load(MemType.UOP, rng.integers(0, 1 << 32, (16, 1), np.uint32))
    for _ in range(length):
        kind = rng.integers(4 + 3 * bool(config.features))
        span = {"uop": tuple(np.sort(rng.integers(0, 17, 2)).tolist()),
                "loop": tuple(rng.integers(1, 5, 2).tolist())}

        def factors(limit):
            return tuple(rng.integers(0, (limit, 3)[rng.integers(2)], 2).tolist())
        if kind == 0:
            program.gemm(reset=int(rng.random() < 0.1), dst=factors(depth["ACC"]),
                         src=factors(depth["INP"]), wgt=factors(depth["WGT"]), **span)
        elif kind == 1:
            imm = None if rng.random() < 0.6 else int(rng.integers(-2**15, 2**15))
            program.alu(rng.choice(LANE_OPS), imm, dst=factors(depth["ACC"]),
                        src=factors(depth["ACC"]), **span)
        elif kind == 2:
            mem = MemType(rng.choice([mem for mem in MemType.of(config) if mem not in (MemType.UOP, MemType.OUT)]))
            x, y = rng.integers(0, 4, 2).tolist()
            low, high = (-2**31, 2**31) if mem == MemType.ACC else (-128, 128)
            fields = pad_fields(int(rng.integers(-128, 128))) if mem is MemType.INP_PAD else {}
            size = program.tile(mem) // np.dtype(NUMBERS.get(mem, np.int8)).itemsize
            program.load(mem, rng.integers(low, high, (max(x * y + 3, 1), size)),
                         int(rng.integers(depth[mem.name])), x=x, y=y, stride=int(rng.integers(3)),
                         pads=rng.integers(0, 3, 4).tolist(), **fields)
        elif kind == 4:
            program.gemm(opcode=rng.choice([Opcode.GEMM, Opcode.WINDOW]), reset=int(rng.integers(2)),
                         requantise=int(rng.random() < 0.7), dst=factors(depth["ACC"]), src=factors(depth["INP"]),
                         wgt=factors(depth["WGT"]), **span)
        elif kind == 5:
            bounds = sorted(rng.integers(-128, 128, 2).tolist())
            program.alu(AluOp.PAR, bounds=bounds, src=factors(depth["ACC"]), **span)
        elif kind == 6:
            program.alu(AluOp.REQ, int(rng.integers(2)), dst=factors(depth["ACC"]), src=factors(depth["ACC"]), **span)
        else:
            x, y = rng.integers(0, 4, 2).tolist()
            program.store(x, int(rng.integers(depth["ACC"])), y=y, stride=int(rng.integers(6)), room=40)
