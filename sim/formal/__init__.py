"""Proofs about the RTL, one file per unit of `vta.hw.rtl`; `prove` checks their properties; see docs/proofs.md."""
