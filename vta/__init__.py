"""VTA, the Versatile Tensor Accelerator: RTL, compiler, runtime and cosimulation in Python."""

__version__ = "0.1.0"
