"""The timing model: what it counts, and how far it is from the RTL."""

import numpy as np
import pytest

from vta.compiler import ops
from vta.compiler.program import Program
from vta.compiler.stream.assembler import assemble
from vta.compiler.stream.pipeline import Pipeline
from vta.compiler.stream.stream import Stream
from vta.compiler.timing import CONSTANTS, TimingError, _clashes, predict
from vta.hw.config import PRESETS
from vta.hw.isa import LANE_OPS, AluOp, MemType, Unit, layouts
from vta.runtime.device import open_device

CONFIG = PRESETS["default"]


def shifts(steps, opcode=AluOp.ADD):
    p = Pipeline(CONFIG)
    out = p.buffer("out", (steps, 1, 16), "int8", "output")
    p.reset(0, steps)
    p.alu(opcode, [(steps, 1)], [(0,)], 3)
    p.store(0, out, 0, steps)
    return p.code()


def requantisations(steps, opcode):
    """Steps of PAR or of wide REQ, which takes any sum."""
    p = Pipeline(CONFIG)
    words, out = p.buffer("words", (3, 16), "int32", "input"), p.buffer("out", (steps, 1, 16), "int8", "output")
    p.load(MemType.ACC, steps, words, 0, 3)
    p.reset(0, steps)
    if opcode == AluOp.PAR:
        p.alu(opcode, [(steps, 0)], [(steps,)], 127 << 8)
    else:
        p.parameters(steps, 0, 127)
        p.alu(opcode, [(steps, 1)], [(0,)], 1)
    p.store(0, out, 0, steps)
    return p.code()


def test_a_step_is_a_cycle():
    assert predict(shifts(900).insns, CONFIG).cycles - predict(shifts(400).insns, CONFIG).cycles == 3 * 500 + 500
    slow = predict(shifts(400, AluOp.MUL).insns, CONFIG).cycles - predict(shifts(400).insns, CONFIG).cycles
    assert slow == (CONSTANTS["mul"] - 1) * 400


@pytest.mark.rtl
def test_every_alu_operation_takes_as_long_on_the_rtl():
    with open_device("tsim", CONFIG) as device:
        for operation in AluOp:
            code = shifts(400, operation) if operation in LANE_OPS else requantisations(400, operation)
            inputs = {} if operation in LANE_OPS else {"words": np.zeros((3, 16), np.int32)}
            _, result = Program.from_code(code, operation.name).run(device, **inputs)
            assert abs(predict(code.insns, CONFIG).cycles / result.cycles - 1) < 0.03, \
                f"compiler/timing.py is wrong about {operation.name}"


@pytest.mark.rtl
@pytest.mark.parametrize("wide", [0, 1])
@pytest.mark.parametrize("distance", [1, 2])
@pytest.mark.parametrize("between", ["nothing", "a load", "a product"])
def test_what_waits_for_the_requantiser_waits_on_the_rtl(distance, wide, between):
    """REQs one after another, and of tiles that the requantiser still holds; loads and products that start from 0."""
    p, tiles = Pipeline(CONFIG), 24
    data, weight = p.buffer("data", (1, 1, 16), "int8", "input"), p.buffer("weight", (1, 16, 16), "int8", "input")
    words, out = p.buffer("words", (3, 16), "int32", "input"), p.buffer("out", (2 * tiles, 1, 16), "int8", "output")
    p.load(MemType.INP, 0, data, 0, 1)
    p.load(MemType.WGT, 0, weight, 0, 1)
    p.load(MemType.ACC, 2 * tiles, words, 0, 3)
    p.reset(0, 2 * tiles)
    p.parameters(2 * tiles, 0, 127)
    for _ in range(40):
        p.alu(AluOp.REQ, [(tiles, distance)], [(0,)], wide)
        if between == "a load":
            p.load(MemType.INP, 1, data, 0, 1)
        elif between == "a product":
            p.gemm("product", [], [(0, 0, 0), (0, 0, 0)], fresh=True, requantise=True)
    p.store(0, out, 0, 2 * tiles)
    code = p.code()
    inputs = {"data": np.zeros((1, 1, 16), np.int8), "weight": np.zeros((1, 16, 16), np.int8),
              "words": np.zeros((3, 16), np.int32)}
    with open_device("tsim", CONFIG) as device:
        _, result = Program.from_code(code, "waits").run(device, **inputs)
    assert abs(predict(code.insns, CONFIG).cycles / result.cycles - 1) < 0.02


def test_clashes_are_those_of_the_banks(monkeypatch):
    """dst and src in one bank (the parity of the index's bits), src not kept from the step before; numpy 1.21 does."""
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    depth, dst_step, src_step = CONFIG.depth["ACC"], 37, 1011
    alu = {"uop_bgn": 0, "uop_end": 1, "iter_out": 1, "iter_in": 3000, "dst_factor_out": 0, "src_factor_out": 0,
           "dst_factor_in": dst_step, "src_factor_in": src_step}
    steps = [(n * dst_step % depth, n * src_step % depth) for n in range(3000)]
    same_bank = [(dst ^ src).bit_count() % 2 == 0 and dst != src for dst, src in steps]
    assert _clashes(alu, layouts(CONFIG).uop, np.zeros(1, np.uint32), depth) == sum(same_bank)


def test_latency_counts_where_nothing_hides_it():
    code = shifts(100).insns
    # stream, micro-ops, store response
    assert predict(code, CONFIG, latency=64).cycles - predict(code, CONFIG, latency=16).cycles == 3 * 48


def test_a_wider_bus_is_faster():
    layer = ops.dense((1, 256), 256, config="default")
    code = layer.program.code.insns
    assert predict(code, PRESETS["ultra96"]).cycles < 0.6 * predict(code, CONFIG).cycles


def test_tokens_out_of_order_are_refused():
    stream = Stream(CONFIG)
    stream.dep_pop(Unit.STORE, Unit.COMPUTE)
    stream.dep_pop(Unit.STORE, Unit.COMPUTE)
    stream.sync()
    with pytest.raises(TimingError, match="pops a token of S2G that nothing before it"):
        predict(stream.code().insns, CONFIG)
    assert predict(stream.code().insns, CONFIG, tokens_before={"s2g": 2}).cycles > 0


def test_loads_hide_behind_compute():
    layer = ops.conv2d((1, 64, 28, 28), 64, 3, pad=1, bias=True, shift=8, clip=(0, 127))
    prediction = predict(layer.program.code.insns, CONFIG)
    assert prediction.cycles < 1.02 * prediction.busy["compute"]


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("build", [
    lambda: ops.conv2d((1, 256, 14, 14), 512, 1, stride=2, bias=True, shift=8, clip=(0, 127)),
    lambda: ops.conv2d((1, 64, 28, 28), 64, 3, pad=1, bias=True, shift=8, clip=(0, 127)),
    lambda: ops.depthwise_conv2d((1, 128, 28, 28), 3, pad=1, bias=True, shift=8, clip=(0, 127)),
    lambda: ops.dense((1, 512), 1000, bias=True, shift=8),
    lambda: ops.max_pool2d((1, 32, 56, 56), 3, stride=2, pad=1),
    lambda: ops.avg_pool2d((1, 256, 14, 14), 2),
    lambda: ops.add((1, 256, 28, 28), clip=(0, 127)),
    lambda: ops.add((1, 512, 7, 7)),                    # fetch takes its share of the channel for long
    lambda: ops.relu((1, 64, 14, 14)),
    lambda: ops.max_pool2d((1, 128, 14, 14), 2),        # short rows, and as many stores as loads
    lambda: ops.conv2d_transpose((1, 32, 7, 7), 32, 2, stride=2, bias=True, shift=8),
    lambda: ops.global_avg_pool((1, 512, 7, 7)),
])
def test_within_two_percent_of_the_rtl(build):
    layer, random = build(), np.random.default_rng(0)
    arrays = [random.integers(-128, 128, shape).astype(np.int8 if name != "bias" else np.int32)
              for name, shape in layer.shapes.items()]
    with open_device("tsim", CONFIG) as device:
        packed, result = layer.run(device, *arrays)
    assert np.array_equal(layer.output(packed), layer.reference(*arrays))
    assert abs(layer.about.predicted / result.cycles - 1) < 0.02


def test_a_flag_without_a_queue_is_ignored():
    """Load has no previous unit: its pop_prev and push_prev mean nothing, and must not be taken for its other flags."""
    text = "LOAD INP y=1 x=4 stride=4 push_next{}\nGEMM uop=0:1 iter=1x1 dst=0/0 src=0/0 wgt=0/0 pop_prev\nFINISH"
    plain, flagged = (assemble(text.format(flags), CONFIG)[0] for flags in ("", " pop_prev push_prev"))
    assert predict(flagged, CONFIG) == predict(plain, CONFIG)
