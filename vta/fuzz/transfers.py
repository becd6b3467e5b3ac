"""Random LOADs and STOREs: their shapes and addresses, and what they access."""

import numpy as np

from vta.fuzz.case import DATA, DATA_BYTES, OUT, OUT_BYTES
from vta.hw.config import PAD_BASE_BITS, SRAM_BASE_BITS
from vta.hw.features import Feature
from vta.hw.isa import LOAD_UNIT, MAX_PAD, MemType, Opcode, Unit, pad_fields

GRAIN = 16              # bytes of DRAM: the resolution at which STOREs and LOADs are compared
MEMORY = {mem.name: mem.memory for mem in MemType} | {"OUT": "ACC"}      # whose working set they use
VARIANTS = {"INP": (MemType.INP_PAD, Feature.PAD_VALUE), "WGT": (MemType.WGT_DIAG, Feature.DIAGONAL)}


def load(draft, name=None, *, beyond=False):
    """Append a LOAD to memory `name`, or to a random one but UOP; `beyond`: past the end of its memory."""
    rng = draft.rng
    name = name or rng.choice(("INP", "WGT", "ACC", "ACC", "ACC_8BIT"))
    variant, feature = VARIANTS.get(name, (None, None))
    if variant and draft.config.has(feature) and rng.random() < 0.5:
        name = variant.name
    fields = _shape(draft, name)
    shared = rng.random() < 0.15
    start, room = (OUT, OUT_BYTES) if shared else (DATA, DATA_BYTES)
    grains = _set_dram_base(draft, name, fields, start, room)
    height = fields["y_size"] + fields.get("y_pad_0", 0) + fields.get("y_pad_1", 0)
    count = height * (fields["x_size"] + fields.get("x_pad_0", 0) + fields.get("x_pad_1", 0))
    accesses = [_set_sram_base(draft, name, fields, count, beyond=beyond, writes=True)]
    if shared:
        accesses.append(("DRAM", OUT_BYTES // GRAIN + 1, grains, False))
    draft.record("LOAD of what STORE may have written", shared)
    if name == "INP_PAD":
        fields |= pad_fields(rng.choice((0, -1, -128, 127, rng.randint(-128, 127))))
    fields |= {"opcode": int(Opcode.LOAD), "mem_type": int(MemType[name])}
    draft.sequencer.add(LOAD_UNIT[MemType[name]], fields, accesses)


def store(draft, *, beyond=False, **more):
    """Append a STORE; `beyond`: from past the end of its memory; `more`: further fields."""
    fields = _shape(draft, "OUT", pads=False)
    if draft.rng.random() < 0.25:                # contiguous rows: bytes of one beat, rows that join
        fields["x_stride"] = fields["x_size"]
    grains = _set_dram_base(draft, "OUT", fields, OUT, OUT_BYTES)
    accesses = [_set_sram_base(draft, "OUT", fields, fields["x_size"] * fields["y_size"], beyond=beyond, writes=False),
                ("DRAM", OUT_BYTES // GRAIN + 1, grains, True)]
    fields |= {"opcode": int(Opcode.STORE), "mem_type": int(MemType.OUT)} | more
    draft.sequencer.add(Unit.STORE, fields, accesses)


def _size(draft, most):
    rng = draft.rng
    return min(most, rng.choice((1, 1, 2, 3, 4, 5, 8, rng.randint(1, 20), rng.randint(1, 70),
                                 rng.randint(1, most) if rng.random() < 0.2 else 7)))


def _shape(draft, name, *, pads=True):
    """Fields of a random 2-D transfer that fits the memory, padding included."""
    rng, config = draft.rng, draft.config
    most = min(config.depth[name], 600 if config.tile_bytes[name] <= 256 else 64)
    if rng.random() < 0.8:
        most = min(most, draft.working_sets[MEMORY[name]][1])
    x = _size(draft, most)
    y = 1 if rng.random() < 0.4 else _size(draft, max(most // x, 1))
    fields = {"x_size": x, "y_size": y}
    width, height = x, y
    if pads and rng.random() < 0.5:
        for field in rng.sample(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"), rng.randint(1, 4)):
            pad = rng.choice((1, 1, 2, 3, 7, MAX_PAD))
            new = (width + pad * (field[0] == "x"), height + pad * (field[0] == "y"))
            if new[0] * new[1] <= config.depth[name]:
                fields[field] = pad
                width, height = new
    if rng.random() < 0.04:
        fields["y_size"] = 0
    fields["x_stride"] = rng.choice((x, x, x, x + 1, x + rng.randrange(1, 20), rng.randrange(x + 1), 0))
    return fields


def _set_dram_base(draft, name, fields, start, room):
    """Choose a `dram_base` in an area of `room` bytes from `start`, shrinking a transfer that does not fit; returns
    the grains, counted from OUT, that it accesses."""
    tile = draft.config.tile_bytes[name]
    reach = (max(fields["y_size"], 1) - 1) * fields["x_stride"] + fields["x_size"]
    if reach * tile > room:
        fields["x_stride"] = fields["x_size"]
        fields["y_size"] = min(fields["y_size"], 1)
        reach = fields["x_size"]
    base = start // tile + draft.rng.randrange(room // tile - reach + 1)
    fields["dram_base"] = base
    first = (base + np.arange(fields["y_size"]) * fields["x_stride"]) * tile - OUT
    last = first + fields["x_size"] * tile - 1
    grains = [np.arange(a // GRAIN, b // GRAIN + 1) for a, b in zip(first, last, strict=True)]
    return np.concatenate([np.zeros(0, np.int64), *grains])


def _set_sram_base(draft, name, fields, count, *, beyond, writes):
    """Choose the `sram_base` of `count` tiles; returns the access to them."""
    depth = draft.config.depth[name]
    base = fields["sram_base"] = _first_tile(draft, name, max(count, 1), beyond)
    draft.faulty += bool(count and base + count > depth)
    memory = MEMORY[name]
    # what STORE reads is OUT; accumulators are compute's alone
    return "OUT" if memory == "ACC" else memory, depth, (base + np.arange(count)) % depth, writes


def _first_tile(draft, name, count, beyond):
    """A first index for `count` tiles of a memory: inside it, or reaching `beyond` its end."""
    rng, depth = draft.rng, draft.config.depth[name]
    limit = 1 << (PAD_BASE_BITS if name == "INP_PAD" else SRAM_BASE_BITS)
    if beyond and depth == limit:                    # no index is out of range
        return 0
    if beyond:
        return rng.choice((depth - rng.randrange(count), rng.randrange(depth, limit)))
    start, size = draft.working_sets[MEMORY[name]]
    if count <= size and rng.random() < 0.9:
        return start + rng.randrange(size - count + 1)
    return rng.randrange(depth - count + 1)
