"""The functional simulator, and the RTL in Verilator driven by cocotb."""
