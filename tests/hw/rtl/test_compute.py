"""hw/rtl/compute.py: random programs against the literal simulator of slow_reference.py."""

import dataclasses

import pytest
from compute_bench import CLEAR, TINY, ComputeRun
from load_model import load

from vta.hw.features import FEATURES
from vta.hw.isa import AluOp, Opcode
from vta.hw.registers import ErrorCause

ALL = frozenset(FEATURES)


@pytest.mark.parametrize("changes, stalls", [
    ({}, "none"), ({}, "cyclic"), ({}, "random"), ({"axi_data_width": 256}, "random"),
    ({"features": ALL}, "none"), ({"features": ALL}, "random"), ({"features": ALL, "log_batch": 1}, "cyclic"),
    ({"features": ALL, "alu_imm_reads_src": True}, "none"), ({"features": frozenset({"requantise"})}, "none"),
    ({"log_batch": 1}, "none"), ({"alu_imm_reads_src": True}, "cyclic"), ({"log_inp_buff_size": 8}, "random")],
    ids=lambda part: part if isinstance(part, str) else ", ".join(sorted(
        "+".join(sorted(value)) if key == "features" else f"{key}={value}" for key, value in part.items())))
def test_random_programs(changes, stalls):
    """All of the unit's instructions mixed; results, tokens, counts of steps and loads, and errors."""
    run = ComputeRun(dataclasses.replace(TINY, **changes), stalls, seed=len(changes) + len(stalls))
    for _ in range(60):
        run.random_instruction()
    run.run()
    odd = {n: ErrorCause.MEMORY_TYPE if fields["opcode"] == Opcode.LOAD else ErrorCause.OPCODE
           for n, fields in enumerate(run.fields)
           if fields["opcode"] > max(Opcode) or fields.get("mem_type") == 4 or fields.get("alu_opcode", 0) > max(AluOp)}
    assert {(cause, number) for cause, number in run.errors if cause in odd.values()} == {
        (cause, number) for number, cause in odd.items()}
    givers = {n for n, fields in enumerate(run.fields) if fields.get("push_prev") or fields.get("push_next")}
    assert {number for cause, number in run.errors if cause == ErrorCause.TOKEN} <= givers
    loads = [fields for fields in run.fields if fields["opcode"] == Opcode.LOAD and fields.get("mem_type") != 4]
    words = sum(f["x_size"] * f["y_size"] for f in loads if f.get("mem_type", 0) == 0 and f.get("x_size"))
    tiles = sum(f["x_size"] * f["y_size"] for f in loads if f.get("mem_type", 0) != 0)
    assert run.events["compute_insns"] == len(run.fields) + 6
    assert (run.events["uop_words"], run.events["acc_tiles"]) == (words, tiles)
    assert (run.events["pushed_g2l"], run.events["pushed_g2s"]) == (run.counts["push_prev"], run.counts["push_next"])
    steps = [0, 0, 3 * run.config.depth["ACC"]]
    for f in run.fields:
        if f["opcode"] in (Opcode.GEMM, Opcode.WINDOW, Opcode.ALU) and f.get("alu_opcode", 0) <= max(AluOp):
            zeros = f.get("reset") and f["opcode"] == Opcode.GEMM and not f.get("requantise")
            kind = 2 if f["opcode"] == Opcode.ALU else int(bool(zeros))
            steps[kind] += f["iter_out"] * f["iter_in"] * max(f["uop_end"] - f["uop_bgn"], 0)
    assert [run.events[f"{kind}_steps"] for kind in ("gemm", "reset", "alu")] == steps


@pytest.mark.parametrize("imm", [0, 1])
@pytest.mark.parametrize("reads_src", [False, True])
def test_many_tiles_through_the_requantiser_and_back(imm, reads_src):
    """REQ of more tiles than it holds, each then overwritten by the next instruction."""
    run = ComputeRun(dataclasses.replace(TINY, features=ALL, alu_imm_reads_src=reads_src))
    run.fields.append({"opcode": Opcode.LOAD} | load("ACC", 32, dram=3))
    run.fields.append(CLEAR)
    run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=1, alu_opcode=AluOp.PAR, imm=0x7F80)
    for step in (1, 3, 2):
        run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=30, dst_factor_in=step, src_factor_in=1,
                 alu_opcode=AluOp.REQ, imm=imm, push_next=1)
    run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=20, dst_factor_in=1, alu_opcode=AluOp.ADD,
             use_imm=1, imm=7)
    run.run()
    assert run.events["requantised"] == 90


def test_a_product_that_waits_for_room():
    """MUL with a token whose queue is full most of the time: the product survives the wait."""
    run = ComputeRun(stalls="cyclic", seed=5)
    run.fields.append({"opcode": Opcode.LOAD} | load("ACC", 24, dram=3))
    run.fields.append(CLEAR)
    for n in range(12):
        run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=1 + n % 2, dst_factor_in=n, alu_opcode=AluOp.MUL,
                 use_imm=1, imm=-7 * n - 3, push_next=1, push_prev=n % 2)
    run.run()
    assert ErrorCause.TOKEN in {cause for cause, _ in run.errors}


def test_a_load_without_tiles_leaves_the_kept_src():
    """LOAD ACC of no row, or of padding alone, between two steps that read the same src."""
    run = ComputeRun()
    run.fields.append({"opcode": Opcode.LOAD} | load("ACC", 24, dram=3))
    run.fields.append(CLEAR)
    for between in (load("ACC", 1, y=0), load("ACC", 1, sram=20, y=0, pads=(1, 0, 0, 0))):
        for dst in (1, 2):
            run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=2, dst_factor_in=dst, alu_opcode=AluOp.ADD)
            run.fields.append({"opcode": Opcode.LOAD} | between)
    run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=2, iter_in=1, dst_factor_out=4, alu_opcode=AluOp.ADD)
    run.run()


def test_micro_ops_in_one_long_burst():
    """A burst longer than what the micro-op loader's buffer has to hold otherwise."""
    run = ComputeRun(dataclasses.replace(TINY, max_burst=128, read_ahead_beats=128))
    run.fields.append({"opcode": Opcode.LOAD} | load("UOP", 128, dram=3))
    run.run()


def test_finish_comes_last():
    """FINISH leaves when everything before it has been written; its other bits are ignored."""
    run = ComputeRun()
    for _ in range(10):
        run.random_instruction()
    run.fields.append({"opcode": Opcode.FINISH, "push_next": 1})
    run.run()
    assert run.counts["finish"] == 1


STEP = {"uop_bgn": 0, "uop_end": 1, "iter_out": 1, "iter_in": 1}
LOOPS = {Opcode.GEMM: STEP, Opcode.ALU: STEP | {"alu_opcode": AluOp.ADD}}


@pytest.mark.parametrize("opcode", LOOPS)
def test_not_settled_before_the_token_is_given(opcode):
    run = ComputeRun()
    run.fields.append(CLEAR)
    run.emit(opcode, **LOOPS[opcode], pop_prev=1, push_next=1)
    seen = run.b.watch(run.dut.status.settled, run.dut.l2g.pop, run.dut.g2s.push)
    run.run()
    taken, given = (next(cycle for cycle, row in enumerate(seen) if row[n]) for n in (1, 2))
    assert taken < given and not any(row[0] for row in seen[taken:given + 1])


def test_back_to_back():
    """GEMM and immediate ALU instructions follow each other without a gap: a step in each cycle, from the second on."""
    run = ComputeRun()
    run.fields.append(CLEAR)
    for n in range(6):
        loop = {"uop_bgn": 0, "uop_end": 1, "iter_out": 3, "iter_in": 5, "dst_factor_in": 1}
        if n % 2:
            run.emit(Opcode.ALU, **loop, alu_opcode=AluOp.ADD, use_imm=1, imm=n)
        else:
            run.emit(Opcode.GEMM, **loop, src_factor_in=1, wgt_factor_out=1)
    run.run()
    steps = [cycle for cycle, state in enumerate(run.states) if state in ("gemm", "alu")][:90]
    assert steps[1:] == list(range(steps[1], steps[1] + 89))
