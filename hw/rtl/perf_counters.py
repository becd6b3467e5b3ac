"""The performance counters of `vta.hw.counters`, in hardware."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.counters import COUNTERS

STEP_BITS = 3        # a counter may rise by up to 7 in a cycle


class PerfCounters(wiring.Component):
    """One 32-bit counter for each entry of `COUNTERS`: adds `add[n]` in every cycle with `enable`.

    `clear` sets all to 0. They wrap; the cycle counter's flag tells whether they may have.
    """

    def __init__(self):
        super().__init__({
            "enable": In(1), "clear": In(1), "add": In(STEP_BITS).array(len(COUNTERS)),
            "value": Out(32).array(len(COUNTERS))})

    def elaborate(self, platform):
        m = Module()
        for add, value in zip(self.add, self.value, strict=True):
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Elif(self.enable):
                m.d.sync += value.eq(value + add)
        return m
