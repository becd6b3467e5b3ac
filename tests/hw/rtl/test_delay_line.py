"""hw/rtl/delay_line.py: GEMM ops leave when their products come, others as early as order permits."""

from stream_bench import Bench, each_stall, unpack

from vta.hw.config import PRESETS
from vta.hw.rtl.delay_line import CYCLES, DelayLine


@each_stall
def test_order_and_latency(stalls):
    """Random ops; a tile, as the merge promises, only while the line is empty."""
    dut = DelayLine(PRESETS["tiny"])
    b, entered, left = Bench(dut, stalls), [], []
    pattern = b.pattern()

    async def drive(ctx):
        for cycle in range(200):
            valid, is_gemm = not next(pattern), b.random.random() < 0.3
            ctx.set(dut.valid, valid)
            ctx.set(dut.op, {"is_gemm": is_gemm, "imm": cycle})
            *_, empty, out_valid, out = await ctx.tick().sample(dut.empty, dut.out_valid, dut.out_op.as_value())
            if out_valid:
                left.append((cycle, unpack(dut.out_op.shape(), out)["imm"]))
            if valid:
                due = cycle + (1 if empty and not is_gemm else CYCLES)
                assert not entered or due > entered[-1][0]
                entered.append((due, cycle))
            ahead = [due for due, at in entered if at < cycle]
            assert empty == (not ahead or ahead[-1] <= cycle)
    b.process(drive)
    b.run(after=200)
    assert left == [pair for pair in entered if pair[0] < 200]
    assert {due - at for due, at in entered} == {1, CYCLES}
