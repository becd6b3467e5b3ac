"""hw/rtl/compute.py: random programs against the literal simulator of slow_reference.py."""

import dataclasses
from collections import Counter, deque

import pytest
from load_model import load, load_fields
from memory_bench import ReadMemory
from slow_reference import Reference
from stream_bench import Bench, unpack

from vta.hw.config import PRESETS
from vta.hw.counters import STATES
from vta.hw.isa import AluOp, Opcode, Unit, encode, layouts
from vta.hw.registers import ErrorCause
from vta.hw.rtl.compute import Compute
from vta.hw.rtl.interfaces import ERROR

TINY = dataclasses.replace(PRESETS["tiny"], log_inp_buff_size=7, log_wgt_buff_size=9, log_acc_buff_size=9)
DRAM = 1 << 12
FLAGS = ("pop_prev", "pop_next", "push_prev", "push_next")
NAMES = [counter.name.removeprefix("compute_") for counter in STATES[Unit.COMPUTE]]

CLEAR = {"opcode": Opcode.LOAD} | load("UOP", 1, y=0, pads=(1, 0, 0, 0))         # micro-op 0 becomes 0


class Run:
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
        kind = random.choice(["uop", "acc", "acc8", "gemm", "gemm", "alu", "alu", "alu", "nop", "odd"])
        flags = self.random_flags()
        if kind in ("uop", "acc", "acc8"):
            name = {"uop": "UOP", "acc": "ACC", "acc8": "ACC_8BIT"}[kind]
            self.fields.append(load_fields(random, self.config, name, DRAM, pads=kind != "uop") | flags)
            if kind == "uop":
                self.fields[-1] |= {"sram_base": random.randrange(8), "y_size": random.choice([1, 1, 2])}
        elif kind == "nop":
            self.emit(Opcode.LOAD, **flags)
        elif kind == "odd":
            self.emit(**random.choice([{"opcode": 5}, {"opcode": 7},
                                       {"opcode": Opcode.LOAD, "mem_type": 6, "x_size": 1},
                                       {"opcode": Opcode.ALU, "alu_opcode": 6, "uop_end": 1, "iter_out": 1,
                                        "iter_in": 1}]), **flags)
        else:
            opcode = Opcode.GEMM if kind == "gemm" else Opcode.ALU
            bgn = random.choice([random.randrange(8), depth["UOP"] - 1])
            fields = {"uop_bgn": bgn, "uop_end": bgn + random.choice([0, 1, 1, 2, 3]),
                      "iter_out": random.randint(0 if random.random() < 0.1 else 1, 3), "iter_in": random.randint(1, 3)}
            for name, (_, width, _, _) in self.formats.of(opcode).ranges.items():
                if "factor" in name:
                    fields[name] = random.choice([0, 0, 1, random.randrange(1 << width)])
            if opcode == Opcode.ALU:
                fields |= {"alu_opcode": random.choice(LANE_OPS), "use_imm": random.randint(0, 1),
                           "imm": random.randrange(-40, 40)}
            else:
                fields["reset"] = random.random() < 0.2
            self.emit(opcode, **fields, **flags)

    def _send(self, fields):
        """Into the queue, and through the reference."""
        opcode = fields["opcode"]
        word = encode(self.formats.of(opcode), {name: value for name, value in fields.items()
                                                if name in self.formats.of(opcode).ranges})
        self.queue.append((0, word))
        known = opcode == Opcode.LOAD and fields.get("mem_type", 0) != 6 and fields.get("x_size", 0)
        if known:
            self.reference.load({f"{axis}_pad_{side}": 0 for axis in "xy" for side in (0, 1)} | fields)
        elif opcode in (Opcode.GEMM, Opcode.ALU) and fields.get("alu_opcode", 0) <= max(LANE_OPS):
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
        """The output buffer and the reference's accumulators, when nothing is in flight."""
        out, now = self.dut.out, []
        for index in range(self.config.depth["OUT"]):
            ctx.set(out.en, 1)
            ctx.set(out.index, index)
            await ctx.tick()
            now.append(list(ctx.get(out.data).to_bytes(self.config.lanes, "little")))
        self.shown.append((now, [[value & 255 for value in tile] for tile in self.reference.acc]))

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


@pytest.mark.parametrize("changes, stalls", [
    ({}, "none"), ({}, "cyclic"), ({}, "random"), ({"axi_data_width": 256}, "random"),
    ({"log_batch": 1}, "none"), ({"alu_imm_reads_src": True}, "cyclic"), ({"log_inp_buff_size": 8}, "random")],
    ids=str)
def test_random_programs(changes, stalls):
    """All of the unit's instructions mixed; results, tokens, counts of steps and loads, and errors."""
    run = Run(dataclasses.replace(TINY, **changes), stalls, seed=len(changes) + len(stalls))
    for _ in range(60):
        run.random_instruction()
    run.run()
    odd = {n: ErrorCause.MEMORY_TYPE if fields["opcode"] == Opcode.LOAD else ErrorCause.OPCODE
           for n, fields in enumerate(run.fields)
           if fields["opcode"] > max(Opcode.of(TINY)) or fields.get("mem_type") == 6 or fields.get("alu_opcode", 0) > max(LANE_OPS)}
    assert {(cause, number) for cause, number in run.errors if cause in odd.values()} == {
        (cause, number) for number, cause in odd.items()}
    givers = {n for n, fields in enumerate(run.fields) if fields.get("push_prev") or fields.get("push_next")}
    assert {number for cause, number in run.errors if cause == ErrorCause.TOKEN} <= givers
    loads = [fields for fields in run.fields if fields["opcode"] == Opcode.LOAD and fields.get("mem_type") != 6]
    words = sum(f["x_size"] * f["y_size"] for f in loads if f.get("mem_type", 0) == 0 and f.get("x_size"))
    tiles = sum(f["x_size"] * f["y_size"] for f in loads if f.get("mem_type", 0) != 0)
    assert run.events["compute_insns"] == len(run.fields) + 6
    assert (run.events["uop_words"], run.events["acc_tiles"]) == (words, tiles)
    assert (run.events["pushed_g2l"], run.events["pushed_g2s"]) == (run.counts["push_prev"], run.counts["push_next"])
    steps = [0, 0, 3 * run.config.depth["ACC"]]
    for f in run.fields:
        if f["opcode"] in (Opcode.GEMM, Opcode.ALU) and f.get("alu_opcode", 0) <= max(LANE_OPS):
            kind = 2 if f["opcode"] == Opcode.ALU else f["reset"]
            steps[kind] += f["iter_out"] * f["iter_in"] * max(f["uop_end"] - f["uop_bgn"], 0)
    assert [run.events[f"{kind}_steps"] for kind in ("gemm", "reset", "alu")] == steps


def test_a_product_that_waits_for_room():
    """MUL with a token whose queue is full most of the time: the product survives the wait."""
    run = Run(stalls="cyclic", seed=5)
    run.fields.append({"opcode": Opcode.LOAD} | load("ACC", 24, dram=3))
    run.fields.append(CLEAR)
    for n in range(12):
        run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=1 + n % 2, dst_factor_in=n, alu_opcode=AluOp.MUL,
                 use_imm=1, imm=-7 * n - 3, push_next=1, push_prev=n % 2)
    run.run()
    assert ErrorCause.TOKEN in {cause for cause, _ in run.errors}


def test_a_load_without_tiles_leaves_the_kept_src():
    """LOAD ACC of no row, or of padding alone, between two steps that read the same src."""
    run = Run()
    run.fields.append({"opcode": Opcode.LOAD} | load("ACC", 24, dram=3))
    run.fields.append(CLEAR)
    for between in (load("ACC", 1, y=0), load("ACC", 1, sram=20, y=0, pads=(1, 0, 0, 0))):
        for dst in (1, 2):
            run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=1, iter_in=2, dst_factor_in=dst, alu_opcode=AluOp.ADD)
            run.fields.append({"opcode": Opcode.LOAD} | between)
    run.emit(Opcode.ALU, uop_bgn=0, uop_end=1, iter_out=2, iter_in=1, dst_factor_out=4, alu_opcode=AluOp.ADD)
    run.run()


def test_micro_ops_in_one_long_burst():
    """A burst longer than what the micro-op loader's buffer has to hold otherwise."""
    run = Run(dataclasses.replace(TINY, max_burst=128, read_ahead_beats=128))
    run.fields.append({"opcode": Opcode.LOAD} | load("UOP", 128, dram=3))
    run.run()


def test_finish_comes_last():
    """FINISH leaves when everything before it has been written; its other bits are ignored."""
    run = Run()
    for _ in range(10):
        run.random_instruction()
    run.fields.append({"opcode": Opcode.FINISH, "push_next": 1})
    run.run()
    assert run.counts["finish"] == 1


STEP = {"uop_bgn": 0, "uop_end": 1, "iter_out": 1, "iter_in": 1}
LOOPS = {Opcode.GEMM: STEP, Opcode.ALU: STEP | {"alu_opcode": AluOp.ADD}}


@pytest.mark.parametrize("opcode", LOOPS)
def test_not_settled_before_the_token_is_given(opcode):
    run = Run()
    run.fields.append(CLEAR)
    run.emit(opcode, **LOOPS[opcode], pop_prev=1, push_next=1)
    seen = run.b.watch(run.dut.status.settled, run.dut.l2g.pop, run.dut.g2s.push)
    run.run()
    taken, given = (next(cycle for cycle, row in enumerate(seen) if row[n]) for n in (1, 2))
    assert taken < given and not any(row[0] for row in seen[taken:given + 1])


def test_back_to_back():
    """GEMM and immediate ALU instructions follow each other without a gap: a step in each cycle, from the second on."""
    run = Run()
    run.fields.append(CLEAR)
    for n in range(6):
        loop = {"uop_bgn": 0, "uop_end": 1, "iter_out": 3, "iter_in": 5, "dst_factor_in": 1}
        if n % 2:
            run.emit(Opcode.ALU, **loop, alu_opcode=AluOp.ADD, use_imm=1, imm=n)
        else:
            run.emit(Opcode.GEMM, **loop, src_factor_in=1, wgt_factor_out=1)
    run.run()
    steps = [cycle for cycle, state in enumerate(run.states) if state in ("gemm", "alu")][:90]
    assert steps[1:] == list(range(steps[1], steps[1] + 89))
