"""All passes together: each keeps to its specification, and the streams are right."""

import dataclasses

import numpy as np
import pytest
from small_schedules import DEFAULT, convolution, lowered, refuse

import vta
from vta.compiler.check.checker import check
from vta.compiler.passes import PASSES
from vta.compiler.te import ir, values
from vta.compiler.te.errors import CompileError
from vta.hw.config import Config


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
    other = Config(log_block=3, log_wgt_buff_size=16, log_inp_buff_size=14, log_acc_buff_size=16, name="other")
    refuse(s, args, "stage conv is for configuration 'default', the program for 'other': give .* the same", other)


@pytest.mark.parametrize(("before", "idle"), [PASSES[0:2], PASSES[1:3]], ids=["dma", "alu"])
def test_a_pass_is_held_to_what_it_allows(before, idle):
    s, args, _ = convolution()
    with pytest.raises(CompileError, match=f"after pass '{idle.name}'"):
        dataclasses.replace(idle, run=lambda function, config: function)(lowered(s, args, before.name), DEFAULT)


def test_every_node_is_frozen():
    nodes = [each for module in (ir, values) for each in vars(module).values() if dataclasses.is_dataclass(each)]
    assert len(nodes) > 15 and all(each.__dataclass_params__.frozen for each in nodes)
