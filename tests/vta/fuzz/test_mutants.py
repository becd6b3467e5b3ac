"""Planted bugs: random programs must find each of them."""

import pytest
from mutated_rtl import mutated_verilog

from vta.fuzz.campaign import Campaign
from vta.fuzz.compare import open_pair
from vta.hw.config import PRESETS

pytestmark = [pytest.mark.slow, pytest.mark.rtl]
PROGRAMS = 300
TINY = PRESETS["tiny"]
MUTANTS = {
    "no forwarding from the step before": (
        "accumulate", "Mux(forward, result[n], held.as_signed())", "held.as_signed()"),
    "forwarding from the wrong distance": (
        "accumulate", "late = writing_valid & writing.write", "late = operating_valid & writing.write"),
    "a token pushed while one is popped is lost": (
        "tokens", "counted(self.count, source.push, popped)", "counted(self.count, source.push & ~popped, popped)"),
    "one padding tile too many": (
        "loader", "last_run.eq(pads.bottom + pads.right)", "last_run.eq(pads.bottom + pads.right + 1)"),
    "bursts that cross 4 KiB": (
        "burst_generator", "Mux(row_ends, last_beat[:block_log], config.max_burst - 1)", "last_beat[:block_log]"),
    "reset leaves the output buffer": (
        "accumulate", "out_write.en.eq(writing_valid & writing.write)",
        "out_write.en.eq(writing_valid & writing.write & ~((writing.y == Y.ZERO) & ~writing.is_gemm))"),
    "ACC_8BIT without its sign": (
        "acc_tiles", "now.data[8 * (lane % narrow):][:8].as_signed()", "now.data[8 * (lane % narrow):][:8]"),
    "a src tile kept after it was overwritten": (
        "index", "added.first | before.overwritten | (src", "added.first | (src"),
    "micro-ops overwritten before they are read": (
        "index", "(still_reading == 1) & loops.step.valid & disjoint", "(still_reading == 1) & loops.step.valid"),
    "WLAST one beat early": (
        "write_master", "last.eq(sent == lens.o.payload)", "last.eq(sent + 1 >= lens.o.payload)"),
    "a STORE's token before its response": (
        "store", "answered.eq((owed != 0) | write_master.response | ~end.burst)", "answered.eq(1)"),
    "a left shift by 32 that gives 0": (
        "accumulate", "shifts_left(value) for value in y", "value[31] for value in y"),
    "an operand that the op just before wrote": (
        "merge", "hazard.eq(fresh & (", "hazard.eq(0 & ("),
    "a STORE that reads before the last write": (
        "compute", "self.g2s.push.eq(accumulate.done.push_next)", "self.g2s.push.eq(merge.valid & op.tag.push_next)"),
    "instructions after FINISH are executed": (
        "fetch", "m.d.sync += [some_left.eq(0), last_left.eq(0), wanted.eq(0)", "m.d.sync += [wanted.eq(0)"),
    "rows merged that are not contiguous": (
        "decode", "fields.x_stride == fields.x_size", "fields.x_stride >= fields.x_size"),
    "an index out of range that is not reported": (
        "index", "step.beyond.eq(added.uop_beyond | sums.dst[-1]", "step.beyond.eq(sums.dst[-1]"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_random_programs_find(name, monkeypatch):
    verilog = mutated_verilog(TINY, monkeypatch, *MUTANTS[name])
    with Campaign(TINY, pair=lambda: open_pair(TINY, verilog=verilog), shrink_seconds=0) as campaign:
        failure = campaign.run(PROGRAMS)
    assert failure is not None, f"{PROGRAMS} programs passed"
    assert failure.differences
