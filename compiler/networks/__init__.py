"""Whole networks: chains of operators compiled together, so that what one writes to DRAM is what the next one reads.

Planned contents; there is no code yet. A graph of operators (`vta.compiler.ops`), the allocation of its tensors in
DRAM, and the order of its programs, one file each. May import `vta.hw`, `vta.compiler`, `vta.compiler.ops` and
`vta.compiler.stream`; only `vta` (the public face, the command line) may import this.
"""
