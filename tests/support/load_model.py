"""Golden model of LOADs: the tiles they write; checks chunks against them."""

from vta.hw.isa import MEMORY, MEMORY_PAD, MemType, Opcode, encode, field_range, pad_fields, pad_value


def load_fields(random, config, name, dram_bytes, x=6, y=4, pads=True, beyond=False):
    """A random LOAD of memory type `name` from a DRAM of that many bytes."""
    mem, tile = MemType[name], config.tile_bytes[name]
    fields = {"opcode": Opcode.LOAD, "mem_type": mem, "x_size": random.randint(1, x),
              "y_size": random.randint(1, y), "push_next": random.randint(0, 1)}
    fields["x_stride"] = random.choice([fields["x_size"], random.randint(0, 2 * x)])
    if pads:
        fields |= {f"{axis}_pad_{side}": random.choice([0, 0, random.randint(0, 3)])
                   for axis in "xy" for side in (0, 1)}
    rows = sum(fields.get(f"y_pad_{n}", 0) for n in (0, 1)) + fields["y_size"]
    columns = sum(fields.get(f"x_pad_{n}", 0) for n in (0, 1)) + fields["x_size"]
    depth = config.depth[name]
    if rows * columns > depth and not beyond:          # it would overwrite itself, in no certain order
        return load_fields(random, config, name, dram_bytes, x, y, pads)
    bases = field_range(layout(fields)["sram_base"])[1] + 1
    fields["sram_base"] = random.randrange(bases if beyond else max(depth - rows * columns, 1))
    if mem is MemType.INP_PAD:
        fields |= pad_fields(random.randint(-128, 127))
    span = (fields["y_size"] - 1) * fields["x_stride"] + fields["x_size"]
    fields["dram_base"] = random.randrange(dram_bytes // tile - span)
    return fields


def load(mem, x, y=1, stride=None, sram=0, dram=0, push=0, pads=(0, 0, 0, 0)):
    """The fields of a LOAD; pads: y0, y1, x0, x1."""
    names = ("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")
    return {"mem_type": MemType[mem], "x_size": x, "y_size": y, "x_stride": x if stride is None else stride,
            "sram_base": sram, "dram_base": dram, "push_next": push} | dict(zip(names, pads, strict=True))


def layout(fields):
    return MEMORY_PAD if fields["mem_type"] == MemType.INP_PAD else MEMORY


def word(fields):
    return encode(layout(fields), fields)


def padding(config, fields):
    """A tile of padding."""
    byte = pad_value(fields) if fields["mem_type"] == MemType.INP_PAD else 0
    name = MemType(fields["mem_type"]).name
    return bytes([byte & 255]) * config.tile_bytes["WGT" if name == "WGT_DIAG" else name]


def diagonal(config, values):
    """The WGT tile with these bytes on its diagonal."""
    return bytes(values[j] if j == k else 0 for j in range(config.block) for k in range(config.block))


def tiles_of(config, fields, dram, pointer=0):
    """[(index, tile bytes)] that a LOAD writes, padding included, in row-major order (ISA, 2-D transfer)."""
    name = MemType(fields["mem_type"]).name
    tile, depth, at = config.tile_bytes[name], config.depth[name], fields["sram_base"]
    tiles = []
    if not fields["x_size"]:
        return tiles
    for row in range(-fields.get("y_pad_0", 0), fields["y_size"] + fields.get("y_pad_1", 0)):
        for column in range(-fields.get("x_pad_0", 0), fields["x_size"] + fields.get("x_pad_1", 0)):
            value = padding(config, fields)
            if 0 <= row < fields["y_size"] and 0 <= column < fields["x_size"]:
                start = pointer + tile * (fields["dram_base"] + row * fields["x_stride"] + column)
                value = dram[start:start + tile]
                if name == "WGT_DIAG":
                    value = diagonal(config, value)
            tiles.append((at % depth, value))
            at += 1
    return tiles


def beyond(config, fields):
    """Whether a LOAD writes an index that is not below its memory's depth."""
    if not fields["x_size"]:
        return False
    rows = fields.get("y_pad_0", 0) + fields["y_size"] + fields.get("y_pad_1", 0)
    columns = fields.get("x_pad_0", 0) + fields["x_size"] + fields.get("x_pad_1", 0)
    return rows > 0 and fields["sram_base"] + rows * columns > config.depth[MemType(fields["mem_type"]).name]


def split_loads(chunks):
    """Chunks up to and including each `last`."""
    loads, now = [], []
    for chunk in chunks:
        now.append(chunk)
        if chunk["last"]:
            loads.append(now)
            now = []
    assert not now, "chunks after the last LOAD's end"
    return loads


def tiles_from(config, names, chunks, assembled):
    """{(name, index): bytes} that the chunks of one LOAD write, checking their order on the way.

    The slices of a tile come in order, without slices of others in between; `complete` marks the last one.
    """
    written, expected_slice, partial = {}, 0, b""
    for chunk in chunks:
        name = names[chunk["select"]]
        tile = config.tile_bytes["WGT_DIAG" if chunk.get("diagonal") else name]
        size = min(tile, config.bus_bytes)
        assert not (chunk["write"] and chunk["pad"]) or (name in assembled and not chunk["complete"])
        if chunk["write"]:
            assert chunk["slice"] == expected_slice
            expected_slice = (expected_slice + 1) % (tile // size)
            assert chunk["complete"] == (expected_slice == 0)
            partial += (chunk["data"] & (1 << 8 * size) - 1).to_bytes(size, "little")
            if chunk["complete"]:
                written[name, chunk["index"]] = diagonal(config, partial) if chunk.get("diagonal") else partial
                partial = b""
        if chunk["pad"]:
            written[name, chunk["pad_index"]] = bytes([chunk.get("pad_byte", 0)]) * config.tile_bytes[name]
    assert not partial
    return written
