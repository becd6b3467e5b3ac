"""Random programs for the features requantise and window: parameters, and bursts of kernels.

A kernel is an instruction with a few micro-ops of its own. Those of a burst are loaded before its first instruction,
so that compute executes them one right behind the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vta.fuzz.case import DATA
from vta.fuzz.nests import alu, gemm, load_uops, micro_op, par, req, src_limit
from vta.fuzz.parameters import SETS, TILES
from vta.fuzz.transfers import load, store
from vta.hw.features import Feature
from vta.hw.isa import MemType, Opcode, Unit


@dataclass(frozen=True)
class Kernel:
    """Micro-ops, and `append(nest)`, which appends the instruction; `trips`: the iterations of its two loops."""

    words: list
    trips: tuple
    append: Callable


def can_burst(config):
    return config.has(Feature.REQUANTISE) or config.has(Feature.WINDOW)


def load_parameters(draft):
    """Append what loads parameters: their tiles, a micro-op, PAR."""
    _append_kernels(draft, [_parameters(draft)])


def burst(draft):
    """Append kernels whose micro-ops are loaded before the first one, and others between; often a STORE behind them."""
    rng, config = draft.rng, draft.config
    kinds = {_window: config.has(Feature.WINDOW)} | {
        kind: weight * config.has(Feature.REQUANTISE) for kind, weight in (
            (_parameters, 1), (_products, 3), (_pass, 3), (_repeated, 1), (_anything, 1))}
    kernels = [kind(draft) for kind in rng.choices(list(kinds), list(kinds.values()), k=rng.randint(1, 6))]
    _append_kernels(draft, kernels)
    if rng.random() < 0.6:
        store(draft)


def _append_kernels(draft, kernels):
    rng, room = draft.rng, draft.config.depth["UOP"]
    words = [word for kernel in kernels for word in kernel.words]
    if len(words) > room:
        return
    at = rng.randrange(room - len(words) + 1)
    load_uops(draft, at=at, words=words)
    for kernel in kernels:
        kernel.append((at, at + len(kernel.words), *kernel.trips))
        at += len(kernel.words)
        if len(kernels) > 1 and rng.random() < 0.25:
            _between(draft)


def _between(draft):
    """Something that is not requantised."""
    kind = draft.rng.choice((alu, alu, gemm, load, "nop"))
    if kind == "nop":
        draft.sequencer.nop(Unit.COMPUTE)
    elif kind is load:
        load(draft, draft.rng.choice(("ACC", "ACC_8BIT")))
    else:
        kind(draft)


def _tiles(draft, memory, count):
    """The first of `count` tiles of a memory, mostly in the working set."""
    rng, depth = draft.rng, draft.config.depth[memory]
    start, size = draft.working_sets[memory]
    if count <= size and rng.random() < 0.8:
        return start + rng.randrange(size - count + 1)
    return rng.randrange(depth - count + 1)


def _parameters(draft):
    """PAR of a set from DRAM, whose tiles are loaded at once; now and then of what the accumulators hold."""
    rng = draft.rng
    at = _tiles(draft, "ACC", TILES) % src_limit(draft.config)
    if rng.random() < 0.85:
        tile = draft.config.tile_bytes["ACC"]
        fields = {"opcode": int(Opcode.LOAD), "mem_type": int(MemType.ACC), "sram_base": at, "y_size": 1,
                  "x_size": TILES, "dram_base": DATA // tile + TILES * rng.randrange(SETS)}
        depth = draft.config.depth["OUT"]
        draft.sequencer.add(Unit.COMPUTE, fields, [("OUT", depth, slice(at, at + TILES), True)])
    words = [micro_op(draft) for _ in range(rng.choice((0, 0, 0, 1, 2)))] + [micro_op(draft, src=at)]
    trips = rng.choice(((1, 1), (1, 1), (1, 1), (2, 3)))
    return Kernel(words, trips, lambda nest: par(draft, nest=nest, wanted={"src": (0, 0)}))


def _products(draft):
    """A GEMM that adds up the products of its micro-ops, in one tile or several for each iteration."""
    rng, terms = draft.rng, draft.rng.choice((1, 2, 2, 3, 4, 9))
    inner = rng.choice((1, 2, 3, 5, 8))
    outer = rng.choice((1, 1, 2, 3))
    tiles = min(rng.choice((1, 1, 1, 2, 3)), terms)
    at = _tiles(draft, "ACC", tiles)
    words = [micro_op(draft, dst=at + rng.randrange(tiles)) for _ in range(terms)]
    pair = rng.choice(((inner, 1), (inner, 1), (0, 1), (1, 0), (0, 0)))
    return Kernel(words, (outer, inner),
                  lambda nest: gemm(draft, nest=nest, wanted={"dst": pair}, requantise=rng.random() < 0.85))


def _pass(draft):
    """REQ in place, over tiles side by side: many or few."""
    depth = draft.config.depth["ACC"]
    count = min(depth, draft.rng.choice((1, 2, 3, 5, 8, 13, 32, 70, depth)))
    at = _tiles(draft, "ACC", count)
    outer = draft.rng.choice((1, 1, 1, 2))
    return Kernel([micro_op(draft, dst=at, src=at % src_limit(draft.config))], (outer, count // outer or 1),
                  lambda nest: req(draft, nest=nest, wanted={"dst": (count // outer, 1), "src": (count // outer, 1)}))


def _repeated(draft):
    """REQ of a few tiles again and again."""
    rng = draft.rng
    at = [_tiles(draft, "ACC", 1) for _ in range(rng.choice((1, 2, 3)))]
    words = [micro_op(draft, dst=rng.choice(at)) for _ in range(rng.choice((1, 2, 4, 7)))]
    pair = rng.choice(((0, 0), (0, 0), (1, 0), (0, 1), (0, 2)))
    trips = rng.randint(1, 4), rng.randint(1, 4)
    return Kernel(words, trips, lambda nest: req(draft, nest=nest, wanted={"dst": pair}))


def _window(draft):
    """Rows of WINDOW: the first steps of a row go to a scrap tile, the others to tiles side by side."""
    rng, depth = draft.rng, draft.config.depth
    scrap = rng.choice((0, draft.config.window_taps - 1, draft.config.window_taps - 1, rng.randrange(4)))
    length = rng.choice((1, 1, 2, 3, 5, 8))
    rows = rng.choice((1, 1, 2, 3, 6))
    at, source = _tiles(draft, "ACC", length + 1), _tiles(draft, "INP", min(scrap + length, depth["INP"]))
    weight, low = _tiles(draft, "WGT", 1), src_limit(draft.config)
    words = [micro_op(draft, dst=at + max(1 + n - scrap, 0), src=(source + n) % low, wgt=weight)
             for n in range(scrap + length)]
    wanted = {"dst": rng.choice(((0, 0), (length, 0), (0, length))), "wgt": rng.choice(((0, 0), (0, 1), (1, 0))),
              "src": rng.choice(((scrap + length, 0), (0, 1), (0, scrap + length), (0, 0)))}
    trips = (rows, rng.choice((1, 1, 2, 3)))
    return Kernel(words, trips, lambda nest: gemm(draft, nest=nest, wanted=wanted, opcode=Opcode.WINDOW))


def _anything(draft):
    """Any requantising instruction over any micro-ops."""
    rng = draft.rng
    words = [micro_op(draft) for _ in range(rng.randint(1, 5))]
    trips = rng.choice((1, 1, 2, 5)), rng.choice((1, 2, 3, 7))
    append = rng.choice((par, req, req, gemm))
    return Kernel(words, trips, lambda nest: append(draft, nest=nest))
