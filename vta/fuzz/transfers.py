"""Random LOADs and STOREs: shapes, places, and what they touch."""

import numpy as np

from vta.fuzz.case import DATA, DATA_BYTES, OUT, OUT_BYTES
from vta.hw.isa import MemType, Opcode, Unit

GRAIN = 16              # bytes of DRAM that are told apart when STORE and LOAD meet
MEMORY = {"ACC_8BIT": "ACC", "OUT": "ACC"}      # memory types -> the memory whose indices they use
LOADED = {"INP": Unit.LOAD, "WGT": Unit.LOAD, "ACC": Unit.COMPUTE, "ACC_8BIT": Unit.COMPUTE}


class Transfers:
    """Appends transfers to the Sequencer `order`; all randomness is `rng`.

    `windows` says, by memory, where (start, size) programs mostly are, so that they meet. `faulty` counts
    the instructions that are to be reported, `notes` are for the coverage.
    """

    def __init__(self, config, rng):
        self.config, self.rng = config, rng
        self.order, self.windows = None, {}
        self.notes, self.faulty = [], 0

    def note(self, name, there=True):
        """Say that the launch has a feature, if it is `there`."""
        if there:
            self.notes.append(name)

    def window(self, depth):
        """(start, size): where programs mostly are in a memory, so that they meet."""
        rng = self.rng
        size = min(depth, rng.choice((2, 4, 8, 32, depth)))
        return rng.choice((0, depth - size, rng.randrange(depth - size + 1))), size

    def place(self, name, count, *, beyond=False):
        """A first index for `count` tiles of a memory, inside of it, or reaching `beyond` its end."""
        rng, depth = self.rng, self.config.depth[name]
        if beyond:
            return rng.choice((depth - rng.randrange(count), rng.randrange(depth, 1 << 16))) if depth < 1 << 16 else 0
        start, size = self.windows[MEMORY.get(name, name)]
        if count <= size and rng.random() < 0.9:
            return start + rng.randrange(size - count + 1)
        return rng.randrange(depth - count + 1)

    def size(self, most):
        rng = self.rng
        return min(most, rng.choice((1, 1, 2, 3, 4, 5, 8, rng.randint(1, 20), rng.randint(1, 70),
                                     rng.randint(1, most) if rng.random() < 0.2 else 7)))

    def shape(self, name, *, pads=True):
        """Fields of a random 2-D transfer that fits the memory, padding included."""
        rng = self.rng
        most = min(self.config.depth[name], 600 if self.config.tile_bytes[name] <= 256 else 64)
        if rng.random() < 0.8:
            most = min(most, self.windows[MEMORY.get(name, name)][1])
        x = self.size(most)
        y = 1 if rng.random() < 0.4 else self.size(max(most // x, 1))
        fields = {"x_size": x, "y_size": y}
        width, height = x, y
        if pads and rng.random() < 0.5:
            for field in rng.sample(("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"), rng.randint(1, 4)):
                pad = rng.choice((1, 1, 2, 3, 7, 15))
                new = (width + pad * (field[0] == "x"), height + pad * (field[0] == "y"))
                if new[0] * new[1] <= self.config.depth[name]:
                    fields[field] = pad
                    width, height = new
        if rng.random() < 0.04:
            fields["y_size"] = 0
        fields["x_stride"] = rng.choice((x, x, x, x + 1, x + rng.randrange(1, 20), rng.randrange(x + 1), 0))
        return fields

    def dram(self, name, fields, start, room):
        """A `dram_base` for the transfer somewhere in an area, and a touch of the DRAM grains it covers."""
        tile = self.config.tile_bytes[name]
        reach = (max(fields["y_size"], 1) - 1) * fields["x_stride"] + fields["x_size"]
        if reach * tile > room:
            fields["x_stride"] = fields["x_size"]
            fields["y_size"] = min(fields["y_size"], 1)
            reach = fields["x_size"]
        base = start // tile + self.rng.randrange(room // tile - reach + 1)
        fields["dram_base"] = base
        first = (base + np.arange(fields["y_size"]) * fields["x_stride"]) * tile - OUT
        last = first + fields["x_size"] * tile - 1
        grains = [np.arange(a // GRAIN, b // GRAIN + 1) for a, b in zip(first, last, strict=True)]
        return np.concatenate([np.zeros(0, np.int64), *grains])

    def load(self, name=None, *, beyond=False):
        rng = self.rng
        name = name or rng.choice(("INP", "WGT", "ACC", "ACC", "ACC_8BIT"))
        fields = self.shape(name)
        shared = rng.random() < 0.15
        start, room = (OUT, OUT_BYTES) if shared else (DATA, DATA_BYTES)
        grains = self.dram(name, fields, start, room)
        height = fields["y_size"] + fields.get("y_pad_0", 0) + fields.get("y_pad_1", 0)
        count = height * (fields["x_size"] + fields.get("x_pad_0", 0) + fields.get("x_pad_1", 0))
        fields["sram_base"] = self.place(name, max(count, 1), beyond=beyond)
        depth = self.config.depth[name]
        touches = [(MEMORY.get(name, name), depth, (fields["sram_base"] + np.arange(count)) % depth, True)]
        if shared:
            touches.append(("DRAM", OUT_BYTES // GRAIN + 1, grains, False))
        self.faulty += bool(count and fields["sram_base"] + count > depth)
        self.note("LOAD of what STORE may have written", shared)
        self.order.add(LOADED[name], fields | {"opcode": int(Opcode.LOAD), "mem_type": int(MemType[name])}, touches)

    def store(self, *, beyond=False, **more):
        fields = self.shape("OUT", pads=False)
        if self.rng.random() < 0.25:                 # next to each other: bytes of one beat, rows that join
            fields["x_stride"] = fields["x_size"]
        grains = self.dram("OUT", fields, OUT, OUT_BYTES)
        count, depth = fields["x_size"] * fields["y_size"], self.config.depth["OUT"]
        fields["sram_base"] = self.place("OUT", max(count, 1), beyond=beyond)
        touches = [("ACC", depth, (fields["sram_base"] + np.arange(count)) % depth, False),
                   ("DRAM", OUT_BYTES // GRAIN + 1, grains, True)]
        self.faulty += bool(count and fields["sram_base"] + count > depth)
        fields |= {"opcode": int(Opcode.STORE), "mem_type": int(MemType.OUT)} | more
        self.order.add(Unit.STORE, fields, touches)
