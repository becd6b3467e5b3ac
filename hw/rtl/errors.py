"""How units report errors, and how the first one of a run is kept."""

from amaranth.hdl import Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.issue import NUMBER_BITS

CAUSE_BITS = 4


def error_layout():
    """An error met in this cycle: its `cause` (ErrorCause) and the number of the instruction in its unit."""
    return data.StructLayout({"valid": unsigned(1), "cause": unsigned(CAUSE_BITS), "number": unsigned(NUMBER_BITS)})


class ErrorRecord(wiring.Component):
    """Keeps the first error since `clear`, or with it; of several in one cycle that of the lower unit. `more`: others
    followed.

    The watchdog counts cycles of a run without `progress` of any unit; from `limit` on (unless 0) it reports
    WATCHDOG for compute and raises `expired`, which ends the run.
    """

    def __init__(self):
        super().__init__({
            "errors": In(error_layout()).array(len(Unit)),
            "clear": In(1), "running": In(1), "progress": In(1), "limit": In(32), "expired": Out(1),
            "cause": Out(CAUSE_BITS), "unit": Out(2), "number": Out(NUMBER_BITS), "more": Out(1),
            "met": Out(1)})      # an error was met in this cycle

    def elaborate(self, platform):
        m = Module()
        still = self.limit.like(self.limit, name="still")
        with m.If(self.progress | ~self.running):
            m.d.sync += still.eq(0)
        with m.Else():
            m.d.sync += still.eq(still + 1)
        m.d.comb += self.expired.eq(self.running & (self.limit != 0) & (still >= self.limit))

        def record(cause, unit, number):
            m.d.comb += self.met.eq(1)
            with m.If((self.cause == ErrorCause.NONE) | self.clear):
                m.d.sync += [self.cause.eq(cause), self.unit.eq(unit), self.number.eq(number)]
            with m.Else():
                m.d.sync += self.more.eq(1)

        with m.If(self.clear):
            m.d.sync += [self.cause.eq(ErrorCause.NONE), self.more.eq(0)]
        for unit, error in reversed(list(enumerate(self.errors))):
            with m.If(error.valid):
                record(error.cause, unit, error.number)
        with m.If(self.expired):
            record(ErrorCause.WATCHDOG, Unit.COMPUTE, self.errors[Unit.COMPUTE].number)
        return m
