"""Latches the first error of a run; the watchdog."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import Unit
from vta.hw.registers import SHAPES, ErrorCause
from vta.hw.rtl.interfaces import ERROR, NUMBER_BITS


class ErrorRecord(wiring.Component):
    """Latches the first error after `clear` (one in the same cycle counts); on a tie the lower unit number wins.

    The watchdog counts cycles of a run without `progress` of any unit; two cycles after the count has reached `limit`
    (unless that is 0) it reports WATCHDOG for compute and raises `expired`, which ends the run.
    """

    def __init__(self):
        super().__init__({
            "errors": In(ERROR).array(len(Unit)),
            "clear": In(1), "running": In(1), "progress": In(1), "limit": In(32), "expired": Out(1),
            "first": Out(SHAPES["error"]), "number": Out(NUMBER_BITS),      # `first.more`: others followed
            "seen": Out(1)})      # an error is reported in this cycle

    def elaborate(self, platform):
        m = Module()
        stall_cycles = self.limit.like(self.limit, name="stall_cycles")
        progress = Signal(init=1)                # a cycle late
        too_many = Signal()
        m.d.sync += [progress.eq(self.progress | ~self.running),
                     too_many.eq(self.running & (self.limit != 0) & (stall_cycles >= self.limit))]
        with m.If(progress):
            m.d.sync += stall_cycles.eq(0)
        with m.Else():
            m.d.sync += stall_cycles.eq(stall_cycles + 1)
        m.d.comb += self.expired.eq(self.running & too_many)

        first = self.first

        def record(cause, unit, number):
            m.d.comb += self.seen.eq(1)
            with m.If((first.cause == ErrorCause.NONE) | self.clear):
                m.d.sync += [first.cause.eq(cause), first.unit.eq(unit), self.number.eq(number)]
            with m.Else():
                m.d.sync += first.more.eq(1)

        with m.If(self.clear):
            m.d.sync += [first.cause.eq(ErrorCause.NONE), first.more.eq(0)]
        for unit, error in reversed(list(enumerate(self.errors))):
            with m.If(error.valid):
                record(error.cause, unit, error.number)
        with m.If(self.expired):
            record(ErrorCause.WATCHDOG, Unit.COMPUTE, self.errors[Unit.COMPUTE].number)
        return m
