"""From windows to an Operator: buffers, bias, tilings, program. What all operators that multiply have in common."""

import numpy as np

from vta.compiler.layout import pack_bias
from vta.compiler.ops.emitter import Emitter
from vta.compiler.ops.operator import Operator, cycles, in_dram
from vta.compiler.ops.search import choose, floor
from vta.compiler.program import Program
from vta.compiler.stream.pipeline import Pipeline


def window_operator(name, config, windows, post, tiles, inputs, output, reference, *, outputs, constants=None,
                    tiling=None):
    """The Operator that computes `windows` one after another.

    tiles: shapes in tiles of "data", "weight" and "out". inputs, output, reference: as in Operator, without
    the bias, which follows from `post` and the number of `outputs` channels; the reference takes it as an
    array of shape (outputs,) after the others. constants: packed arrays by buffer name. tiling: for a single
    window.
    """
    in_dram(name, config, {buffer: (kind, tiles[buffer])
                           for buffer, kind in (("data", "INP"), ("weight", "WGT"), ("out", "OUT"))})
    inputs, constants = dict(inputs), dict(constants or {})
    blocks, lanes = tiles["out"][1], (config.batch, config.block)

    def pack(array):
        packed = pack_bias(np.pad(array, (0, blocks * config.block - len(array))), config)
        return packed + np.int32(post.half)          # wraps, as the sums do, and only at 32 bits

    if post.bias:
        inputs["bias"] = ((outputs,), pack)
    elif post.adds:
        constants["bias"] = pack(np.zeros(outputs, np.int32))

    def emit(parts):
        p = Pipeline(config)

        def declare(buffer, shape, dtype, layout):
            return p.buffer(buffer, shape, dtype, "const" if buffer in constants else "input", layout)

        square = (config.block, config.block)
        buffers = (declare("data", (*tiles["data"], *lanes), "int8", "NCHWnc"),
                   declare("weight", (*tiles["weight"], *square), "int8", "OIHWoi"),
                   declare("bias", (1, blocks, 1, 1, *lanes), "int32", "NCHWnc") if post.adds else None,
                   p.buffer("out", (*tiles["out"], *lanes), "int8", "output", "NCHWnc"))
        for window, chosen in parts:
            Emitter(p, window, chosen, post, buffers).run()
        return p.code(partial=len(parts) < len(windows))

    parts = [(window, choose(window, post, config, lambda t, w=window: emit([(w, t)]), tiling))
             for window in windows]
    code = emit(parts)
    about = {"windows": [window for window, _ in parts], "tilings": [chosen for _, chosen in parts], "post": post,
             "predicted": cycles(code),
             "floor": sum(floor(window, post) for window in windows)}
    return Operator(name, Program.from_code(code, name, constants), inputs, output, reference, about)
