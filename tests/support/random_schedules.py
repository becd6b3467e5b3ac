"""Random operators and random schedules, for the test that no wrong program is ever built.

`operator(seed)` and `expression(seed)` return (description, Case), or raise a ValueError: a clean refusal.
"""

import random
from dataclasses import dataclass, replace

import numpy as np

import vta
from vta import te, topi
from vta.compiler import ops
from vta.compiler.ops.quantised_add import QuantisedAdd
from vta.compiler.ops.requantisation import Requantise
from vta.compiler.ops.rescale import Rescale
from vta.compiler.ops.search import candidates
from vta.compiler.ops.window import TiledWindow
from vta.hw.config import PRESETS, Config
from vta.hw.features import FEATURES

ALL = frozenset(FEATURES)
CONFIGS = (replace(PRESETS["default"], features=frozenset()), replace(PRESETS["default"], features=ALL),
           replace(PRESETS["tiny"], features=ALL, token_depth=64),
           Config(log_batch=1, log_inp_buff_size=12, log_wgt_buff_size=15, log_acc_buff_size=14, features=ALL),
           Config(log_block=3, log_inp_buff_size=12, log_wgt_buff_size=12, log_acc_buff_size=13, features=ALL))


@dataclass
class Case:
    """`run(device)` gives (result, reference)."""

    config: Config
    program: object
    run: object


def _numbers(rng, shape, dtype="int8"):
    limits = np.iinfo(np.int8) if dtype == "int8" else np.iinfo(np.int16)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


def operator(seed):
    """A random operator: any kind, shape, configuration, and tiling where there is a choice."""
    r, rng = random.Random(seed), np.random.default_rng(seed)
    config = r.choice(CONFIGS)
    kind = r.choice(list(ops.OPERATORS))
    n, c, o = r.choice((1, 1, 1, 2, 3)), r.randint(1, 40), r.randint(1, 40)
    h, w = r.randint(1, 15), r.randint(1, 15)
    kernel = (r.randint(1, 4), r.randint(1, 4))
    most = [r.choice((*4 * [k - 1], k + 2, 17)) for k in kernel]
    pad = r.choice((tuple(r.randint(0, n) for n in most), tuple((r.randint(0, n), r.randint(0, n)) for n in most)))
    window = {"stride": (r.randint(1, 3), r.randint(1, 3)), "pad": pad}
    dilated = window | {"dilation": (r.choice((1, 1, 2)), r.choice((1, 1, 3)))}
    post = {"shift": r.choice((0, 3, 8)), "rounding": r.random() < 0.5,
            "clip": r.choice((None, (-128, 127), (0, 127), (-5, 9)))}
    biased = post | {"bias": r.random() < 0.5}
    average = {}
    if config.features and r.random() < 0.6:
        offset = r.choice((0, r.randint(-128, 127)))
        rule = Requantise(r.randint(1 << 30, (1 << 31) - 1), -r.randint(5, 12), r.randint(-128, 127),
                          r.choice(((-128, 127), (-5, 9))), r.choice(("double", "single", "even")))
        biased = {"bias": biased["bias"], "requantise": rule, "zero_point": offset}
        post = {"requantise": QuantisedAdd((0.1, r.uniform(0.03, 0.3)), (offset, 3), r.uniform(0.15, 0.4), -7)}
        average = {"exact": True}
    convolved = biased | ({"wide": r.random() < 0.2, "residual": r.choice((0, 0, 1, 127))} if average else {})
    scaling = Requantise.from_scales(0.1, 1, r.uniform(0.06, 0.3), r.randint(-50, 50))
    shape = (n, c, h, w)

    def grouped(groups):
        return [(n, c * groups, h, w), o * groups, kernel, groups], convolved | dilated

    draw = {       # operator -> its arguments and options
        "conv2d": lambda: ([shape, o, kernel], convolved | dilated | {"fold": r.choice(("auto", "none", "im2col"))}),
        "group_conv2d": lambda: grouped(r.choice((1, 2, 3, 4))),
        "depthwise_conv2d": lambda: ([shape, kernel], convolved | dilated),
        "conv2d_transpose": lambda: ([shape, o, kernel], biased | dilated | {"output_pad": r.choice((0, 0, 1))}),
        "dense": lambda: ([(r.choice((1, n, 17)), c), o], biased),
        "avg_pool2d": lambda: ([shape, kernel], window | average),
        "global_avg_pool": lambda: ([shape], average),
        "mean": lambda: ([shape, Requantise.mean(0.1, 0.05, h * w)], {"zero_point": r.randint(-128, 127)}),
        "rescale": lambda: ([shape, scaling], {"zero_point": r.randint(-128, 127)}),
        "max_pool2d": lambda: ([shape, kernel], window),
        "add": lambda: ([shape], post),
        "relu": lambda: ([shape], {}),
        "clip": lambda: ([shape, r.randint(-128, 0), r.randint(0, 127)], {}),
        "shift": lambda: ([shape, r.randint(0, 9)], {}),
    }
    assert draw.keys() == ops.OPERATORS.keys(), (
        f"tests/support/random_schedules.py draws no arguments of {', '.join(ops.OPERATORS.keys() ^ draw.keys())}")
    build = getattr(ops, kind)
    arguments, options = draw[kind]()
    options = {"config": config} | options
    layer = build(*arguments, **options)
    if kind in ("conv2d", "group_conv2d", "dense", "depthwise_conv2d") and r.random() < 0.7:
        about = layer.about                       # the same again, tiled at random
        window, post = about.windows[0], about.post
        found = candidates(window, config, isinstance(post, Rescale))
        fitting = [t for t in found if TiledWindow(window, t, config, post).fits]
        layer = build(*arguments, **options, tiling=r.choice(fitting))
    packed = {buffer.name: buffer.dtype for buffer in layer.program.buffers} | {"bias": "int32"}
    arrays = [_numbers(rng, shape, packed[name]) for name, shape in layer.shapes.items()]
    what = f"{kind}{tuple(arguments)} {options} tiling {layer.about.tilings}"

    def run(device):
        return layer(device, *arrays), layer.reference(*arrays)
    return what, Case(config, layer.program, run)


def expression(seed):
    """A random convolution or product as a tensor expression under a random schedule."""
    r, rng = random.Random(seed), np.random.default_rng(seed)
    config = r.choice(CONFIGS)
    env = vta.get_env(config)
    n, ci, co = r.choice((1, 1, 2)), r.choice((1, 2, 3, 4)), r.choice((1, 2, 4, 6))
    h, w = r.randint(1, 12), r.randint(1, 12)
    kh, kw, stride = r.randint(1, 3), r.randint(1, 3), r.randint(1, 2)
    ph, pw = r.randint(0, kh - 1), r.randint(0, kw - 1)
    oh, ow = (h + 2 * ph - kh) // stride + 1, (w + 2 * pw - kw) // stride + 1
    if oh < 1 or ow < 1:
        raise ValueError("the kernel is larger than the picture")
    tile = (env.BATCH, env.BLOCK_IN)
    data = te.placeholder((n, ci, h, w, *tile), name="data", dtype="int8")
    weight = te.placeholder((co, ci, kh, kw, env.BLOCK_OUT, env.BLOCK_IN), name="weight", dtype="int8")
    data_buf = topi.nn.pad(data, [0, 0, ph, pw, 0, 0], name="data_buf")
    weight_buf = te.compute(weight.shape, lambda *i: weight(*i), name="weight_buf")
    ic, dy, dx = (te.reduce_axis((0, size), name=name) for size, name in ((ci, "ic"), (kh, "dy"), (kw, "dx")))
    k = te.reduce_axis((0, env.BLOCK_IN), name="k")
    shape = (n, co, oh, ow, *tile)
    conv = te.compute(shape, lambda b, o, y, x, bi, oi: te.sum(
        data_buf[b, ic, y * stride + dy, x * stride + dx, bi, k].astype("int32")
        * weight_buf[o, ic, dy, dx, oi, k].astype("int32"), axis=[ic, dy, dx, k]), name="conv")
    arguments, chain, extra = [data, weight], [conv], []
    if r.random() < 0.4:
        other = te.placeholder(shape, name="other", dtype=r.choice(("int8", "int32")))
        other_buf = te.compute(shape, lambda *i: other(*i).astype("int32"), name="other_buf")
        chain.append(te.compute(shape, lambda *i: chain[-1](*i) + other_buf(*i), name="residual"))
        arguments.append(other)
        extra.append(other_buf)
    amount, low = r.randint(0, 8), r.randint(-128, 0)
    chain.append(te.compute(shape, lambda *i, t=chain[-1]: t(*i) >> amount, name="shifted"))
    chain.append(te.compute(shape, lambda *i, t=chain[-1]: te.max(t(*i), low), name="floor"))
    chain.append(te.compute(shape, lambda *i, t=chain[-1]: te.min(t(*i), 127), name="ceiling"))
    res = te.compute(shape, lambda *i, t=chain[-1]: t(*i).astype("int8"), name="res")
    s = te.create_schedule(res.op)

    def divisor(size):
        return r.choice([d for d in range(1, size + 1) if size % d == 0])

    axes = list(s[res].op.axis)
    inner, outer, even = [], [], []
    for axis, size in zip(axes[:4], shape, strict=False):
        factor = divisor(size) if r.random() < 0.95 else r.randint(1, size)
        a, b = s[res].split(axis, factor=factor)
        outer.append(a)
        inner.append(b)
        even += [a] if size // factor % 2 == 0 else []
    r.shuffle(outer)
    if even and r.random() < 0.8:
        place = outer.index(r.choice(even))
        outer[place], thread = s[res].split(outer[place], factor=2)
        outer.insert(r.randint(0, 4), thread)
        s[res].bind(thread, te.thread_axis("cthread"))
    s[res].reorder(*outer, *inner, *axes[4:])
    at = outer[-1]
    for stage in chain + extra:
        s[stage].set_scope(env.acc_scope)
        s[stage].compute_at(s[res], at)
    s[data_buf].set_scope(env.inp_scope)
    s[weight_buf].set_scope(env.wgt_scope)
    b, o, y, x, bi, oi = s[conv].op.axis
    ic_out, ic_in = s[conv].split(ic, factor=divisor(ci))
    loops = [b, o, y, x, ic_in, dy, dx]
    r.shuffle(loops)
    s[conv].reorder(ic_out, *loops, bi, oi, k)
    s[conv].tensorize(bi, env.gemm)
    s[data_buf].compute_at(*r.choice([(s[conv], ic_out), (s[conv], ic_out), (s[res], at)]))
    s[weight_buf].compute_at(*r.choice([(s[conv], ic_out), (s[conv], ic_out), (s[res], at)]))
    for stage in (data_buf, weight_buf, *extra):
        s[stage].pragma(s[stage].op.axis[r.choice((0, 0, 0, 1))], env.dma_copy)
    for stage in chain[1:]:
        s[stage].pragma(s[stage].op.axis[r.choice((0, 0, 1))], env.alu)
    s[res].pragma(r.choice([*inner, axes[4]]), env.dma_copy)
    module = vta.build(s, [*arguments, res], config=config)
    arrays = [_numbers(rng, tensor.shape, tensor.dtype) for tensor in arguments]

    def run(device):
        out = np.zeros(res.shape, np.int8)
        module(device, *arrays, out)
        return out, _reference(arrays, (ph, pw), stride, (oh, ow), amount, low)
    what = f"conv {data.shape} {weight.shape} stride {stride} pad {ph, pw} on {config.name}:\n" \
           + vta.lower(s, [*arguments, res], config=config)
    return what, Case(config, module.program, run)


def _reference(arrays, pad, stride, out, amount, low):
    data, weight, *other = (array.astype(np.int64) for array in arrays)
    data = np.pad(data, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2, (0, 0), (0, 0)))
    sums = 0
    for dy, dx in np.ndindex(*weight.shape[2:4]):
        seen = data[:, :, dy:dy + (out[0] - 1) * stride + 1:stride, dx:dx + (out[1] - 1) * stride + 1:stride]
        sums = sums + np.einsum("ncyxbk,ocjk->noyxbj", seen, weight[:, :, dy, dx])
    for each in other:
        sums = sums + each
    return np.clip(sums >> amount, low, 127).astype(np.int8)
