"""The clock: static estimate and place and route of the accelerator, with open tools."""
