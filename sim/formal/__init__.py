"""Proofs about the RTL: each file states what one unit of `vta.hw` keeps, `prove` has it proven; see docs/proofs.md."""
