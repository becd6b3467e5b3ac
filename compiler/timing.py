"""How long a stream takes, without running it: the numbers behind the tiling search."""

# cycles; measured on the RTL
CONSTANTS = {
    "latency": 16,        # read address to first beat, last write beat to response
    "gemm": 2,            # a GEMM besides its steps
    "alu": 2,             # an ALU instruction besides its steps
    "load": 4,            # a load of inputs or weights besides its beats
    "load_uop": 24,       # a load of micro-ops besides its beats, waited for by the kernel behind it
}
