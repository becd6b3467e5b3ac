"""hw/rtl/dispatch.py: every instruction has its ticket and its unit, in order; LOAD UOPs wait to be written."""

import dataclasses
import itertools
from collections import deque
from random import Random

import pytest
from load_model import load
from stream_bench import Bench, at_full_rate, each_stall, until, values

from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.hw.isa import LANE_OPS, MEMORY, Opcode, encode, layouts
from vta.hw.rtl.compute_decoder import Kind
from vta.hw.rtl.dispatch import Dispatch
from vta.hw.rtl.index import SEQ_BITS
from vta.hw.rtl.merge import TICKETS_AHEAD

TINY = PRESETS["tiny"]
FULL = dataclasses.replace(TINY, features=frozenset(FEATURES))
MODULO = 1 << SEQ_BITS
STEPS = {"uop_bgn": 1, "uop_end": 3, "iter_out": 2, "iter_in": 1}
LOOPS = [STEPS, STEPS, STEPS | {"iter_out": 0}, STEPS | {"iter_in": 0}, STEPS | {"uop_end": 1}]
EVERYWHERE = (0, (1 << 17) - 1)


class Instruction:
    """One word and its expected effect: `kind` of its ticket, the port that gets it, the error it causes."""

    def __init__(self, opcode, port=None, kind=Kind.NOTHING, error=None, written=None, requant=None, **fields):
        self.port, self.kind, self.error, self.written, self.requant = port, kind, error, written, requant
        layout = layouts(TINY).of(opcode) if opcode in set(Opcode.of(TINY)) else MEMORY
        self.word = encode(layout, fields | {"opcode": opcode})
        self.tag = {"push_prev": fields.get("push_prev", 0), "push_next": fields.get("push_next", 0),
                    "finish": opcode == Opcode.FINISH}
        self.fields = fields

    @property
    def decoded(self):
        """What the decoder makes of it, as far as it matters here."""
        bgn, end = self.written or EVERYWHERE
        return {"kind": self.kind, "finish": self.tag["finish"], "bgn": bgn, "end": end,
                **{name: int(self.error == name) for name in ("bad_opcode", "bad_memory")},
                "transfer": {"sram_base": self.mark}, "nest": {"uop_bgn": self.mark % TINY.depth["UOP"]},
                **({"shared": {"requant": {self.requant: 1}}} if self.requant else {})}

    @property
    def drains(self):
        """Whether it waits for the requantiser: it works on accumulators without it, or store or the host waits."""
        if self.kind == Kind.STEPS:
            return self.requant not in ("requantises", "req")
        return self.kind == Kind.TILES or bool(self.tag["push_next"] or self.tag["finish"])


def load_uop(x, sram=0, flags=None, **shape):
    """`written`: the micro-ops it may overwrite."""
    fields = load("UOP", x, sram=sram, **shape)
    plain = fields["y_size"] == 1 and not any(fields[name] for name in fields if "pad" in name)
    inside = plain and sram + x <= TINY.depth["UOP"]
    return Instruction(Opcode.LOAD, "uop_load", Kind.UOPS, written=(sram, sram + x) if inside else EVERYWHERE,
                       **fields | (flags or {}))


def random_instruction(random, requantises=False):
    flags = {name: random.randint(0, 1) for name in ("push_prev", "push_next")}
    kind = random.choice(["uop", "uop", "acc", "gemm", "alu", "token", "memory", "alu_opcode", "opcode", "finish"])
    if kind == "uop":
        return load_uop(random.randint(1, 4), random.choice([0, 5, TINY.depth["UOP"] - 2]), flags,
                        y=random.choice([1, 1, 0, 2]), pads=random.choice([(0, 0, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0)]))
    if kind == "acc":
        return Instruction(Opcode.LOAD, "acc_load", Kind.TILES, **load(random.choice(["ACC", "ACC_8BIT"]), 2) | flags)
    if kind == "token":
        return Instruction(Opcode.LOAD, **load(random.choice(["UOP", "ACC"]), 0) | flags)
    if kind == "memory":
        return Instruction(Opcode.LOAD, error="bad_memory", **load("OUT", 1) | flags)
    if kind in ("gemm", "alu"):
        loops = random.choice(LOOPS)
        more = {"alu_opcode": random.choice(LANE_OPS)} if kind == "alu" else {}
        work = {"port": "nest", "kind": Kind.STEPS} if loops == STEPS else {}
        if work and requantises:
            work["requant"] = random.choice([None, "requantises"] if kind == "gemm" else [None, "par", "req"])
        return Instruction(Opcode[kind.upper()], **work, **loops, **more, **flags)
    if kind == "alu_opcode":
        return Instruction(Opcode.ALU, error="bad_opcode", **STEPS, alu_opcode=max(LANE_OPS) + 1, **flags)
    if kind == "opcode":
        return Instruction(random.choice(sorted({*range(8)} - set(Opcode.of(TINY)))), error="bad_opcode", **flags)
    return Instruction(Opcode.FINISH)


def bench(insns, stalls="none", seed=0, config=TINY):
    """A Dispatch with `insns` to take, their LOAD UOPs answered by one to three chunks each; checks what it writes."""
    dut = Dispatch(config)
    b, chunks = Bench(dut, stalls, seed), deque()
    for n, insn in enumerate(insns):
        insn.mark = n
    b.taken = b.send(dut.insn, [{name: insn.tag[name] for name in ("push_prev", "push_next")} | {"number": n}
                                for n, insn in enumerate(insns)])

    async def decode(ctx):
        for insn in insns:
            ctx.set(dut.decoded, insn.decoded)
            await until(ctx, dut.insn.valid & dut.insn.ready)
    b.process(decode)
    b.got = {port: b.receive(getattr(dut, port), sum(insn.port == port for insn in insns), stable=False)
             for port in ("acc_load", "nest")}
    loads = [(n, insn) for n, insn in enumerate(insns) if insn.port == "uop_load"]

    def loaded(cycle, issued):
        count = b.random.randint(1, 3)
        chunks.extend((cycle + 5, {"index": n, "data": issued["number"], "last": n == count - 1})
                      for n in range(count))
    b.got["uop_load"] = b.receive(dut.uop_load, len(loads), stable=False, then=loaded)
    b.feed(dut.uops, chunks)
    b.errors, b.written, held = [], [], b.pattern()

    async def write(ctx):
        for cycle in itertools.count():
            permitted = not next(held) and b.written[-1:] != [cycle - 1]     # the next one's turn is a cycle later
            ctx.set(dut.write.permitted, permitted)
            _, _, en, chunk, before, bgn, end, done, last, given, *bad, number = await ctx.tick().sample(
                dut.write.en, dut.write.chunk, dut.write.nests_before, dut.write.bgn, dut.write.end, dut.loads_done,
                dut.load_done, dut.write.done, dut.bad_opcode, dut.bad_memory, dut.insn.payload.number)
            late = bool(b.written) and b.written[-1] == cycle - 1            # a cycle after the last chunk
            assert done == (len(b.written) - late) % MODULO and permitted >= en and last == given == late
            names = ("bad_opcode", "bad_memory")
            b.errors += [(name, number) for name, bit in zip(names, bad, strict=True) if bit]
            if en:
                n, insn = loads[len(b.written)]
                assert (chunk.data, bgn, end) == (n, *insn.written)
                assert before == sum(other.port == "nest" for other in insns[:n]) % MODULO
                if chunk.last:
                    b.written.append(cycle)
    b.process(write)
    b.loads, b.insns = loads, insns
    return b


@each_stall
@pytest.mark.parametrize("config", [TINY, FULL], ids=["stock", "features"])
def test_every_instruction_to_its_unit(config, stalls):
    random = Random(7)
    insns = [random_instruction(random, bool(config.features)) for _ in range(150)]
    b = bench(insns, stalls, seed=3, config=config)
    seen = b.watch(b.dut.more_tickets, b.dut.ticket.valid, b.dut.ticket.ready)
    tickets = b.receive(b.dut.ticket, len(insns))
    b.run(until=lambda: len(b.written) == len(b.loads))
    loads = list(itertools.accumulate(insn.port == "uop_load" for insn in insns))
    assert [{name: ticket[name] for name in ("kind", "tag", "number")} for ticket in values(tickets)] == [
        {"kind": insn.kind.value, "tag": insn.tag, "number": n} for n, insn in enumerate(insns)]
    for port in ("uop_load", "acc_load"):
        assert [(load["transfer"]["sram_base"], load["number"]) for load in values(b.got[port])] == [
            (n, n) for n, insn in enumerate(insns) if insn.port == port]
    assert [(nest["nest"]["uop_bgn"], nest["loads"]) for nest in values(b.got["nest"])] == [
        (n % TINY.depth["UOP"], loads[n] % MODULO) for n, insn in enumerate(insns) if insn.port == "nest"]
    assert b.errors == [(insn.error, n) for n, insn in enumerate(insns) if insn.error]
    assert [valid for _, valid, _ in seen[1:]] == [
        more if ready or not valid else 1 for more, valid, ready in seen[:-1]]
    if config.features:
        assert [ticket["drains"] for ticket in values(tickets)] == [insn.drains for insn in insns]
        assert [nest["keeps_dst"] for nest in values(b.got["nest"])] == [
            insn.requant == "par" for insn in insns if insn.port == "nest"]


def test_rate_and_latency():
    """An instruction each cycle; its ticket a cycle later, its work at once."""
    random = Random(1)
    b = bench([insn for insn in (random_instruction(random) for _ in range(40)) if insn.port != "uop_load"])
    tickets = b.receive(b.dut.ticket)
    b.run()
    assert at_full_rate(b.taken) and tickets[0][0] == b.taken[0] + 1 and len(tickets) == len(b.taken)
    for port in ("acc_load", "nest"):
        assert [cycle for cycle, _ in b.got[port]] == [
            b.taken[n] for n, insn in enumerate(b.insns) if insn.port == port] != []


@pytest.mark.parametrize("busy", ["acc_load", "nest", "ticket"])
def test_an_instruction_waits_only_for_what_it_needs(busy):
    """With one of the outputs stuck, those before the first instruction that needs it are taken."""
    insns = [Instruction(Opcode.LOAD, **load("UOP", 0))] * 5 + [load_uop(1)] + [
        Instruction(Opcode.GEMM, kind=Kind.STEPS, **STEPS) if busy == "nest"
        else Instruction(Opcode.LOAD, kind=Kind.TILES, **load("ACC", 1))] + [
        Instruction(Opcode.LOAD, **load("UOP", 0))] * 20
    dut = Dispatch(TINY)
    b = Bench(dut)
    taken = b.feed(dut.insn, deque((0, {"number": n}) for n, _ in enumerate(insns)))

    async def decode(ctx):
        for insn in insns:
            ctx.set(dut.decoded, {"kind": insn.kind})
            await until(ctx, dut.insn.valid & dut.insn.ready)
    b.process(decode)
    for port in {"uop_load", "acc_load", "nest", "ticket"} - {busy}:
        b.receive(getattr(dut, port), stable=False)
    b.run(after=60)
    assert len(taken) == (TICKETS_AHEAD if busy == "ticket" else 6)


def test_idle_until_the_last_ticket_has_left():
    """Not even between two tickets, when the first has left and the second is on its way."""
    random = Random(4)
    b = bench([insn for insn in (random_instruction(random) for _ in range(60)) if insn.port != "uop_load"], "random")
    tickets, idle = b.receive(b.dut.ticket, len(b.insns)), b.watch(b.dut.idle)
    b.run()
    here = [sum(cycle < now for cycle in b.taken) - sum(cycle < now for cycle, _ in tickets)
            for now in range(len(idle))]
    assert idle == [not count for count in here] and max(here) > 1
