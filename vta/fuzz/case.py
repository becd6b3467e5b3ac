"""Cases: a few launches in sequence on one DRAM image, made from one seed.

The DRAM layout is the same for all cases: the stream, micro-ops and data that programs read, an area that STOREs
write (and LOADs read too), and space for the dump of scratchpads (`vta.fuzz.dump`).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from vta.compiler.stream.assembler import disassemble, disassemble_uops
from vta.fuzz.parameters import parameter_tiles
from vta.hw.columns import Columns
from vta.hw.config import Config
from vta.hw.features import Feature
from vta.hw.isa import UOP_BYTES, MemType

DRAM_BYTES = 2 << 20
STREAM, UOPS, DATA, OUT, DUMP = 0x1000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000    # byte addresses
UOP_WORDS = (DATA - UOPS) // UOP_BYTES
DATA_BYTES, OUT_BYTES = OUT - DATA, DUMP - OUT
QUEUES = ("l2g", "g2l", "g2s", "s2g")
CORNERS = np.array([0, 1, -1, 31, 32, -31, -32, 127, -128, 0x7FFF_FFFF, -0x8000_0000], np.int64)


@dataclass(frozen=True)
class Launch:
    """One run: `insns` (n, 2) uint64, at DRAM byte `address`.

    `memory` are options of the RTL's memory (see `vta.runtime.tsim.RtlDevice`). `faulty` is the number of instructions
    that the accelerator must report: with one at most, both devices must report the same error.
    `ends` is False for a stream that gets stuck. `features` are what the generator recorded for the coverage.
    """

    insns: np.ndarray
    address: int = STREAM
    memory: dict = field(default_factory=dict)
    faulty: int = 0
    ends: bool = True
    features: tuple = ()


@dataclass(frozen=True)
class Case:
    """`launches` in sequence; `tokens`, by queue name, are present before the first. `uops` is the image at UOPS."""

    seed: int
    config: Config
    tokens: dict
    uops: np.ndarray
    launches: tuple

    def dram(self):
        """DRAM before the first launch, without the streams: (DRAM_BYTES,) uint8."""
        rng = np.random.default_rng(self.seed)
        image = np.zeros(DRAM_BYTES, np.uint8)
        image[UOPS:DATA] = self.uops.view(np.uint8)
        image[DATA:DUMP] = rng.integers(0, 256, DUMP - DATA, np.uint8)
        words = image[DATA:DUMP].view(np.int32)          # small numbers and extremes among the random ones
        where = rng.random(len(words)) < 0.2
        words[where] = rng.choice(CORNERS, where.sum())
        if self.config.has(Feature.REQUANTISE):
            parameters = parameter_tiles(self.config, self.seed).ravel()
            words[:len(parameters)] = parameters
        return image

    def with_launch(self, number, **changes):
        """The case with some fields of one launch replaced."""
        launches = list(self.launches)
        launches[number] = replace(launches[number], **changes)
        return replace(self, launches=tuple(launches))

    def text(self):
        """The case as assembly, with everything outside the instructions in comments."""
        lines = [f"# seed {self.seed}, configuration {self.config.name}",
                 f"# tokens before: {self.tokens or 'none'}"]
        for number, launch in enumerate(self.launches):
            lines += [f"# launch {number}: stream at 0x{launch.address:x}, memory {launch.memory or 'as by default'}",
                      *disassemble(launch.insns, self.config)]
        used = used_uops(self)
        lines += [f"# micro-ops in DRAM, from 0x{UOPS:x} on; those not loaded by any LOAD UOP are left out"]
        text, first = disassemble_uops(self.uops[used], self.config), UOPS // UOP_BYTES
        lines += [f"# at dram=0x{first + at:x}: {line}" for at, line in zip(used.tolist(), text, strict=True)]
        return "\n".join(lines) + "\n"


def used_uops(case):
    """The positions, in the image, of the micro-ops that the case's LOAD UOPs read: ascending."""
    used = np.zeros(UOP_WORDS, bool)
    for launch in case.launches:
        columns = Columns(launch.insns, case.config)
        get = columns.memory
        loads = columns.is_load & (columns.mem_type == MemType.UOP) & columns.moves
        for n in np.flatnonzero(loads):
            first = int(get["dram_base"][n]) - UOPS // UOP_BYTES
            for row in range(int(get["y_size"][n])):
                start = max(first + row * int(get["x_stride"][n]), 0)
                used[start:start + int(get["x_size"][n])] = True
    return np.flatnonzero(used)
