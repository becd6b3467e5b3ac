"""Corner cases of the instruction set as programs with known results, for any device: all of them."""

from isa_case import check
from isa_compute_cases import COMPUTE
from isa_fault_cases import FAULTS
from isa_transfer_cases import TRANSFERS

__all__ = ["CASES", "FAULTS", "check"]

CASES = COMPUTE | TRANSFERS
