"""Random micro-ops, and GEMM, WINDOW and ALU instructions over them."""

import numpy as np

from vta.fuzz.case import UOPS
from vta.hw.features import Feature
from vta.hw.isa import LANE_OPS, UOP_BITS, UOP_BYTES, AluOp, MemType, Opcode, Unit, encode
from vta.sim.functional.loop_nest import LoopNest

MOST_STEPS = 400        # of an instruction


def load_uops(draft, at=None, count=None, words=None):
    """Append a LOAD of micro-ops, `words` or random ones, to entry `at`, at any alignment; now and then in several
    rows, or padded."""
    rng, depth, micro_ops = draft.rng, draft.config.depth["UOP"], draft.micro_ops
    count = len(words or ()) or count or min(rng.choice((1, 1, 2, 3, 4, 5, 8, 13, 31)), depth)
    if not words:
        words = [micro_op(draft) for _ in range(count)]
        if rng.random() < 0.4:
            words = [rng.choice(words[:2]) for _ in words]          # few different ones: hazards
    fields = {"x_size": count, "y_size": 1, "x_stride": count}
    if at is None and rng.random() < 0.2:
        fields |= {"x_size": 1, "y_size": count, "x_stride": rng.choice((1, 1, 2))} if rng.random() < 0.5 else {}
        fields |= {rng.choice(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")): rng.choice((1, 2))}
    reach = (fields["y_size"] - 1) * fields["x_stride"] + fields["x_size"]
    first = micro_ops.next + rng.randrange(4)
    micro_ops.next = first + reach
    where = first + np.add.outer(np.arange(fields["y_size"]) * fields["x_stride"], np.arange(fields["x_size"]))
    micro_ops.image[where.ravel()] = words
    pads = [fields.get(f"{side}_pad_{end}", 0) for side in "yx" for end in (0, 1)]
    written = np.pad(micro_ops.image[where], (pads[:2], pads[2:])).ravel()
    if len(written) > depth:
        return
    base = rng.choice((0, rng.randrange(depth - len(written) + 1))) if at is None else at
    entries = (base + np.arange(len(written))) % depth
    micro_ops.memory[entries], micro_ops.known[entries] = written, True
    draft.faulty += base + len(written) > depth
    fields |= {"opcode": int(Opcode.LOAD), "mem_type": int(MemType.UOP), "sram_base": base,
               "dram_base": UOPS // UOP_BYTES + first}
    draft.sequencer.add(Unit.COMPUTE, fields)


def gemm(draft, *, beyond=False, nest=None, wanted=(), opcode=Opcode.GEMM, requantise=None):
    """Append a GEMM, or WINDOW, over `nest` (as `_nest` returns it), or a random one.

    `beyond`: with indices out of range; `wanted`: operand -> the factors to try first; `requantise`: by chance if None.
    """
    rng = draft.rng
    nest = nest or _nest(draft)
    reset, fields = int(rng.random() < 0.2), {}
    if draft.config.has(Feature.REQUANTISE):
        fields["requantise"] = int(rng.random() < 0.4 if requantise is None else requantise)
    requantise = fields.get("requantise")
    if requantise or opcode == Opcode.WINDOW:
        reset = rng.randrange(2)
    operands = {"dst": "ACC", "src": "INP", "wgt": "WGT"}
    factors, indices = _factors(draft, operands, nest, beyond, wanted)
    if reset and opcode == Opcode.GEMM and not requantise:
        operands = {"dst": "ACC"}
    out = indices["dst"]
    if requantise and opcode == Opcode.GEMM and len(out):          # the last micro-op of each iteration goes to OUT
        out = out[nest[1] - nest[0] - 1::nest[1] - nest[0]]
    _append(draft, opcode, nest, fields | factors | {"reset": reset}, operands, indices, out)


def par(draft, *, beyond=False, nest=None, wanted=()):
    """Append an ALU PAR, otherwise as `gemm`."""
    rng = draft.rng
    nest = nest or _nest(draft)
    operands = {"src": "ACC"}
    fields, indices = _factors(draft, operands, nest, beyond, wanted)
    some = sorted(rng.randint(-128, 127) for _ in range(2))
    low, high = rng.choice(((-128, 127), (-128, 127), (0, 127), some, some, 2 * some[:1]))
    draft.record("PAR with negative bounds", high < 0)
    draft.record("PAR with equal bounds", low == high)
    fields |= {"alu_opcode": int(AluOp.PAR), "use_imm": rng.randrange(2), "imm": high << 8 | low & 255,
               "dst_factor_in": rng.randrange(3)}
    _append(draft, Opcode.ALU, nest, fields, operands, indices, ())


def req(draft, *, beyond=False, nest=None, wanted=()):
    """Append an ALU REQ, otherwise as `gemm`."""
    rng = draft.rng
    nest = nest or _nest(draft)
    operands = {"dst": "ACC"} | ({"src": "ACC"} if draft.config.alu_imm_reads_src else {})
    fields, indices = _factors(draft, operands, nest, beyond, wanted)
    imm = rng.choice((0, 1, rng.randint(-32768, 32767)))
    fields |= {"alu_opcode": int(AluOp.REQ), "use_imm": rng.randrange(2), "imm": imm, "reset": int(rng.random() < 0.1)}
    _append(draft, Opcode.ALU, nest, fields, operands, indices, indices["dst"])


def alu(draft, *, beyond=False, nest=None, operation=None):
    """Append an ALU instruction, of an unknown `operation` if one is given; otherwise as `gemm`."""
    rng = draft.rng
    nest = nest or _nest(draft)
    known = operation is None
    operation = int(rng.choice(LANE_OPS) if known else operation)
    use_imm = int(rng.random() < 0.5)
    imm = rng.choice((0, 1, -1, 3, 31, 32, 33, -31, -32, -33, -32768, 32767, rng.randint(-40, 40),
                      rng.randint(-32768, 32767)))
    operands = {"dst": "ACC", "src": "ACC"}
    fields, indices = _factors(draft, operands, nest, beyond)
    fields |= {"alu_opcode": operation, "use_imm": use_imm, "imm": imm, "reset": int(rng.random() < 0.1)}
    if use_imm and not draft.config.alu_imm_reads_src:
        operands = {"dst": "ACC"}
    _append(draft, Opcode.ALU, nest, fields, operands if known else {}, indices, indices["dst"] if known else ())


def src_limit(config):
    """Below it, src may index inputs as well as accumulators."""
    return min(config.depth["INP"], config.depth["ACC"])


def micro_op(draft, **indices):
    """A micro-op of these and random indices, in the working sets; now and then with random bits outside its fields."""
    rng, layout, low = draft.rng, draft.formats.uop, src_limit(draft.config)
    pick = {name: start + rng.randrange(size) for name, (start, size) in draft.working_sets.items()}
    src = rng.choice((pick["INP"], pick["ACC"])) % low
    word = encode(layout, {"dst": pick["ACC"], "src": src, "wgt": pick["WGT"]} | indices)
    if rng.random() < 0.2:
        word |= rng.getrandbits(UOP_BITS) & ~layout.named
    return word


def _nest(draft):
    """A random (uop_bgn, uop_end, iter_out, iter_in) over known micro-ops."""
    rng, known = draft.rng, draft.micro_ops.known
    starts = np.flatnonzero(known)
    if not len(starts):
        load_uops(draft)
        starts = np.flatnonzero(known)
    bgn = int(rng.choice(starts.tolist()))
    run = int(np.argmin(np.append(known[bgn:], False)))
    end = bgn + rng.randint(1, min(run, rng.choice((1, 2, 4, 16, 64))))
    loops = [rng.choice((1, 1, 2, 3, 4, 6, rng.randint(1, 30))) for _ in range(2)]
    while (end - bgn) * loops[0] * loops[1] > MOST_STEPS:
        loops[loops[0] < loops[1]] //= 2
    if rng.random() < 0.03:
        loops[rng.randrange(2)] = 0
        draft.record("trip count 0")
    if rng.random() < 0.03:
        end = rng.choice((bgn, bgn // 2, 0))
        draft.record("empty micro-op range")
    return bgn, end, *loops


def _factors(draft, operands, nest, beyond, wanted=()):
    """Fields of index factors that keep the indices of `operands` (operand -> memory) in range, unless `beyond`; and
    the indices, (steps,) each. Those in `wanted` (operand -> (outer, inner)) are tried first."""
    rng, config, memory = draft.rng, draft.config, draft.micro_ops.memory
    bgn, end, outer, inner = nest
    words = memory[np.arange(bgn, end) % len(memory)]
    fields, indices = {}, {}
    for name, operand_memory in operands.items():
        depth = config.depth[operand_memory]
        for attempt in range(6):
            pair = (0, 0) if attempt == 5 else tuple(
                rng.choice((0, 0, 1, 1, 2, rng.randrange(1, 9), inner)) for _ in range(2))
            if beyond:
                pair = tuple(rng.randrange(depth) for _ in range(2))
            elif attempt == 0 and name in wanted:
                pair = wanted[name]
            if max(pair) >= depth:
                continue
            loop = LoopNest(*nest, pair, pair, pair)
            found = loop.indices(name, words, config, (0, outer * inner)) if loop.steps else np.zeros(0, np.int64)
            if beyond or found.max(initial=0) < depth:
                break
        indices[name] = found
        fields |= {f"{name}_factor_out": pair[0], f"{name}_factor_in": pair[1]}
    return fields, indices


def _append(draft, opcode, nest, fields, operands, indices, out):
    """Append a GEMM, WINDOW or ALU with the `indices` of its `operands`, none for one that does nothing; `out`: the
    tiles of OUT that it writes."""
    depth = draft.config.depth
    accesses = [(memory, depth[memory], indices[name] % depth[memory], False)
                for name, memory in operands.items() if memory != "ACC"]        # accumulators are compute's alone
    accesses.append(("OUT", depth["OUT"], np.asarray(out, np.int64) % depth["OUT"], True))
    if operands and len(indices[min(operands)]):
        beyond = any((indices[name] >= depth[memory]).any() for name, memory in operands.items())
        draft.faulty += bool(beyond or nest[1] > depth["UOP"])
        if "dst" in operands:
            src = indices["src"] if opcode == Opcode.ALU and "src" in operands else None
            _record_hazards(draft, indices["dst"], src)
    fields |= dict(zip(("uop_bgn", "uop_end", "iter_out", "iter_in"), nest, strict=True))
    draft.sequencer.add(Unit.COMPUTE, fields | {"opcode": int(opcode)}, accesses)


def _record_hazards(draft, dst, src):
    """Record the distances between steps that write a tile and steps that use it."""
    for distance in range(1, 7):
        if len(dst) > distance:
            draft.record(f"dst again after {distance}", (dst[distance:] == dst[:-distance]).any())
            if src is not None:
                draft.record(f"src is dst of {distance} before", (src[distance:] == dst[:-distance]).any())
