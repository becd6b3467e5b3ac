"""`vta.build`: modules, their arguments, and what is refused."""

import numpy as np
import pytest
from schedules import convolution, vector_add

import vta
from vta.compiler.expr import CompileError
from vta.compiler.program import Program


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


def test_equal_schedules_give_equal_files():
    files = []
    for _ in range(2):
        s, args, _ = convolution(threads=True)
        files.append(vta.build(s, args, name="conv").program.to_bytes())
    assert files[0] == files[1]


def test_refused():
    s, args, _ = vector_add()
    with pytest.raises(CompileError, match=r"target 'llvm': only .ext_dev."):
        vta.build(s, args, "llvm")
    with pytest.raises(CompileError, match=r"pass 'vta.tokens' cannot be disabled"), \
            vta.build_config(disabled_pass={"vta.tokens"}):
        pass
    module = vta.build(s, args, name="add")
    with vta.device("sim") as device:
        with pytest.raises(CompileError, match=r"add takes 3 arrays \(A, B, C\), 1 given"):
            module(device, 0)
        with pytest.raises(CompileError, match=r"C is int32 .* expected int8"):
            module(device, *[np.zeros(args[0].shape, np.int32)] * 3)
