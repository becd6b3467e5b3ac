"""hw/rtl/index.py: steps in program order, while LOAD UOPs overwrite micro-ops."""

import dataclasses

import decoded
import pytest
from op_model import bank
from stream_bench import Bench, at_full_rate, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.hw.isa import LANE_OPS, AluOp, Opcode, encode, layouts
from vta.hw.rtl.index import SEQ_BITS, IndexGenerator

TINY = PRESETS["tiny"]
FULL = dataclasses.replace(TINY, features=frozenset(FEATURES))
MODULO = 1 << SEQ_BITS
INPUTS = {"fewer inputs": 8, "as many": 9, "more inputs": 10}      # than accumulators: log_inp_buff_size


class Program:
    """LOAD UOPs and nests in program order, and the steps that they must yield."""

    def __init__(self, random, config):
        self.random, self.config, self.formats = random, config, layouts(config)
        self.uops = [dict.fromkeys(("dst", "src", "wgt"), 0)] * config.depth["UOP"]
        self.loads, self.nests, self.steps = [], [], []
        self.before = {"dst": 0, "src": 0}

    def load(self, base, count):
        """LOAD `count` random micro-ops to `base`."""
        fields = self.formats.uop.ranges
        words = []
        for n in range(count):
            few = self.random.random() < 0.5
            uop = {name: self.random.randrange(4 if few else 1 << width)
                   for name, (_, width, _, _) in fields.items()}
            self.uops[base + n] = uop
            words.append(encode(self.formats.uop, uop))
        self.loads.append({"base": base, "words": words, "nests": len(self.nests)})

    def nest(self, opcode, bgn, count, iter_out=1, iter_in=1, **fields):
        fields |= {"opcode": opcode, "uop_bgn": bgn, "uop_end": bgn + count, "iter_out": iter_out, "iter_in": iter_in}
        self.nests.append(decoded.queued_nest(self.config, fields, opcode, len(self.loads) % MODULO))
        for o in range(iter_out):
            for i in range(iter_in):
                for u in range(bgn, bgn + count):
                    last = (o, i, u) == (iter_out - 1, iter_in - 1, bgn + count - 1)
                    self.steps.append(self._step(fields, o, i, u) | {"last": last})

    def _step(self, fields, o, i, u):
        depth, alu = self.config.depth, fields["opcode"] == Opcode.ALU
        uop = self.uops[u % depth["UOP"]]
        at = {name: uop[name] + o * fields.get(f"{name}_factor_out", 0) + i * fields.get(f"{name}_factor_in", 0)
              for name in ("dst", "src", "wgt")}
        limits = {"dst": depth["ACC"], "src": depth["ACC" if alu else "INP"], "wgt": depth["WGT"]}
        par, req = alu and fields["alu_opcode"] == AluOp.PAR, alu and fields["alu_opcode"] == AluOp.REQ
        reset = fields["opcode"] == Opcode.GEMM and fields.get("reset", 0) and not fields.get("requantise", 0)
        used = [] if par else ["dst"]
        if alu:
            used += ["src"] if par or not (req or fields["use_imm"]) else []
        elif not reset:
            used += ["src", "wgt"]
        beyond = u >= depth["UOP"] or any(at[name] >= limits[name] for name in used)
        step = {name: at[name] % limits[name] for name in used} | {"beyond": beyond}
        first = (o, i, u) == (0, 0, fields["uop_bgn"])
        if self.config.features:
            step |= {"first": first, "initial": u == fields["uop_bgn"], "final": u == fields["uop_end"] - 1}
        return step | self._facts(fields, at["dst"] % depth["ACC"], at["src"] % depth["ACC"], first)

    def _facts(self, fields, dst, src, first):
        """What a step says about its tiles and those of the step before, `step_layout` in words."""
        alu, before = fields["opcode"] == Opcode.ALU, self.before
        waits = alu and fields["alu_opcode"] in (AluOp.SHR, AluOp.MUL, AluOp.REQ)
        again = not first and before["src"] == src and before["src"] != before["dst"]
        reads = bool(alu and fields["alu_opcode"] in LANE_OPS and not fields["use_imm"] and not again)
        self.before = {"dst": dst, "src": src}
        clash = reads and src != dst and bank(src) == bank(dst)
        return {"reads_src": reads, "clash": clash,
                "single": not clash and not (alu and decoded.takes_several_ops(fields)),
                "after_tile": reads or waits,
                "after_step": (reads and src == before["dst"]) or (waits and dst == before["dst"])}

    def random_nest(self):
        opcode = self.random.choice([Opcode.ALU, *({Opcode.GEMM, Opcode.WINDOW} & {*Opcode.of(self.config)})])
        layout, depth = self.formats.of(opcode), self.config.depth["UOP"]
        fields = {name: self.random.choice([0, 1, self.random.randrange(1 << width)])
                  for name, (_, width, _, _) in layout.ranges.items() if "factor" in name}
        if opcode == Opcode.ALU:
            fields |= {"alu_opcode": self.random.choice(AluOp.of(self.config)), "use_imm": self.random.randint(0, 1),
                       "imm": self.random.randrange(-1 << 15, 1 << 15)}
        else:
            fields |= {name: self.random.randint(0, 1) for name in ("reset", "requantise") if name in layout.ranges}
        bgn = self.random.choice([self.random.randrange(8), depth - 2])
        self.nest(opcode, bgn, self.random.randint(1, 4), self.random.randint(1, 3), self.random.randint(1, 3),
                  **fields)


def run(program, stalls="none", seed=0):
    """Execute; the LOADs are written as early as permitted. Returns (cycles of the nests, steps, waits)."""
    dut, depth = IndexGenerator(program.config), program.config.depth
    b = Bench(dut, stalls, seed)
    pattern, waited, port = b.pattern(), [], dut.write

    async def write(ctx):
        for number, load in enumerate(program.loads):
            ctx.set(port.valid, 1)
            ctx.set(port.nests_before, load["nests"] % MODULO)
            ctx.set(port.bgn, load["base"])
            ctx.set(port.end, load["base"] + len(load["words"]))
            for n, word in enumerate(load["words"]):
                while (held := next(pattern)) or not ctx.get(port.permitted):
                    waited.append(not held)
                    await ctx.tick()
                ctx.set(port.en, 1)
                ctx.set(port.chunk, {"write": 1, "index": load["base"] + n, "data": word, "complete": 1,
                                     "last": n == len(load["words"]) - 1})
                await ctx.tick()
                ctx.set(port.en, 0)
            ctx.set(port.done, 1)
            ctx.set(dut.loads_done, (number + 1) % MODULO)
            await ctx.tick()
            ctx.set(port.done, 0)
    b.process(write)
    taken = b.send(dut.nest, program.nests)
    got = b.receive(dut.step, len(program.steps))
    b.run()
    for step, expected in zip(values(got), program.steps, strict=True):
        if "src" in expected:                                        # as wide as the larger of the two memories
            step["src"] %= depth["ACC" if "wgt" not in expected else "INP"]
        assert {name: step[name] for name in expected} == expected
    return taken, got, waited


@each_stall
@pytest.mark.parametrize("machine", [TINY, FULL], ids=["stock", "features"])
@pytest.mark.parametrize("inputs", INPUTS)
def test_loads_and_nests_in_program_order(inputs, machine, stalls):
    """Nests see the micro-ops of the LOADs before them and never those of later LOADs."""
    config = dataclasses.replace(machine, log_inp_buff_size=INPUTS[inputs])
    b = Bench(IndexGenerator(config), seed=INPUTS[inputs])
    program = Program(b.random, config)
    program.load(0, 8)
    program.load(config.depth["UOP"] - 4, 4)
    for _ in range(60):
        if b.random.random() < 0.4:
            program.load(b.random.randrange(10), b.random.randint(1, 5))
        else:
            program.random_nest()
    run(program, stalls)


def loaded(count=8):
    program = Program(Bench(IndexGenerator(TINY)).random, TINY)
    program.load(0, count)
    return program


def test_rate_and_latency():
    """Seven cycles from the nest to its first step, then (but for one cycle) a step each cycle."""
    program = loaded()
    for n in range(10):
        program.nest(Opcode.GEMM, n % 3, 2 + n % 4, 1, 1 + n % 2)
    program.nests = [nest | {"loads": 0} for nest in program.nests]      # they need not wait: all zeros
    program.loads.clear()
    program.steps = [{"dst": 0, "src": 0, "wgt": 0, "beyond": 0, "last": step["last"]} for step in program.steps]
    taken, got, _ = run(program)
    assert got[0][0] == taken[0] + 7 and at_full_rate([cycle for cycle, _ in got[1:]])


@pytest.mark.parametrize("base, nests, waits", [(3, 1, False), (0, 1, False), (2, 1, True), (1, 1, True),
                                                  (6, 2, True)])
def test_a_load_waits_only_for_what_it_overwrites(base, nests, waits):
    """While one nest reads micro-ops 1 and 2, a LOAD elsewhere is written at once; two nests always delay it."""
    program = loaded()
    for _ in range(nests):
        program.nest(Opcode.GEMM, 1, 2, 10, 10)
    program.load(base, 1)
    _, _, waited = run(program)
    assert (sum(waited) > 20) == waits


def test_a_load_waits_for_a_nest_that_wraps():
    """Micro-ops beyond the memory are those at its start."""
    program, depth = loaded(), TINY.depth["UOP"]
    program.nest(Opcode.GEMM, depth - 1, 2, 10, 10)
    program.load(0, 1)
    _, _, waited = run(program)
    assert sum(waited) > 150


def test_without_a_load_nothing_is_permitted():
    """What the last LOAD UOP was permitted says nothing about the next one."""
    dut = IndexGenerator(TINY)
    b = Bench(dut)
    permitted = b.watch(dut.write.permitted)

    async def come_and_go(ctx):
        for valid in (0, 1, 0):
            ctx.set(dut.write.valid, valid)
            await ctx.tick().repeat(5)
    b.process(come_and_go)
    b.run(after=15)
    assert permitted[:15] == [0] * 6 + [1] * 5 + [0] * 4
