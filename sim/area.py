"""Area of the accelerator on a 7-series FPGA, by Yosys, without vendor tools.

Yosys maps but does not place or route: its counts are close to those of an implementation.
"""

import json
import re
from dataclasses import dataclass

# LUTs that a cell takes as memory or shift register
MEMORY_LUTS = {"RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1S": 4,
               "RAM32X1S": 1, "RAM64X1S": 1, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
# the default configuration must leave space for the interconnect of a Zynq-7020 (220 DSP48E1, 140 RAMB36, 53,200 LUT)
LIMITS = {"dsp": 180, "ramb36_equivalents": 120, "lut": 28_000}


@dataclass(frozen=True)
class Area:
    """Cells of a design. `lut` counts all LUTs and inverters, those used as memory (`lutram`) among them."""

    lut: int
    lutram: int
    ff: int
    dsp: int
    ramb36: int
    ramb18: int

    @property
    def ramb36_equivalents(self):
        return self.ramb36 + (self.ramb18 + 1) // 2

    def excess(self):
        """A message for each count beyond its limit in LIMITS."""
        return [f"{name} = {getattr(self, name)}, the limit is {limit}"
                for name, limit in LIMITS.items() if getattr(self, name) > limit]


def area_of_synthesis(synthesis):
    """The Area of a Synthesis for 7-series."""
    modules = json.loads(synthesis.read("cells.json"))["modules"]
    return area_of(modules["\\vta"]["num_cells_by_type"])


def area_of(cells):
    """The Area of the cells {type: count} that `stat` found."""
    lutram = sum(count * MEMORY_LUTS.get(name, 0) for name, count in cells.items())
    logic = sum(count for name, count in cells.items() if re.fullmatch(r"LUT[1-6]|INV", name))
    return Area(
        lut=logic + lutram, lutram=lutram, ff=sum(count for name, count in cells.items() if re.match(r"FD|LD", name)),
        dsp=cells.get("DSP48E1", 0), ramb36=cells.get("RAMB36E1", 0), ramb18=cells.get("RAMB18E1", 0))
