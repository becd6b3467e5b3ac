"""The performance counters of `vta.hw.counters`, in hardware."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.counters import COUNTERS

STEP_BITS = 3        # a counter may rise by up to 7 in a cycle
STEPS = wiring.Signature({counter.name: Out(STEP_BITS) for counter in COUNTERS})
VALUES = wiring.Signature({counter.name: Out(32) for counter in COUNTERS})


class PerfCounters(wiring.Component):
    """One 32-bit counter for each entry of `COUNTERS`, by name: adds `add` in every cycle after one with `enable`.

    `clear` sets all to 0. They wrap; the cycle counter's flag tells whether they may have.
    """

    enable: In(1)
    clear: In(1)
    add: In(STEPS)
    value: Out(VALUES)

    def elaborate(self, platform):
        m = Module()
        enabled = Signal()
        m.d.sync += enabled.eq(self.enable)
        for counter in COUNTERS:
            value = getattr(self.value, counter.name)
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Elif(enabled):
                m.d.sync += value.eq(value + getattr(self.add, counter.name))
        return m
