"""hw/rtl/errors.py: the first error is latched, and the watchdog fires."""

import pytest
from stream_bench import Bench

from vta.hw.isa import Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.errors import ErrorRecord

LATE = 2                # cycles from the last one without progress to the alarm


def run(script, after=5):
    """Apply {port: value} for one cycle each ((unit, cause, number) errors under "errors"); returns, for each
    cycle, (cause, unit, number, more, seen, expired)."""
    dut = ErrorRecord()
    b = Bench(dut)
    seen = b.watch(dut.first.cause, dut.first.unit, dut.number, dut.first.more, dut.seen, dut.expired)

    async def apply(ctx):
        for ports in script:
            errors = {unit: {"valid": 1, "cause": cause, "number": number}
                      for unit, cause, number in ports.get("errors", ())}
            for unit in Unit:
                ctx.set(dut.errors[unit], errors.get(unit, {}))
            for name in ("clear", "running", "progress", "limit"):
                ctx.set(getattr(dut, name), ports.get(name, 0))
            await ctx.tick()
        for unit in Unit:
            ctx.set(dut.errors[unit], {})
        ctx.set(dut.clear, 0)
    b.process(apply)
    b.run(after=len(script) + after)
    return seen


def test_the_first_error_is_kept():
    seen = run([{"errors": [(Unit.LOAD, ErrorCause.INDEX, 7)]}, {}, {"errors": [(Unit.STORE, ErrorCause.TOKEN, 9)]}])
    assert seen[0] == (0, 0, 0, 0, 1, 0)
    assert seen[1][:4] == seen[2][:4] == (ErrorCause.INDEX, Unit.LOAD, 7, 0)
    assert seen[2][4] == 1
    assert seen[-1] == (ErrorCause.INDEX, Unit.LOAD, 7, 1, 0, 0)


@pytest.mark.parametrize("units", [(0, 1, 2, 3), (1, 3), (2, 3), (3,)])
def test_of_several_that_of_the_lower_unit(units):
    seen = run([{"errors": [(unit, ErrorCause.AXI_READ + unit % 2, 10 + unit) for unit in units]}])
    assert seen[1][:3] == (ErrorCause.AXI_READ + units[0] % 2, units[0], 10 + units[0])


def test_clear():
    """The number and unit of a cleared error mean nothing."""
    one, two = [(Unit.LOAD, ErrorCause.INDEX, 7)], [(Unit.COMPUTE, ErrorCause.OPCODE, 8)]
    seen = run([{"errors": one}, {"errors": two}, {"clear": 1}, {}, {"errors": two}])
    assert seen[2][3] == 1 and (seen[3][0], seen[3][3]) == (0, 0)
    assert seen[-1][:4] == (ErrorCause.OPCODE, Unit.COMPUTE, 8, 0)


@pytest.mark.parametrize("before", [[], [(Unit.LOAD, ErrorCause.INDEX, 7)]])
def test_an_error_that_comes_with_the_clear_is_the_first(before):
    two, three = [(Unit.COMPUTE, ErrorCause.OPCODE, 8)], [(Unit.STORE, ErrorCause.AXI_WRITE, 9)]
    seen = run([{"errors": before}, {"clear": 1, "errors": two}, {}, {"errors": three}])
    assert seen[2][:4] == (ErrorCause.OPCODE, Unit.COMPUTE, 8, 0)
    assert seen[-1][:4] == (ErrorCause.OPCODE, Unit.COMPUTE, 8, 1)


@pytest.mark.parametrize("limit", [1, 5, 16])
def test_watchdog_after_cycles_without_progress(limit):
    idle = {"running": 1, "limit": limit}
    moving = idle | {"progress": 1, "errors": []}
    seen = run([idle] * (limit - 1) + [moving] + [idle] * (limit + 3) + [{}], after=3)
    expired = [cycle for cycle, row in enumerate(seen) if row[5]]
    assert expired[0] == 2 * limit + LATE
    assert seen[-1][:2] == (ErrorCause.WATCHDOG, Unit.COMPUTE)


@pytest.mark.parametrize("before", [0, 20])
def test_a_limit_set_when_nothing_has_moved_for_longer(before):
    """A host may set WATCHDOG to end a run that hangs."""
    seen = run([{"running": 1, "limit": before}] * 10 + [{"running": 1, "limit": 5}] * 2 + [{}])
    assert [cycle for cycle, row in enumerate(seen) if row[5]] == [11]


@pytest.mark.parametrize("ports", [{"running": 1, "limit": 0}, {"running": 0, "limit": 3}])
def test_watchdog_off_or_no_run(ports):
    assert not any(row[5] or row[0] for row in run([ports] * 20))
