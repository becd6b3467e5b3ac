"""The passes one by one: what each makes, and what it refuses, with stage, loop, numbers and limit."""

import numpy as np
import pytest
from schedules import convolution, env, vector_add

import vta
from vta import te, topi
from vta.compiler.checker import check
from vta.compiler.expr import CompileError, Lin
from vta.compiler.ir import Dma, For, Push, Scope, Store, Token, walk
from vta.compiler.lowering import lower_loops, lower_program
from vta.compiler.passes import alu, dma, inplace, lift, place, tokens
from vta.compiler.passes.bounds import infer
from vta.hw.config import PRESETS, Config
from vta.hw.isa import AluOp

DEFAULT = PRESETS["default"]


def nodes(program, kind):
    return [node for node in walk(program.body) if isinstance(node, kind)]


def refuse(schedule, args, message, config=DEFAULT):
    with pytest.raises(CompileError, match=message):
        lower_program(schedule, args, config)


# bounds
def test_bounds_of_attached_stages():
    s, _, n = convolution(rows=3)
    bounds = infer(s)
    y_out, ic = bounds[s[n.res]].loops[n.y_out], bounds[s[n.conv]].loops[n.ic]
    window = bounds[s[n.data_buf]]
    assert window.extents == [1, 1, 5, 8, 1, 16]
    assert window.starts[1:4] == [Lin.of(ic), y_out * 3, Lin()]
    assert bounds[s[n.conv]].extents == [1, 4, 3, 6, 1, 16]


def test_bounds_refuses_uneven_splits():
    s, args, _ = convolution(rows=4)
    refuse(s, args, "stage res: loop i2 of 6 iterations cannot be split by 4: choose a divisor")


def test_bounds_refuses_a_reader_outside():
    s, args, n = convolution()
    s[n.conv].compute_at(s[n.shr], n.shr.op.axis[1])
    s[n.data_buf].compute_at(s[n.res], n.y_out)
    s[n.kernel_buf].compute_at(s[n.shr], n.shr.op.axis[3])
    refuse(s, args, "kernel_buf is computed at loop i3 of shr, but conv reads it outside of that loop")


# nests
def test_nests_reduction_starts_from_zero():
    s, args, _n = convolution(tensorize=False)
    stores = [store for store in nodes(lower_loops(s, args), Store) if store.stage == "conv"]
    assert [store.value.op for store in stores] == ["const", "add"]


def test_nests_result_must_be_an_argument():
    s, args, _ = vector_add()
    refuse(s, args[:2], "the result C must be an argument")


def test_stage_left_in_dram():
    s, args, n = vector_add()
    s[n.B_buf].set_scope("global")
    refuse(s, args, "stage B_buf lives in DRAM but is no argument")


def test_unknown_scope():
    s, args, n = vector_add()
    s[n.B_buf].set_scope("shared")
    refuse(s, args, "stage B_buf: scope 'shared' must be one of")


# tensorize
def test_tensorize_makes_tiles():
    s, args, _ = convolution()
    pushes = [push for push in nodes(lower_program(s, args, DEFAULT), Push) if push.opcode is None]
    assert [push.reset for push in pushes] == [True, False]


def test_tensorize_refuses_an_operand_in_the_wrong_memory():
    s, args, n = convolution()
    s[n.data_buf].set_scope(env.wgt_scope)
    refuse(s, args, "tensorize of stage conv: one operand must live in env.inp_scope")


def test_tensorize_refuses_half_tiles():
    s, args, n = convolution()
    _outer, inner = s[n.conv].split(n.conv.op.axis[5], factor=8)
    s[n.conv].tensorize(inner, env.gemm)
    refuse(s, args, r"tensorize of stage conv: operand conv runs over \(step, count\)")


def test_left_as_loops():
    s, args, _ = convolution(tensorize=False)
    refuse(s, args, "stage conv is left as plain loops .* tensorize")


# inplace
def test_inplace_shares_the_dead_operand():
    s, args, _ = vector_add()
    program = inplace.run(lower_loops(s, args))
    assert [buffer.name for buffer in program.buffers] == ["A_buf", "B_buf"]


def test_inplace_leaves_what_is_read_twice():
    shape = (1, 2, env.BATCH, env.BLOCK_OUT)
    A = te.placeholder(shape, name="A", dtype="int32")
    A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
    B = te.compute(shape, lambda *i: A_buf(*i) >> 1, "B")
    C = te.compute(shape, lambda *i: B(*i) + A_buf(*i), "C")
    D = te.compute(shape, lambda *i: C(*i).astype("int8"), "D")
    s = te.create_schedule(D)
    for stage, pragma in ((A_buf, env.dma_copy), (B, env.alu), (C, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[D].pragma(D.op.axis[0], env.dma_copy)
    refuse(s, [A, D], "alu of stage B: its first operand must be .* read only here")


# dma
def test_dma_folds_dense_dimensions():
    s, args, _ = vector_add(tiles=4)
    load = nodes(dma.run(lower_loops(s, args), DEFAULT), Dma)[0]
    assert (load.x_size, load.y_size, load.x_stride) == (Lin(const=4), Lin(const=1), 4)


def test_dma_padding_follows_the_loops_outside():
    s, args, _n = convolution(rows=3)
    load = next(node for node in nodes(lower_program(s, args, DEFAULT), Dma) if node.stage == "data_buf")
    before, after = load.pads[1], load.pads[3]
    (var,) = before.variables
    assert [before.value({var: i}) for i in range(2)] == [1, 0]
    assert [after.value({var: i}) for i in range(2)] == [0, 1]
    assert [load.y_size.value({var: i}) for i in range(2)] == [4, 4]


def test_dma_loops_around_a_transfer_move_it():
    """Three dimensions that do not fold: the outermost is a loop, and both addresses follow it."""
    A = te.placeholder((3, 4, 5, 1, 16), name="A", dtype="int32")
    A_buf = te.compute((3, 2, 2, 1, 16), lambda a, b, c, d, e: A[a, b, c, d, e], "A_buf")
    B_buf = te.compute(A_buf.shape, lambda *i: A_buf(*i) >> 0, "B_buf")
    B = te.compute(A_buf.shape, lambda *i: B_buf(*i).astype("int8"), "B")
    s = te.create_schedule(B)
    for stage, pragma in ((A_buf, env.dma_copy), (B_buf, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[B].pragma(B.op.axis[0], env.dma_copy)
    load = nodes(lower_program(s, [A, B], DEFAULT), Dma)[0]
    assert list(load.dram.index.terms.values()) == [20] and list(load.sram.index.terms.values()) == [4]


def test_dma_refuses_too_much_padding():
    A = te.placeholder((1, 2, env.BATCH, env.BLOCK_OUT), name="A", dtype="int32")
    A_buf = topi.nn.pad(A, [0, 16, 0, 0], name="A_buf")
    B_buf = te.compute(A_buf.shape, lambda *i: A_buf(*i) >> 0, "B_buf")
    B = te.compute(A_buf.shape, lambda *i: B_buf(*i).astype("int8"), "B")
    s = te.create_schedule(B)
    for stage, pragma in ((A_buf, env.dma_copy), (B_buf, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[B].pragma(B.op.axis[0], env.dma_copy)
    refuse(s, [A, B], "dma_copy of stage A_buf: 16 tiles of padding: a transfer adds at most 15")


def test_dma_refuses_to_compute():
    s, args, n = vector_add()
    s[n.C_buf].pragma(n.C_buf.op.axis[0], env.dma_copy)
    refuse(s, args, "dma_copy of stage C_buf: it computes add")


# alu
def test_alu_merges_loops():
    s, args, _ = convolution(rows=6)
    program = alu.run(dma.run(inplace.run(lower_loops(s, args)), DEFAULT), DEFAULT)
    (scope,) = [node for node in nodes(program, Scope) if node.value == "ALU"]
    assert isinstance(scope.body, For) and scope.body.extent == 4 * 36 and isinstance(scope.body.body, Push)
    assert scope.body.body.opcode is AluOp.SHR and scope.body.body.imm == 4


@pytest.mark.parametrize(("value", "message"), [
    (lambda a: a + 40000, "immediate 40000 does not fit 16 bits"),
    (lambda a: a << (a >> 1), "the ALU has no shl"),
    (lambda a: (a >> 1) >> 1, "alu of stage B: its first operand"),
])
def test_alu_refuses(value, message):
    shape = (1, 2, env.BATCH, env.BLOCK_OUT)
    A = te.placeholder(shape, name="A", dtype="int32")
    A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
    B = te.compute(shape, lambda *i: value(A_buf(*i)), "B")
    C = te.compute(shape, lambda *i: B(*i).astype("int8"), "C")
    s = te.create_schedule(C)
    for stage, pragma in ((A_buf, env.dma_copy), (B, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[C].pragma(C.op.axis[0], env.dma_copy)
    refuse(s, [A, C], message)


# lift, place, tokens, threads, fold
def test_lift_never_joins_reset_and_update():
    s, args, _ = convolution()
    scopes = [node for node in nodes(lower_program(s, args, DEFAULT), Scope) if node.kind == "uop"]
    assert [scope.value for scope in scopes] == ["GEMM", "GEMM", "ALU"]


def test_lift_stops_before_the_micro_op_memory_is_full():
    s, args, _ = convolution(size=12, rows=12, pad=1)
    program = lift.run(alu.run(dma.run(inplace.run(lower_loops(s, args)), DEFAULT), DEFAULT), PRESETS["tiny"])
    gemm = [node for node in nodes(program, Scope) if node.kind == "uop" and node.value == "GEMM"]
    assert isinstance(gemm[1].body, (For, Push)) and len(list(walk(gemm[1].body))) < 6


def test_place_lists_the_buffers():
    s, args, _ = convolution(size=40, rows=40)
    refuse(s, args, "memory ACC holds 2048 tiles, the schedule needs 6400: conv 6400, for each of 1 virtual")


def test_place_gives_each_thread_its_share():
    s, args, _ = convolution(threads=True)
    program = lower_program(s, args, DEFAULT)
    placed = {buffer.name: (buffer.offset, buffer.stride, buffer.threads) for buffer in program.buffers}
    assert placed == {"data_buf": (0, 40, 2), "kernel_buf": (0, 18, 2), "conv": (0, 36, 2)}


def test_tokens_balance_and_carry():
    s, args, _ = convolution()
    flow = {}
    for token in nodes(tokens.run(lift.run(alu.run(dma.run(inplace.run(lower_loops(s, args)), DEFAULT), DEFAULT),
                                           DEFAULT)), Token):
        key = (token.source, token.target)
        flow.setdefault(key, []).append("push" if token.push else "pop")
    assert flow == {("store", "compute"): ["push", "pop", "push", "pop"],
                    ("compute", "load"): ["push", "pop", "push", "pop"],
                    ("load", "compute"): ["push", "pop"], ("compute", "store"): ["push", "pop"]}


def test_threads_take_turns_at_every_scope():
    s, args, _ = convolution(threads=True)
    program = lower_program(s, args, DEFAULT)
    scopes = [node for node in nodes(program, For) if node.kind == "vthread"]
    assert len(scopes) == 5 and all(isinstance(scope.body, Scope) and scope.body.kind == "module"
                                    for scope in scopes)
    outside = [node for node in program.body.body if isinstance(node, Token)]
    assert len(outside) == 4          # two pushed before the loop, two popped after it


def test_threads_refuse_a_stage_outside():
    s, args, n = convolution(threads=True)
    s[n.conv].compute_at(s[n.res], n.res.op.axis[0])
    s[n.kernel_buf].attach = None
    refuse(s, args, "stage kernel_buf is on chip but computed outside of the virtual threads' loop")


def test_fold_takes_the_two_outermost_loops():
    s, args, _ = convolution()
    program = lower_program(s, args, DEFAULT)
    update = [node for node in nodes(program, Scope) if node.kind == "uop"][1]
    assert update.loops == ((4, 18, 0, 9), (3, 6, 8, 0))


def test_place_marks_no_program_twice():
    s, args, _ = vector_add()
    program = inplace.run(lower_loops(s, args))
    assert [buffer.stride for buffer in place.run(program, DEFAULT).buffers] == [8, 8]


# the whole
@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 6])
def test_streams_are_right(rows, threads):
    s, args, _ = convolution(rows=rows, threads=threads)
    module = vta.build(s, args, name="conv")
    random = np.random.default_rng(rows)
    data, kernel = (random.integers(-128, 128, tensor.shape, dtype=np.int8) for tensor in args[:2])
    out = np.zeros(args[2].shape, np.int8)
    with vta.device("sim") as device:
        module(device, data, kernel, out)
        assert not any(device.tokens.values())
    padded = np.pad(data.astype(np.int64), ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0), (0, 0)))
    want = sum(np.einsum("ncyxbk,ocjk->noyxbj", padded[:, :, dy:dy + 6, dx:dx + 6], kernel[:, :, dy, dx])
               for dy, dx in np.ndindex(3, 3))
    assert np.array_equal(out, (want >> 4).astype(np.int8))
    addresses, _ = module.program.layout()
    assert not check(module.program.code.place(addresses), DEFAULT).faults


def test_other_configurations_are_their_own():
    s, args, _ = convolution()
    refuse(s, args, "tile|multiple|tensorize", Config(log_block=3, log_wgt_buff_size=16, log_inp_buff_size=14,
                                                      log_acc_buff_size=16))
