"""Simulators: functional, and the RTL in Verilator driven by cocotb; performance bound, area and proofs."""
