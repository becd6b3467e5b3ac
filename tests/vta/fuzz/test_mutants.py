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
        "accumulate", "x.eq(Mux(ahead_x, result.as_value(), x_q))", "x.eq(x_q)"),
    "forwarding from the wrong distance": (
        "accumulate", "late = late_write & (late_dst == index)", "late = late_write & (writing.dst == index)"),
    "a token pushed while one is popped is lost": (
        "tokens", "self.count + source.push - sink.pop", "self.count + (source.push & ~sink.pop) - sink.pop"),
    "one padding tile too many": (
        "walkers", "last_run.eq(new.x_pad_1 + bottom)", "last_run.eq(new.x_pad_1 + bottom + 1)"),
    "bursts that cross 4 KiB": (
        "burst_generator", "in_block.eq(block - beat[:block.bit_length() - 1])", "in_block.eq(block)"),
    "reset leaves the output buffer": (
        "accumulate", "out_write.en.eq(writing_valid & writing.write)",
        "out_write.en.eq(writing_valid & writing.write & (writing.operation != Operation.ZERO))"),
    "ACC_8BIT without its sign": (
        "acc_tiles", "chunk.data[8 * (lane % narrow):][:8].as_signed()", "chunk.data[8 * (lane % narrow):][:8]"),
    "a src tile kept after it was overwritten": (
        "merge", "m.d.sync += kept.eq(0)", "m.d.sync += kept.eq(kept)"),
    "micro-ops overwritten before they are read": (
        "index", "(still_reading == 1) & loops.step.valid & disjoint", "(still_reading == 1) & loops.step.valid"),
    "WLAST one beat early": (
        "write_master", "last.eq(sent == lens.o.payload)", "last.eq(sent + 1 >= lens.o.payload)"),
    "a STORE's token before its response": (
        "store", "answered.eq((owed != 0) | write_master.response | ~end.burst)", "answered.eq(1)"),
    "a left shift by 32 that gives 0": (
        "alu", "left.eq(y[31] & (y[:5] != 0))", "left.eq(y[31])"),
    "instructions after FINISH are executed": (
        "fetch", "m.d.sync += [left.eq(0), wanted.eq(0)]", "m.d.sync += wanted.eq(0)"),
    "rows merged that are not contiguous": (
        "burst_generator", "region.x_bytes == region.stride", "region.x_bytes <= region.stride"),
    "an index out of range that is not reported": (
        "index", "step.beyond.eq(uop_beyond |", "step.beyond.eq("),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_random_programs_find(name, monkeypatch):
    verilog = mutated_verilog(TINY, monkeypatch, *MUTANTS[name])
    with Campaign(TINY, pair=lambda: open_pair(TINY, verilog=verilog), shrink_seconds=0) as campaign:
        failure = campaign.run(PROGRAMS)
    assert failure is not None, f"{PROGRAMS} programs passed"
    assert failure.differences
