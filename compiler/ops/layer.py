"""From windows to an Operator: buffers, bias, tilings, program; common to all operators that multiply."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vta.compiler.layout import pack_activations, pack_bias
from vta.compiler.ops.checks import OperatorError, check_dram
from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import About, Operator, predicted_cycles
from vta.compiler.ops.rescale import WORDS, Rescale
from vta.compiler.ops.rescale_emitter import RescaleEmitter
from vta.compiler.ops.search import choose, floor
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline


@dataclass(frozen=True)
class Form:
    """One way to compute an operator: its `windows`, one after another; tiles: shapes in tiles of "data", "weight" and
    "out"; inputs: as in Operator, without the bias; fold: as in About; weights: their memory type; parts: function from
    the caller's weights to those of each rule of a Rescale, (channels, ...) each."""

    windows: list
    tiles: dict
    inputs: dict
    fold: str = "none"
    weights: str = "WGT"
    parts: Callable[[np.ndarray], list] = lambda weight: [weight]

    def least(self, post, config):
        """The cycles that any tiling takes to compute, or those to load data and weights once, if these are more."""
        beats = sum(math.prod(self.tiles[buffer]) * config.tile_bytes[kind] for buffer, kind in
                    (("data", "INP"), ("weight", self.weights))) / config.bus_bytes
        return max(beats, sum(floor(window, post) for window in self.windows))


def window_operator(name, config, forms, post, output, sums, *, outputs, constants=None, tiling=None):
    """The Operator of the Form that is predicted to be fastest, the first of equals.

    output: as in Operator. The bias follows from `post` and the number of `outputs` channels. sums: the numpy reference
    before `post`, from the inputs to int32. constants: packed arrays by buffer name. tiling: for a single window; forms
    that it does not fit are left out. OperatorError if no form fits.
    """
    best, errors = None, []
    for form in sorted(forms, key=lambda form: form.least(post, config)):
        if best and best.about.predicted <= form.least(post, config):
            break
        try:
            operator = _operator(name, config, form, post, output, sums, outputs, constants, tiling)
        except OperatorError as error:
            errors.append(error)
            continue
        best = min(best or operator, operator, key=lambda each: each.about.predicted)
    if best is None:
        raise errors[0]
    return best


def _operator(name, config, form, post, output, sums, outputs, constants, tiling):
    windows, tiles, inputs = form.windows, form.tiles, form.inputs
    check_dram(name, config, {buffer: (kind, tiles[buffer])
                              for buffer, kind in (("data", "INP"), ("weight", form.weights), ("out", "OUT"))})
    constants, arguments, derived = dict(constants or {}), len(inputs), {}
    blocks, lanes, square = tiles["out"][1], (config.batch, config.block), (config.block, config.block)
    weight, kind = ((config.block,), "OIHWo") if form.weights == "WGT_DIAG" else (square, "OIHWoi")
    requantised = isinstance(post, Rescale)

    def pack(array):
        packed = pack_bias(np.pad(array, (0, blocks * config.block - len(array))), config)
        return packed + np.int32(post.half)          # wraps, as the sums do, and only at 32 bits

    if requantised:
        post.check(config, outputs)
        if post.bias:
            inputs = {**inputs, "bias": ((outputs,), None)}
        if post.residual:
            shape = output(np.zeros((*tiles["out"], *lanes), np.int8)).shape
            missing = blocks * config.block - outputs
            inputs = {**inputs, "residual": (shape, lambda array: pack_activations(
                np.pad(array, ((0, 0), (0, missing), (0, 0), (0, 0))), config, pad=True))}
            constants["factor"] = post.residual * np.eye(config.block, dtype=np.int8)
        if "parameters" not in constants:
            derived["parameters"] = lambda _, weight, *others: post.parameters(
                form.parts(weight), others[0] if post.bias else 0, blocks, config)
    elif post.bias:
        inputs = {**inputs, "bias": ((outputs,), pack)}
    elif post.parameter_tiles:
        constants["bias"] = pack(np.zeros(outputs, np.int32))

    def numbers(declare):
        """The buffer of biases, or of parameters."""
        if requantised:
            shape = (len(post.rules), 1 if post.shared else blocks, WORDS, 1, *lanes)
            return declare("parameters", shape, "int32", "NCHWnc")
        return declare("bias", (1, blocks, 1, 1, *lanes), "int32", "NCHWnc") if post.needs_bias else None

    def emit(tiled):
        p = Pipeline(config)

        def declare(buffer, shape, dtype, layout):
            return p.buffer(buffer, shape, dtype, "const" if buffer in constants else "input", layout)

        buffers = (declare("data", (*tiles["data"], *lanes), "int8", "NCHWnc"),
                   declare("weight", (*tiles["weight"], *weight), "int8", kind),
                   numbers(declare),
                   p.buffer("out", (*tiles["out"], *lanes), "int8", "output", "NCHWnc"))
        residual = (declare("residual", (*tiles["out"], *lanes), "int8", "NCHWnc"),
                    declare("factor", square, "int8", kind)) if "residual" in inputs else None
        blank = functools.cache(lambda: p.buffer("blank", lanes, "int8", "const", "a tile of padding"))
        for rule, (window, chosen) in enumerate(tiled):
            if requantised:
                RescaleEmitter(p, window, chosen, post, buffers, blank, min(rule, len(post.rules) - 1),
                               residual).run()
            else:
                Emitter(p, window, chosen, post, buffers, blank).run()
        return p.code(partial=len(tiled) < len(windows))

    tilings = tuple(choose(window, post, config, lambda t, w=window: emit([(w, t)]), tiling) for window in windows)
    code = emit([*zip(windows, tilings, strict=True)])
    if any(buffer.name == "blank" for buffer in code.buffers):
        constants["blank"] = np.full(lanes, windows[0].pad_value, np.int8)
    about = About(predicted_cycles(code), tilings, tuple(windows), post, sum(floor(window, post) for window in windows),
                  form.fold)

    def reference(data, *arrays):
        if requantised:          # the sums of inputs without their zero point, in which padding counts 0
            data = np.asarray(data, np.int64) - post.zero_point
        found, others = sums(data, *arrays[:arguments - 1]), arrays[arguments - 1:]
        if "residual" in inputs:
            *others, residual = others
            found = found + post.residual * np.asarray(residual, np.int64)
        return post.reference(found, *others)

    return Operator(name, Program.from_code(code, name, constants), inputs, output, reference, about, derived)
