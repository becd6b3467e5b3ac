"""A program that copies all scratchpads to DRAM, so that two devices can be compared without a back door.

STORE OUT is the only way out of the accelerator. OUT is stored as it is; then accumulators byte by byte, shifted right
by 0, 8, 16 and 24; inputs, weights and micro-ops as the low bytes of their effects: every input tile times one weight
tile of odd numbers, every weight tile times one such input tile, and ALU and GEMM over all micro-ops. Multiplying by an
odd number loses no bit of a byte, so a single wrong byte is visible. Of the requantiser's parameters one sees what they
make of many accumulators. One entry of each memory, chosen by `seed`, is overwritten for all this.
"""

import random
from functools import partial

import numpy as np

from vta.fuzz.case import DATA, DUMP
from vta.fuzz.sequencer import Sequencer, token_nop
from vta.hw.features import Feature
from vta.hw.isa import LOAD_UNIT, UOP_BYTES, AluOp, MemType, Opcode, Queue, Unit, encode, layouts, to_words

SHIFTS = 0, 8, 8, 8       # of the accumulators, one after another
RESULTS = DUMP + 0x4000      # behind the data that the dump itself loads
ODD_TILE, WORDS = DUMP, DUMP + 0x2000


class Dump:
    """`insns` (n, 2) uint64; `image` must be written to DRAM at DUMP beforehand. It starts without tokens.

    `spent`: memory -> the entry that is overwritten. `areas`: what each area of results, as large as OUT, shows.
    """

    def __init__(self, config, seed):
        self.config, self._rng = config, random.Random(seed)
        self._formats, self._depth = layouts(config), config.depth
        self._sequencer = _sequencer(config, self._rng)
        self.areas = []
        self._words = []
        self.spent = {name: self._rng.randrange(depth) for name, depth in self._depth.items()}
        odd = np.random.default_rng(seed).integers(0, 256, WORDS - DUMP, np.uint8) | 1
        self._accumulators()
        if config.has(Feature.REQUANTISE):
            self._parameters()
        self._inputs()
        self._weights()
        self._micro_ops()
        self._sequencer.finish()
        words = np.zeros(RESULTS - WORDS, np.uint8)
        loaded = np.array(self._words, np.uint32).view(np.uint8)
        words[:len(loaded)] = loaded
        self.image = np.concatenate([odd, words])
        self.insns = _encoded(self._sequencer, config)

    def _accumulators(self):
        self._store("OUT")
        self._load_uop(dst=0)
        for byte, shift in enumerate(SHIFTS):
            self._nest(Opcode.ALU, (1, self._depth["ACC"]), dst=(0, 1), src=(0, 1), alu_opcode=int(AluOp.SHR),
                       use_imm=1, imm=shift)
            self._store(f"byte {byte} of ACC")

    def _parameters(self):
        self._load("ACC", 0, self._depth["ACC"], DATA)
        self._nest(Opcode.ALU, (1, self._depth["ACC"]), dst=(0, 1), src=(0, 1), alu_opcode=int(AluOp.REQ))
        self._store("requantised")

    def _inputs(self):
        self._load("WGT", self.spent["WGT"])
        self._load_uop(wgt=self.spent["WGT"])
        self._reset()
        self._nest(Opcode.GEMM, *self._fold("INP", "src"))
        self._store("INP")

    def _weights(self):
        self._load("INP", self.spent["INP"])
        self._load_uop(src=self.spent["INP"])
        self._reset()
        self._nest(Opcode.GEMM, *self._fold("WGT", "wgt"))
        self._store("WGT")

    def _micro_ops(self):
        whole = (0, self._depth["UOP"])
        self._load("ACC_8BIT", 0, self._depth["ACC"], DATA)
        self._nest(Opcode.ALU, (1, 1), uop=whole, alu_opcode=int(AluOp.ADD))
        self._store("micro-ops (ALU)")
        self._nest(Opcode.GEMM, (1, 1), uop=whole)
        self._store("micro-ops (GEMM)")

    def _fold(self, name, operand):
        """A nest that adds the tiles of a memory to accumulators, several to each where there are too few."""
        tiles, most = self._depth[name], self._depth["ACC"]
        return (max(tiles // most, 1), min(tiles, most)), {"dst": (0, 1), operand: (most if tiles > most else 0, 1)}

    def _reset(self):
        self._nest(Opcode.GEMM, (1, self._depth["ACC"]), dst=(0, 1), reset=1)

    def _store(self, what):
        """All of OUT to the next area of results, which shows `what`."""
        tiles, tile = self._depth["OUT"], self.config.tile_bytes["OUT"]
        fields = {"opcode": int(Opcode.STORE), "mem_type": int(MemType.OUT), "y_size": 1, "x_size": tiles,
                  "dram_base": RESULTS // tile + len(self.areas) * tiles}
        self.areas.append(what)
        self._sequencer.add(Unit.STORE, fields, [("OUT", tiles, slice(None), False)])

    def _load(self, name, sram, tiles=1, address=ODD_TILE):
        memory = "OUT" if name in ("ACC", "ACC_8BIT") else name
        self._sequencer.add(LOAD_UNIT[MemType[name]], {
            "opcode": int(Opcode.LOAD), "mem_type": int(MemType[name]), "sram_base": sram, "y_size": 1,
            "x_size": tiles, "dram_base": address // self.config.tile_bytes[name],
        }, [(memory, self._depth[name], slice(sram, sram + tiles), True)])

    def _load_uop(self, **indices):
        """Load one micro-op to the spent entry."""
        self._words.append(encode(self._formats.uop, indices))
        self._sequencer.add(Unit.COMPUTE, {
            "opcode": int(Opcode.LOAD), "mem_type": int(MemType.UOP), "sram_base": self.spent["UOP"],
            "dram_base": WORDS // UOP_BYTES + len(self._words) - 1, "y_size": 1, "x_size": 1})

    def _nest(self, opcode, loop, factors=None, *, uop=None, dst=(0, 0), src=(0, 0), **fields):
        """One GEMM or ALU, over the range `uop`, by default the micro-op loaded last."""
        factors = {"dst": dst, "src": src} if factors is None else factors
        for name, (outer, inner) in factors.items():
            fields |= {f"{name}_factor_out": outer, f"{name}_factor_in": inner}
        bgn, end = uop or (self.spent["UOP"], self.spent["UOP"] + 1)
        fields |= {"opcode": int(opcode), "uop_bgn": bgn, "uop_end": end, "iter_out": loop[0], "iter_in": loop[1]}
        accesses = [("OUT", self._depth["OUT"], slice(None), True)]
        accesses += [(name, self._depth[name], slice(None), False) for name in ("INP", "WGT")]
        self._sequencer.add(Unit.COMPUTE, fields, accesses)


def fill(config):
    """A program, (n, 2) uint64, that loads all scratchpads, and the requantiser's parameters, from DRAM at DATA.

    Micro-op 0 becomes 0."""
    sequencer = _sequencer(config, random.Random(0))
    for name in ("INP", "WGT", "UOP", "ACC"):
        zeros = int(name == "UOP")
        sequencer.add(LOAD_UNIT[MemType[name]], {
            "opcode": int(Opcode.LOAD), "mem_type": int(MemType[name]), "y_size": 1, "x_pad_0": zeros,
            "x_size": config.depth[name] - zeros, "dram_base": DATA // config.tile_bytes[name]})
    if config.has(Feature.REQUANTISE):
        sequencer.add(Unit.COMPUTE, {
            "opcode": int(Opcode.ALU), "alu_opcode": int(AluOp.PAR), "uop_end": 1, "iter_out": 1, "iter_in": 1,
            "imm": 127 << 8 | 128})
    sequencer.finish()
    return _encoded(sequencer, config)


def _sequencer(config, rng):
    return Sequencer(config, rng, dict.fromkeys(Queue, 0), partial(token_nop, config, rng), 0)


def _encoded(sequencer, config):
    formats = layouts(config)
    return np.array([to_words(encode(formats.of(fields["opcode"]), fields)) for fields, _ in sequencer.insns],
                    np.uint64)
