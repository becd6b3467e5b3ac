"""Operators: correct on the functional simulator, rejected with clear messages, and close to the machine's floor."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from repository import DOCS

from vta.compiler import ops
from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.loops import BufferRing, buffer_count, chunks, growing_chunks, split_loops, unroll
from vta.compiler.ops.operator import Operator
from vta.compiler.ops.pool import _factor
from vta.compiler.ops.post import Post
from vta.compiler.ops.search import candidates, ranked
from vta.compiler.ops.window import TiledWindow, Tiling, Window
from vta.hw.config import PRESETS
from vta.runtime.device import open_device

CONFIG = PRESETS["default"]
RESNET18 = {               # name: size, channels in, out, kernel, stride
    "C2": (56, 64, 64, 3, 1), "C3": (56, 64, 128, 3, 2), "C4": (56, 64, 128, 1, 2), "C5": (28, 128, 128, 3, 1),
    "C6": (28, 128, 256, 3, 2), "C7": (28, 128, 256, 1, 2), "C8": (14, 256, 256, 3, 1),
    "C9": (14, 256, 512, 3, 2), "C10": (14, 256, 512, 1, 2), "C11": (7, 512, 512, 3, 1)}


def test_every_operator_is_listed():
    """What the package exports is every public function of its files that makes an Operator."""
    modules = [importlib.import_module(f"{ops.__name__}.{found.name}") for found in pkgutil.iter_modules(ops.__path__)]
    made = {name for module in modules for name, value in vars(module).items()
            if inspect.isfunction(value) and not name.startswith("_") and value.__module__ == module.__name__
            and inspect.get_annotations(value).get("return") is Operator}
    assert set(ops.OPERATORS) == made == {*ops.__all__} - {"OPERATORS"}, \
        f"compiler/ops/__init__.py does not import {', '.join(made ^ set(ops.OPERATORS))}"


def test_every_operator_is_tested_and_documented():
    built = {name for build in BUILDS for name in build.__code__.co_names}
    page = (DOCS / "compiler.md").read_text()
    table = page[page.index("| operator | arguments |"):].split("\n\n")[0]
    for missing, place in (([name for name in ops.OPERATORS if name not in built], "BUILDS, here"),
                           ([name for name in ops.OPERATORS if f"`{name}`" not in table],
                            "the table of operators in docs/compiler.md")):
        assert not missing, f"{', '.join(missing)} is missing in {place}"


@pytest.fixture(scope="module")
def device():
    with open_device("sim", CONFIG) as opened:
        yield opened


def agree(device, layer, seed=0):
    random = np.random.default_rng(seed)
    arrays = []
    for name, shape in layer.shapes.items():
        wide = layer.program.buffer(name).dtype == "int32"
        low, high = (-1 << 15, 1 << 15) if wide else (-128, 128)
        arrays.append(random.integers(low, high, shape).astype(np.int32 if wide else np.int8))
    np.testing.assert_array_equal(layer(device, *arrays), layer.reference(*arrays))


BUILDS = [
    lambda: ops.conv2d((1, 64, 14, 14), 64, 3, pad=1, bias=True, shift=8, clip=(0, 127)),
    lambda: ops.conv2d((2, 20, 9, 11), 40, (3, 2), stride=(2, 1), pad=(1, 0), shift=6, rounding=True),
    lambda: ops.conv2d((1, 3, 30, 30), 64, 7, pad=3, stride=2, shift=20, rounding=True),
    lambda: ops.conv2d((1, 16, 5, 5), 16, 1, clip=None),
    lambda: ops.conv2d((1, 256, 14, 14), 512, 1, stride=2, bias=True, shift=8, clip=(0, 127)),
    lambda: ops.group_conv2d((1, 48, 12, 12), 96, 3, 4, pad=1, stride=2, shift=6, bias=True),
    lambda: ops.group_conv2d((1, 20, 6, 6), 10, 3, 5, pad=1, shift=4),
    lambda: ops.depthwise_conv2d((1, 40, 12, 12), 3, pad=1, shift=6, bias=True),
    lambda: ops.conv2d_transpose((1, 20, 6, 5), 24, 4, stride=2, pad=1, bias=True, shift=6),
    lambda: ops.conv2d_transpose((2, 20, 6, 5), 24, 3, stride=2, pad=1, output_pad=1, shift=6),
    lambda: ops.conv2d_transpose((1, 20, 6, 5), 24, (5, 2), stride=(3, 1), shift=6),
    lambda: ops.dense((1, 512), 1000, bias=True, shift=8),
    lambda: ops.dense((5, 70), 30, shift=17, rounding=True),
    lambda: ops.conv2d((1, 16, 1, 9000), 16, (1, 9), stride=(1, 1), shift=8),           # wider than the memories
    lambda: ops.dense((9001, 40), 20, shift=6),
    lambda: ops.dense((70000, 16), 16, shift=6),                                        # wider than a stride
    lambda: ops.avg_pool2d((1, 40, 14, 14), 2),
    lambda: ops.avg_pool2d((1, 40, 14, 14), 3, stride=2, pad=1),
    lambda: ops.global_avg_pool((2, 40, 7, 7)),
    lambda: ops.max_pool2d((1, 24, 22, 22), 3, stride=2, pad=1),
    lambda: ops.max_pool2d((2, 24, 9, 9), 5, pad=4, stride=1),
    lambda: ops.add((1, 64, 20, 20), clip=(0, 127)),
    lambda: ops.add((3, 5), shift=1, rounding=True, dtype="int32"),
    lambda: ops.relu((1, 64, 20, 20)),
    lambda: ops.clip((1, 64, 20), -3, 7),
    lambda: ops.shift((1, 64, 20), 2, rounding=True),
]


@pytest.mark.parametrize("build", BUILDS)
def test_agrees_with_numpy(device, build):
    agree(device, build())


@pytest.mark.parametrize(("build", "message"), [
    (lambda: ops.conv2d((1, 16, 8), 16, 3), r"shape \(1, 16, 8\) must be \(N, C, H, W\)"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 9), "kernel .9, 9. is larger than the padded picture of 8 x 8"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, dilation=4, pad=((0, 9), 0)), "dilation .4, 4. is larger than the padded "
                                                                            "picture of 17 x 8"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, stride=0), "stride .0, 0. and dilation .1, 1. must be at least 1"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, fold="rows"), "fold = 'rows' must be one of auto, none, depth, im2col"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, groups=2, fold="depth"), "an image in 2 groups is not folded"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, pad=((1, 1, 1), 2)), "pad = .1, 1, 1. must be an integer"),
    (lambda: ops.conv2d_transpose((1, 16, 4, 4), 16, 3, stride=3, pad=7), "the result would be -2 x -2"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, groups=3), "cannot be divided into 3 groups"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, shift=40), "shift = 40 must be an integer from 0 to 31"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, clip=(0, 200)), "within -128 to 127"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, (3, 3, 3)), "kernel = .3, 3, 3. must be an integer"),
    (lambda: ops.conv2d((1, 16, 80, 80), 16, 3, tiling=Tiling(80, 80, 1, 1)), "needs 6724 of 2048 input "
                                                                              "tiles"),
    (lambda: ops.conv2d((1, 16, 8, 8), "x", 3), "outputs = 'x' must be an integer of at least 1"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, pad=1.5), "pad = 1.5 must be an integer"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, groups=2.0), "groups = 2.0 must be an integer of at least 1"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, clip=3), "clip = 3 must be"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, tiling=(1, 2)), "must be a Tiling"),
    (lambda: ops.depthwise_conv2d(5, 3), "shape 5 must be"),
    (lambda: ops.dense((1, 5), 2.5), "outputs = 2.5"),
    (lambda: ops.add((5,)), r"shape \(5,\) must be \(N, C, ...\)"),
    (lambda: ops.clip((1, 16), "a", 3), "clip = .'a', 3. must be"),
    (lambda: ops.add((1, 16, 8, 8), dtype="int16"), "dtype 'int16' must be one of int8, int32"),
    (lambda: ops.add((1, 16, 8, 8), shift=20, rounding=True), "half of the last place, 524288, is no "
                                                              "immediate: shift by at most 15"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, bias=np.zeros(16)), "bias must be True or False, not ndarray: its "
                                                                  "numbers are an argument of the call"),
    (lambda: ops.conv2d((1, 16, 8, 8), 16, 3, rounding=2), "rounding must be True or False, not int"),
    (lambda: Tiling(0, 1, 1, 1), "rows = 0 must be an integer of at least 1"),
    (lambda: Tiling(1, 1, 1, 1, weights_stay=2), "weights_stay = 2 must be True or False"),
    (lambda: ops.max_pool2d((1, 16, 99999, 99999), 2), "data of 159996800016 bytes, DRAM has at most 4294967296"),
    (lambda: ops.add((1, 16, 99999, 99999)), "a of 159996800016 bytes, DRAM has at most 4294967296"),
    (lambda: ops.conv2d((1, 16, 99999, 99999), 16, 3), "data of 159996800016 bytes, DRAM has at most 4294967296"),
])
def test_refused(build, message):
    with pytest.raises(OperatorError, match=message):
        build()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64])
def test_bias_of_any_integers_is_rounded_as_32_bits(device, dtype):
    layer = ops.conv2d((1, 16, 4, 4), 16, 1, bias=True, shift=17, rounding=True)
    data, weight = np.full((1, 16, 4, 4), 100, np.int8), np.full((16, 16, 1, 1), 100, np.int8)
    bias = np.full(16, min(np.iinfo(dtype).max, (1 << 31) - 1), dtype)
    np.testing.assert_array_equal(layer(device, data, weight, bias), layer.reference(data, weight, bias))


def test_arrays_must_fit(device):
    layer = ops.relu((1, 16, 4, 4))
    with pytest.raises(OperatorError, match=r"relu: a has shape \(1, 16, 4, 5\), expected \(1, 16, 4, 4\)"):
        layer(device, np.zeros((1, 16, 4, 5), np.int8))
    with pytest.raises(OperatorError, match="relu takes 1 arrays"):
        layer(device)
    with pytest.raises(ValueError, match="do not fit int8"):
        layer(device, np.full((1, 16, 4, 4), 200))


@pytest.mark.parametrize("name", ["C4", "C7", "C10"])
def test_resnet18_is_near_the_floor(name):
    """The floor: GEMM steps and five passes over the outputs (reset, bias, shift, max, min)."""
    size, ins, outs, kernel, stride = RESNET18[name]
    layer = ops.conv2d((1, ins, size, size), outs, kernel, stride=stride, pad=kernel // 2, bias=True, shift=8,
                       clip=(0, 127))
    assert layer.about.predicted < 1.02 * layer.about.floor


@pytest.mark.rtl
@pytest.mark.slow
def test_resnet18_on_the_rtl():
    total = 0
    with open_device("tsim", CONFIG, latency=16) as device:
        for size, ins, outs, kernel, stride in RESNET18.values():
            layer = ops.conv2d((1, ins, size, size), outs, kernel, stride=stride, pad=kernel // 2, bias=True,
                               shift=8, clip=(0, 127))
            random = np.random.default_rng(size)
            arrays = [random.integers(-128, 128, shape).astype(np.int8 if name != "bias" else np.int32)
                      for name, shape in layer.shapes.items()]
            packed, result = layer.run(device, *arrays)
            np.testing.assert_array_equal(layer.output(packed), layer.reference(*arrays))
            assert abs(layer.about.predicted / result.cycles - 1) < 0.03
            total += result.cycles
    assert total < 2_900_000


@pytest.mark.parametrize(("kernel", "most"), [((7, 7), 0.15), ((5, 9), 0.15), ((40, 40), 0.016), ((9, 9), 0.004),
                                              ((1, 51), 0.004), ((16, 32), 0), ((45, 45), 0.016)])
def test_averages_are_near_the_true_ones(device, kernel, most):
    layer = ops.avg_pool2d((1, 64, *kernel), kernel)
    data = np.random.default_rng(0).integers(-128, 128, (1, 64, *kernel)).astype(np.int8)
    data += np.linspace(-100, 100, 64).astype(np.int8)[None, :, None, None]
    data[0, 0], data[0, 1] = -128, 127
    out = layer(device, data)
    np.testing.assert_array_equal(out, layer.reference(data))
    assert np.abs(out - data.mean((2, 3), keepdims=True)).max() <= 0.5 + most


def test_factors_of_averages():
    """The error bounds in the docstring of avg_pool2d; the product of every sum fits 32 bits."""
    for count in (count for count in range(3, 1 << 16) if count & (count - 1)):
        scale, shift = _factor(count)
        most = 0.15 if count <= 49 else max(0.004, count / 2**17)
        assert scale < 1 << 15 and 128 * abs(scale * count / 2**shift - 1) <= most
        assert 128 * count * scale + (1 << shift - 1) < 1 << 31
        assert count > 49 or (scale, shift) == (round(2**14 / count), 14)


# the helpers
def test_chunks_and_buffers():
    assert chunks(7, 3) == [(0, 3), (3, 3), (6, 1)]
    assert growing_chunks(9) == [(0, 1), (1, 1), (2, 2), (4, 4), (8, 1)]
    ring = BufferRing(2, 10, base=100)
    assert [ring.acquire(key) for key in "abacb"] == [(100, True), (110, True), (100, False), (100, True), (110, False)]
    assert buffer_count(100, 10, total=4, per_tile=2) == 4          # everything
    assert buffer_count(100, 10, total=40, per_tile=3) == 6         # a tile's chunks, twice
    assert buffer_count(100, 30, total=40, per_tile=3) == 3
    assert buffer_count(100, 40, total=40, per_tile=3) == 2
    assert buffer_count(100, 101, total=40, per_tile=3) == 0


def test_loops_join_and_unroll():
    loops, left = split_loops([(4, 6, 0, 9), (2, 3, 3, 0), (3, 1, 1, 0), (5, 0, 10, 1)], CONFIG)
    assert loops == [(6, 1, 1, 0), (5, 0, 10, 1)] and left == [(4, 6, 0, 9)]
    assert unroll(left, 100, 200, 300) == [(100 + 6 * n, 200, 300 + 9 * n) for n in range(4)]
    # a factor beyond its field cannot be a hardware loop
    assert split_loops([(2, 5000, 1, 1)], CONFIG) == ([], [(2, 5000, 1, 1)])


def test_post_rounds_like_numpy():
    post = Post(shift=3, rounding=True, clip=(-4, 4))
    assert post.reference(np.array([-37, -4, 3, 4, 100])).tolist() == [-4, 0, 0, 1, 4]


def test_search_is_ordered_and_its_choice_fits():
    window, post = Window(1, 1, 4, 4, (14, 14), (14, 14), (3, 3), start=(1, 1)), Post(bias=True, shift=8)
    found = ranked(window, post, CONFIG)
    assert [cycles for cycles, _ in found] == sorted(cycles for cycles, _ in found)
    assert all(TiledWindow(window, tiling, CONFIG, post).fits for _, tiling in found[:20])
    assert {tiling for _, tiling in found} <= set(candidates(window, CONFIG))


def test_a_given_tiling_is_taken():
    tiling = Tiling(7, 14, 2, 1)
    layer = ops.conv2d((1, 64, 14, 14), 64, 3, pad=1, tiling=tiling)
    assert layer.about.tilings == (tiling,)
