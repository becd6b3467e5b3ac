"""hw/rtl/scratchpad.py: chunks are read back as whole tiles."""

import dataclasses

import pytest
from stream_bench import Bench

from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.hw.rtl.scratchpad import Scratchpad, assembles

TINY = PRESETS["tiny"]


def chunk(index, number=0, data=0, complete=0, write=1, pad=0, pad_index=0, **more):
    return {"write": write, "index": index, "slice": number, "complete": complete, "data": data, "pad": pad,
            "pad_index": pad_index, **more}


@pytest.mark.parametrize("stalls", ["none", "cyclic", "random"])
@pytest.mark.parametrize("features", [(), FEATURES], ids=["stock", "extended"])
@pytest.mark.parametrize("name, block, width, assemble", [
    ("INP", 2, 64, False), ("UOP", 2, 128, False), ("WGT", 2, 256, False),
    ("WGT", 2, 64, True), ("WGT", 3, 64, True), ("WGT", 3, 128, True), ("WGT", 3, 64, False), ("INP", 4, 64, True),
    ("WGT", 2, 512, False), ("WGT", 4, 64, True), ("WGT", 4, 256, True), ("WGT", 4, 512, True), ("WGT", 5, 64, False)])
def test_writes_padding_and_reads(name, block, width, assemble, features, stalls):
    """Random tiles and padding; in every cycle a random tile is read, as it was before that cycle's write.

    Some of the tiles are diagonals; those that are written slice by slice are read when they are complete."""
    config = dataclasses.replace(TINY, log_block=block, log_wgt_buff_size=2 * block + 4, axi_data_width=width,
                                 features=frozenset(features))
    tile_bits, block = 8 * config.tile_bytes[name], config.block
    slice_bits = min(tile_bits, width)
    slices = tile_bits // slice_bits
    dut = Scratchpad(config, name, assemble=assemble)
    b = Bench(dut, stalls, seed=width)
    depth, random, pattern = 16, b.random, b.pattern()
    model, done = [0] * depth, []

    def padding():
        """The fields of padding and the tile that it becomes: only INP knows another byte than 0."""
        byte = random.randrange(256)
        return ({"pad": 1} | ({"pad_byte": byte} if features else {}),
                int.from_bytes(bytes([byte * (name == "INP" and bool(features))]) * (tile_bits // 8), "little"))

    async def write(ctx):
        """One chunk a cycle; between the slices of an assembled tile, padding elsewhere."""
        held, want, partial = None, None, None

        async def cycle(en, fields):
            nonlocal held, want
            read, index = random.random() < 0.7, random.randrange(depth)
            read &= index != partial
            ctx.set(dut.write.en, en)
            ctx.set(dut.write.chunk, fields)
            ctx.set(dut.read.en, read)
            ctx.set(dut.read.index, index)
            want = model[index] if read else want
            await ctx.tick()
            assert want is None or ctx.get(dut.read.data) == want
        for _ in range(120 if tile_bits < 1024 else 20):
            while next(pattern):
                await cycle(0, chunk(random.randrange(depth), write=1, complete=1, data=random.getrandbits(width)))
            index, value = random.randrange(depth), random.getrandbits(tile_bits)
            diagonal = name == "WGT" and bool(features) and random.random() < 0.5
            if random.random() < 0.3:
                fields, model_tile = padding()
                await cycle(1, chunk(0, write=0, pad_index=index) | fields)
                model[index] = model_tile
                continue
            content, each, count = value, slice_bits, slices
            if diagonal:
                content = random.getrandbits(8 * block)
                value = sum((content >> 8 * j & 255) << 8 * j * (block + 1) for j in range(block))
                each = min(8 * block, width)
                count = 8 * block // each
                partial = None if assemble or slices == 1 else index
            for number in range(count):
                last = number == count - 1
                bits = content >> number * each & (1 << each) - 1
                fields = chunk(index, number, bits | random.getrandbits(width) >> each << each, last)
                fields |= {"diagonal": diagonal} if features else {}
                other = random.choice([n for n in range(depth) if n != index])
                if assemble and not last and random.random() < 0.5:
                    more, pad_tile = padding()
                    fields |= more | {"pad_index": other}
                await cycle(1, fields)
                if fields["pad"]:
                    model[other] = pad_tile
                if not assemble and not diagonal:
                    clear = model[index] & ~(((1 << slice_bits) - 1) << number * slice_bits)
                    model[index] = clear | bits << number * slice_bits
            model[index], partial = value, None
        done.append(True)
    b.process(write)
    b.run(until=lambda: done)


def test_read_data_holds_without_read_en():
    dut = Scratchpad(TINY, "INP", assemble=False)
    b = Bench(dut)
    seen = b.watch(dut.read.data)

    async def use(ctx):
        for index, data in ((3, 0x11223344), (4, 0x55667788)):
            ctx.set(dut.write.en, 1)
            ctx.set(dut.write.chunk, chunk(index, data=data, complete=1))
            await ctx.tick()
        ctx.set(dut.write.en, 0)
        ctx.set(dut.read.en, 1)
        ctx.set(dut.read.index, 3)
        await ctx.tick()
        ctx.set(dut.read.en, 0)
        ctx.set(dut.read.index, 4)
    b.process(use)
    b.run()
    assert set(seen[3:]) == {0x11223344}


@pytest.mark.parametrize("width, inp", [(64, True), (128, False), (512, False)])
def test_which_memories_assemble(width, inp):
    """The default's tiles of 16 bytes have two slices or one."""
    assert assembles(dataclasses.replace(PRESETS["default"], axi_data_width=width), "INP") == inp
