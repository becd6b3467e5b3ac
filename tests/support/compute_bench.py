"""A bench for the compute unit: programs of any instructions, checked against the simulator of slow_reference.py."""

import dataclasses
from collections import Counter, deque

from load_model import load, load_fields
from memory_bench import ReadMemory
from slow_reference import Reference
from stream_bench import Bench, unpack

from vta.hw.config import PRESETS
from vta.hw.counters import STATES
from vta.hw.features import Feature
from vta.hw.isa import LANE_OPS, AluOp, Opcode, Unit, encode, layouts
from vta.hw.rtl.compute import Compute
from vta.hw.rtl.interfaces import ERROR

TINY = dataclasses.replace(PRESETS["tiny"], log_inp_buff_size=7, log_wgt_buff_size=9, log_acc_buff_size=9)
DRAM = 1 << 12
FLAGS = ("pop_prev", "pop_next", "push_prev", "push_next")
NAMES = [counter.name.removeprefix("compute_") for counter in STATES[Unit.COMPUTE]]

CLEAR = {"opcode": Opcode.LOAD} | load("UOP", 1, y=0, pads=(1, 0, 0, 0))         # micro-op 0 becomes 0


class ComputeRun:
    """A compute unit with random INP and WGT tiles and DRAM, and the reference."""

    def __init__(self, config=TINY, stalls="none", seed=0, latency=6):
        self.config, self.dut = config, Compute(config)
        self.b = b = Bench(self.dut, stalls, seed)
        self.formats, self.random = layouts(config), b.random
        self.reference = Reference(config, bytearray(b.random.randbytes(DRAM)))
        self.fields, self.queue = [], deque()
        for name in ("uop", "acc"):
            ReadMemory(b, config, getattr(self.dut, f"{name}_read"), bytes(self.reference.dram), latency)
        for memory in (self.reference.inp, self.reference.wgt):
            for n in range(len(memory)):
                memory[n] = [b.random.randrange(-128, 128) for _ in memory[n]]
        self.room = [b.pattern(), b.pattern()]
        self.counts = dict.fromkeys((*FLAGS, "finish"), 0)
        self.errors, self.states, self.events, self.shown = [], [], Counter(), []

    def emit(self, opcode, **fields):
        self.fields.append({"opcode": opcode} | fields)

    def random_flags(self):
        return {flag: self.random.random() < 0.2 for flag in FLAGS}

    def random_instruction(self):
        random, depth = self.random, self.config.depth
        kinds = ["uop", "acc", "acc8", "gemm", "gemm", "alu", "alu", "alu", "nop", "odd"]
        kinds += ["gemm", "gemm", "par", "req"] * self.config.has(Feature.REQUANTISE)
        kind = random.choice(kinds + ["window", "window"] * self.config.has(Feature.WINDOW))
        flags = self.random_flags()
        if kind in ("uop", "acc", "acc8"):
            name = {"uop": "UOP", "acc": "ACC", "acc8": "ACC_8BIT"}[kind]
            self.fields.append(load_fields(random, self.config, name, DRAM, pads=kind != "uop") | flags)
            if kind == "uop":
                self.fields[-1] |= {"sram_base": random.randrange(8), "y_size": random.choice([1, 1, 2])}
        elif kind == "nop":
            self.emit(Opcode.LOAD, **flags)
        elif kind == "odd":
            self.emit(**random.choice([{"opcode": 6}, {"opcode": 7},
                                       {"opcode": Opcode.LOAD, "mem_type": 4, "x_size": 1},
                                       {"opcode": Opcode.ALU, "alu_opcode": 7, "uop_end": 1, "iter_out": 1,
                                        "iter_in": 1}]), **flags)
        else:
            opcode = {"gemm": Opcode.GEMM, "window": Opcode.WINDOW}.get(kind, Opcode.ALU)
            bgn = random.choice([random.randrange(8), depth["UOP"] - 1])
            fields = {"uop_bgn": bgn, "uop_end": bgn + random.choice([0, 1, 1, 2, 3]),
                      "iter_out": random.randint(0 if random.random() < 0.1 else 1, 3), "iter_in": random.randint(1, 3)}
            for name, (_, width, _, _) in self.formats.of(opcode).ranges.items():
                if "factor" in name:
                    fields[name] = random.choice([0, 0, 1, random.randrange(1 << width)])
            if opcode == Opcode.ALU:
                operation = AluOp[kind.upper()] if kind in ("par", "req") else random.choice(LANE_OPS)
                imm = random.randrange(-(1 << 15), 1 << 15) if kind == "par" else random.randrange(-40, 40)
                fields |= {"alu_opcode": operation, "use_imm": random.randint(0, 1), "imm": imm}
            else:
                fields["reset"] = random.random() < 0.2
            if opcode != Opcode.ALU and "requantise" in self.formats.gemm.ranges:
                fields |= {"reset": random.random() < 0.4, "requantise": random.random() < 0.6}
            self.emit(opcode, **fields, **flags)

    def _send(self, fields):
        """Into the queue, and through the reference."""
        opcode = fields["opcode"]
        word = encode(self.formats.of(opcode), {name: value for name, value in fields.items()
                                                if name in self.formats.of(opcode).ranges})
        self.queue.append((0, word))
        known = opcode == Opcode.LOAD and fields.get("mem_type", 0) != 4 and fields.get("x_size", 0)
        if known:
            self.reference.load({f"{axis}_pad_{side}": 0 for axis in "xy" for side in (0, 1)} | fields)
        elif (opcode in (Opcode.GEMM, Opcode.WINDOW, Opcode.ALU)
              and fields.get("alu_opcode", 0) in AluOp.of(self.config)):
            self.reference.nest({"reset": 0, "use_imm": 0} | fields)

    async def _fill(self, ctx):
        """INP and WGT, through the port of the load unit."""
        write = self.dut.write
        for mem, tiles in enumerate((self.reference.inp, self.reference.wgt)):
            for index, tile in enumerate(tiles):
                data = bytes(value & 255 for value in tile)
                step = min(len(data), self.config.bus_bytes)
                for part, at in enumerate(range(0, len(data), step)):
                    ctx.set(write.en, 1)
                    ctx.set(write.chunk, {"select": mem, "write": 1, "index": index, "slice": part,
                                          "complete": at + step == len(data),
                                          "data": int.from_bytes(data[at:at + step], "little")})
                    await ctx.tick()
        ctx.set(write.en, 0)

    async def _show(self, ctx):
        """The output buffer and the reference's, when nothing is in flight."""
        out, now = self.dut.out, []
        for index in range(self.config.depth["OUT"]):
            ctx.set(out.en, 1)
            ctx.set(out.index, index)
            await ctx.tick()
            now.append(list(ctx.get(out.data).to_bytes(self.config.lanes, "little")))
        self.shown.append((now, [[value & 255 for value in tile] for tile in self.reference.out]))

    async def _main(self, ctx):
        """Fill; run the program; then shift all accumulators down, three times, to see all their bits."""
        await self._fill(ctx)
        depth = self.config.depth
        shift = {"opcode": Opcode.ALU, "uop_bgn": 0, "uop_end": 1, "iter_out": 1, "iter_in": depth["ACC"],
                 "dst_factor_in": 1, "alu_opcode": AluOp.SHR, "use_imm": 1, "imm": 8}
        for part in ([*self.fields], *[[CLEAR, shift]] * 3):
            for fields in part:
                self._send(fields)
            quiet = 0
            while quiet < 20:
                await ctx.tick()
                quiet = quiet + 1 if ctx.get(self.dut.status.settled) and not self.queue else 0
            await self._show(ctx)

    async def _environment(self, ctx):
        """Tokens are there; room for tokens comes and goes; everything is counted."""
        dut = self.dut
        ctx.set(dut.l2g.can_pop, 1)
        ctx.set(dut.s2g.can_pop, 1)
        ctx.set(dut.running, 1)
        while True:
            room = [not next(side) for side in self.room]
            ctx.set(dut.g2l.can_push, room[0])
            ctx.set(dut.g2s.can_push, room[1])
            *_, pop_prev, pop_next, push_prev, push_next, finish, reserve_prev, reserve_next, error, states, events = (
                await ctx.tick().sample(
                    dut.l2g.pop, dut.s2g.pop, dut.g2l.push, dut.g2s.push, dut.finish, dut.g2l.reserve,
                    dut.g2s.reserve, dut.status.error.as_value(), dut.status.states.as_value(),
                    dut.status.events.as_value()))
            assert room[0] or not reserve_prev
            assert room[1] or not reserve_next
            for name, value in zip((*FLAGS, "finish"), (pop_prev, pop_next, push_prev, push_next, finish), strict=True):
                self.counts[name] += value
            assert states.bit_count() == 1, "exactly one state in each cycle"
            self.states.append(NAMES[states.bit_length() - 1])
            self.events.update(unpack(dut.status.events.shape(), events))
            error = unpack(ERROR, error)
            if error["valid"]:
                self.errors.append((error["cause"], error["number"]))

    def run(self):
        self.b.feed(self.dut.insn, self.queue)
        self.b.process(self._environment)
        self.b.process(self._main)
        self.b.run(until=lambda: len(self.shown) == 4)
        for now, expected in self.shown:
            assert now == expected
        for name in FLAGS:
            assert self.counts[name] == sum(fields.get(name, 0) for fields in self.fields)
        return self
