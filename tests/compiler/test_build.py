"""`vta.build`: modules, their arguments, and what is rejected."""

import operator

import numpy as np
import pytest
from slow_reference import low, operate
from small_schedules import convolution, env, vector_add

import vta
from vta import te
from vta.compiler.build import build
from vta.compiler.program import Program
from vta.compiler.te.errors import CompileError
from vta.hw.isa import LANE_OPS, MEMORY, AluOp, MemType, extract


def test_module_runs_saves_and_loads(tmp_path):
    s, args, _ = vector_add()
    module = vta.build(s, args, "ext_dev", name="add")
    a, b = (np.full(args[0].shape, value, np.int32) for value in (70, 80))
    out = np.zeros(args[2].shape, np.int8)
    with vta.device("sim") as device:
        result = module(device, a, b, out)
        assert np.all(out == np.int8(150 - 256)) and result.stats["alu_counter"] == 4
        module.save(tmp_path / "add.vta")
        again, _ = Program.load(tmp_path / "add.vta").run(device, A=a, B=b)
    assert np.array_equal(again["C"], out)


def test_micro_ops_in_advance():
    """The load of micro-ops comes first, not behind those of the data; the result is the same."""
    s, args, _ = vector_add()
    plain, early = (build(s, args, prefetch=prefetch).program for prefetch in (False, True))
    first = [extract(program.code.insns, MEMORY["mem_type"])[0] for program in (plain, early)]
    assert first == [MemType.ACC, MemType.UOP]
    a, b = (np.full(args[0].shape, value, np.int32) for value in (70, 80))
    with vta.device("sim") as device:
        (one, _), (other, _) = (program.run(device, A=a, B=b) for program in (plain, early))
    assert np.array_equal(one["C"], other["C"])


def test_equal_schedules_give_equal_files():
    files = []
    for _ in range(2):
        s, args, _ = convolution(threads=True)
        files.append(vta.build(s, args, name="conv").program.to_bytes())
    assert files[0] == files[1]


def test_a_number_less_a_tensor_is_two_stages():
    s, args, n = vector_add()
    shape = args[0].shape
    minus = te.compute(shape, lambda *i: -n.C_buf(*i), "minus")
    five = te.compute(shape, lambda *i: 5 + minus(*i), "five")
    D = te.compute(shape, lambda *i: five(*i).astype("int8"), "D")
    s = te.create_schedule(D)
    for stage, pragma in ((n.A_buf, env.dma_copy), (n.B_buf, env.dma_copy), (n.C_buf, env.alu), (minus, env.alu),
                          (five, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[D].pragma(D.op.axis[0], env.dma_copy)
    random = np.random.default_rng(0)
    a, b = (random.integers(-1 << 31, 1 << 31, shape).astype(np.int32) for _ in "ab")
    out = np.zeros(shape, np.int8)
    with vta.device("sim") as device:
        vta.build(s, [*args[:2], D])(device, a, b, out)
    assert np.array_equal(out, (5 - (a + b)).astype(np.int8))


# how each operation of the ALU that works lane by lane is written
WRITTEN = {AluOp.MIN: te.min, AluOp.MAX: te.max, AluOp.ADD: operator.add, AluOp.SHR: operator.rshift,
           AluOp.MUL: operator.mul}


def test_every_alu_operation_can_be_written():
    missing = [operation.name for operation in LANE_OPS if operation not in WRITTEN]
    assert not missing, (f"WRITTEN has no {', '.join(missing)}: add what users write for it, an operator of `Value` in "
                         "compiler/te/values.py or a function of compiler/te/tensor.py")


def one_operation(write, imm, env):
    """The schedule and arguments of out = `write`(a, b), or of out = `write`(a, imm)."""
    shape = (1, 4, env.BATCH, env.BLOCK_OUT)
    inputs = [te.placeholder(shape, name=name, dtype="int32") for name in ("ab" if imm is None else "a")]
    copies = [te.compute(shape, lambda *i, source=source: source(*i), f"{source.name}_buf") for source in inputs]
    constant = [] if imm is None else [imm]
    value = te.compute(shape, lambda *i: write(*(copy(*i) for copy in copies), *constant), "value")
    out = te.compute(shape, lambda *i: value(*i).astype("int8"), "out")
    s = te.create_schedule(out)
    for stage, pragma in (*((copy, env.dma_copy) for copy in copies), (value, env.alu)):
        s[stage].set_scope(env.acc_scope)
        s[stage].pragma(stage.op.axis[0], pragma)
    s[out].pragma(out.op.axis[0], env.dma_copy)
    return s, [*inputs, out]


@pytest.mark.parametrize("device", ["sim", pytest.param("tsim", marks=pytest.mark.rtl)])
def test_every_alu_operation_runs(device):
    """And gives what the reference gives, with a tensor and with an immediate."""
    random = np.random.default_rng(0)
    with vta.device(device, "tiny") as opened:
        for operation, write in WRITTEN.items():
            for imm in (None, -21):
                s, args = one_operation(write, imm, vta.get_env("tiny"))
                arrays = [random.integers(-1 << 31, 1 << 31, tensor.shape).astype(np.int32) for tensor in args[:-1]]
                out = np.zeros(args[-1].shape, np.int8)
                vta.build(s, args, config="tiny")(opened, *arrays, out)
                pairs = zip(*(array.ravel().tolist() for array in arrays), *[[imm] * out.size] * (imm is not None),
                            strict=True)
                expected = [low(operate(operation, x, y), 8) for x, y in pairs]
                assert out.ravel().tolist() == expected, f"{operation.name} with {'a tensor' if imm is None else imm}"


def test_refused():
    s, args, _ = vector_add()
    for wrong in (vta.build, vta.lower, te.lower):
        with pytest.raises(CompileError, match=r"schedule None must be one that te.create_schedule made"):
            wrong(None, [])
        with pytest.raises(CompileError, match=r"arguments Tensor\(A, .* must be a list of tensors"):
            wrong(s, args[0])
    with pytest.raises(CompileError, match=r"target 'llvm': only .ext_dev."):
        vta.build(s, args, "llvm")
    with pytest.raises(CompileError, match=r"pass 'vta.tokens' cannot be disabled"), \
            vta.build_config(disabled_pass={"vta.tokens"}):
        pass
    module = vta.build(s, args, name="add")
    with pytest.raises(ValueError, match=r"None is no device: open one with vta.device"):
        module(None, *(np.zeros(arg.shape, arg.dtype) for arg in args))
    with vta.device("sim") as device:
        with pytest.raises(CompileError, match=r"add takes 3 arrays \(A, B, C\), 1 given"):
            module(device, 0)
        with pytest.raises(CompileError, match=r"C is int32 .* expected int8"):
            module(device, *[np.zeros(args[0].shape, np.int32)] * 3)
        out = np.zeros(args[2].shape, np.int8)
        out.flags.writeable = False
        for wrong in (out, out.tolist()):
            with pytest.raises(CompileError, match="C is filled in: it must be a numpy array that can be written to"):
                module(device, *[np.zeros(args[0].shape, np.int32)] * 2, wrong)


def test_what_is_stored_can_be_read_back_only_in_order():
    """Tokens order a STORE and a LOAD of compute, but not one of the load unit."""
    s, args, n = vector_add()
    block = te.placeholder((2, 4, env.BLOCK_OUT, env.BLOCK_IN), name="W")
    back = te.compute(n.C.shape, lambda *i: n.C(*i), "back")
    weights = te.compute(block.shape, lambda *i: block(*i), "weights")
    tile, lane = te.reduce_axis((0, 4), "tile"), te.reduce_axis((0, env.BLOCK_IN), "lane")
    sums = te.compute((1, 2, env.BATCH, env.BLOCK_OUT), lambda b, o, bi, oi: te.sum(
        back[b, tile, bi, lane].astype("int32") * weights[o, tile, oi, lane].astype("int32"), axis=[tile, lane]),
        "sums")
    D = te.compute(sums.shape, lambda *i: sums(*i).astype("int8"), "D")
    wide = te.compute(n.C.shape, lambda *i: n.C(*i).astype("int32"), "wide")
    plus = te.compute(n.C.shape, lambda *i: wide(*i) + 1, "plus")
    E = te.compute(n.C.shape, lambda *i: plus(*i).astype("int8"), "E")

    def schedule(stages, last):
        s = te.create_schedule([n.C, last])
        for stage in (n.A_buf, n.B_buf, n.C_buf, *stages):
            s[stage].set_scope({back: env.inp_scope, weights: env.wgt_scope}.get(stage, env.acc_scope))
            if stage is not sums:
                s[stage].pragma(stage.op.axis[0], env.alu if stage in (n.C_buf, plus) else env.dma_copy)
        for stage in (n.C, last):
            s[stage].pragma(stage.op.axis[0], env.dma_copy)
        return s

    s = schedule((back, weights, sums), D)
    s[sums].reorder(tile, *sums.op.axis, lane)
    s[sums].tensorize(sums.op.axis[2], env.gemm)
    with pytest.raises(CompileError, match=r"stage back reads C, which the program itself stores .race: "):
        vta.build(s, [*args[:2], block, n.C, D])
    module = vta.build(schedule((wide, plus), E), [*args, E])
    a, b = (np.full(args[0].shape, value, np.int32) for value in (70, 80))
    c, e = (np.zeros(n.C.shape, np.int8) for _ in range(2))
    with vta.device("sim") as device:
        module(device, a, b, c, e)
    assert np.all(c == np.int8(150 - 256)) and np.all(e == c + 1)
