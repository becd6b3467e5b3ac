"""The accelerator itself: configuration, instruction set, registers and the RTL units."""
