"""Instruction streams: encoding, kernels, checker, tensor expressions, operators.

The names a schedule needs are here too (`compiler.te`, `compiler.topi`, `compiler.lower`), so that a script
written against TVM's can say `from vta import compiler as tvm`.
"""

from vta.compiler import te
from vta.compiler.te import lower, topi

__all__ = ["lower", "te", "topi"]
