"""Planted bugs: random programs must find each of them."""

import pytest
from mutated_rtl import mutated_verilog

from vta.fuzz.campaign import Campaign
from vta.fuzz.compare import open_pair
from vta.fuzz.configs import fuzz_configs

pytestmark = [pytest.mark.slow, pytest.mark.rtl]
PROGRAMS = 300
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
        "output", "write.en.eq(self.writing_valid & op.write),",
        "write.en.eq(self.writing_valid & op.write & ((op.y.as_value() != 0) | op.is_gemm)),"),
    "ACC_8BIT without its sign": (
        "acc_tiles", "now.data[8 * (lane % narrow):][:8].as_signed()", "now.data[8 * (lane % narrow):][:8]"),
    "a src tile kept after it was overwritten": (
        "index", "added.first | before.overwritten | (src", "added.first | (src"),
    "micro-ops overwritten before they are read": (
        "index", "(still_reading == 1) & loops.step.valid & disjoint", "(still_reading == 1) & loops.step.valid"),
    "WLAST one beat early": (
        "write_master", "last.eq(sent == lens.o.payload)", "last.eq(sent + 1 >= lens.o.payload)"),
    "a STORE's token before its response": (
        "store", "answered.eq(owed.some | write_master.response | ~end.burst)", "answered.eq(1)"),
    "a left shift by 32 that gives 0": (
        "accumulate", "shifts_left(value) for value in y", "value[31] for value in y"),
    "an operand that the op just before wrote": (
        "merge", "hazard.eq(fresh & (", "hazard.eq(0 & ("),
    "a STORE that reads before the last write": (
        "compute", "self.g2s.push.eq(done.push_next)", "self.g2s.push.eq(merge.valid & op.tag.push_next)"),
    "instructions after FINISH are executed": (
        "fetch", "m.d.sync += [some_left.eq(0), last_left.eq(0), wanted.eq(0)", "m.d.sync += [wanted.eq(0)"),
    "rows merged that are not contiguous": (
        "decode", "fields.x_stride == fields.x_size", "fields.x_stride >= fields.x_size"),
    "an index out of range that is not reported": (
        "index", "step.beyond.eq(added.uop_beyond | (sums", "step.beyond.eq((sums"),
}
# in machines with features: variant, and the same
FEATURE_MUTANTS = {
    "half up without its increment if nothing follows": (
        "only_requantise", "requantise", "increment.eq(fine[0])", "increment.eq(fine[0] & some)"),
    "half to odd": (
        "only_requantise", "requantise", "increment.eq(fine[0] & (some | fine[1]))",
        "increment.eq(fine[0] & (some | ~fine[1]))"),
    "bounds of the requantiser swapped": (
        "only_requantise", "output", "requantise.bounds.eq(op.imm)",
        "requantise.bounds.eq(op.imm.as_unsigned().rotate_left(8))"),
    "every micro-op of a GEMM starts from 0": (
        "only_requantise", "merge", "requant.fresh & (step.initial | shared.requant.each)", "requant.fresh & 1"),
    "requantised at the first micro-op": (
        "only_requantise", "merge", "(step.final | requant.each)", "(step.initial | requant.each)"),
    "sums that are not requantised go to OUT": (
        "only_requantise", "merge", "only_acc.eq(requant.requantises)", "only_acc.eq(0)"),
    "a plain instruction that does not wait for the requantiser": (
        "only_requantise", "merge", "Mux(ticket.drains, ~inside.some,", "Mux(ticket.drains, 1,"),
    "REQ of a tile that is still in the requantiser": (
        "only_requantise", "merge", "requant.req, requant.quick & begun", "requant.req, begun"),
    "parameters from one tile": (
        "only_requantise", "merge", "op.x.eq(src + phase)", "op.x.eq(src)"),
    "a token to store before the requantised tile": (
        "only_requantise", "output", "ahead[LATENCY - 2], ahead[LATENCY - 3]", "ahead[LATENCY - 2], ahead[0]"),
    "PAR reports an index that it does not use": (
        "only_requantise", "dispatch", "nest.keeps_dst.eq(decoded.shared.requant.par",
        "nest.keeps_dst.eq(0 & decoded.shared.requant.par"),
    "a window that looks back into the instruction before": (
        "only_window", "compute", "gemm.first.eq(step.first)", "gemm.first.eq(0)"),
    "padding without its upper bits": (
        "only_pad_value", "decode", "Cat(pad.pad_low, pad.pad_high)", "pad.pad_low"),
}


@pytest.mark.parametrize("name", [*MUTANTS, *FEATURE_MUTANTS])
def test_random_programs_find(name, monkeypatch):
    variant, *change = FEATURE_MUTANTS.get(name) or ("tiny", *MUTANTS[name])
    config, = fuzz_configs([variant])
    verilog = mutated_verilog(config, monkeypatch, *change)
    with Campaign(config, pair=lambda: open_pair(config, verilog=verilog), shrink_seconds=0) as campaign:
        failure = campaign.run(PROGRAMS)
    assert failure is not None, f"{PROGRAMS} programs passed"
    assert failure.differences
