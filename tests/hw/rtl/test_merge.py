"""hw/rtl/merge.py: tiles and steps become ops in the order of their tickets, at the promised cost."""

import itertools

import decoded
import pytest
from op_model import OpModel, bank
from slow_reference import low, operate
from stream_bench import Bench, each_stall, unpack

from vta.hw.config import PRESETS
from vta.hw.isa import LANE_OPS, AluOp, Opcode
from vta.hw.rtl.accumulate import op_layout
from vta.hw.rtl.alu import MUL_PHASES
from vta.hw.rtl.compute_decoder import Kind
from vta.hw.rtl.merge import InOrderMerge

CONFIG = PRESETS["tiny"]
LANES = CONFIG.lanes


def dot_of(src, wgt):
    """Stands in for the dot product of two tiles."""
    return [(src * 31 + wgt * 17 + lane * 5) % 1000 - 500 for lane in range(LANES)]


class Program:
    """Instructions in order: their streams, what they do to the accumulators, and what they cost."""

    def __init__(self, random, tiles=6):
        self.random, self.tiles = random, tiles
        self.tickets, self.steps, self.loads, self.tags, self.cost, self.hazards = [], [], 0, [], 0, 0
        self.data, self.acc = [], [[0] * LANES for _ in range(CONFIG.depth["ACC"])]
        self.dst, self.last, self.alu, self.resets, self.stalls = 0, None, 0, 0, 0

    def ticket(self, kind, shared=None, **tag):
        self.loads += kind == Kind.UOPS
        self.tickets.append({"kind": kind, "shared": shared or {"select": {"add": 1}}, "tag": tag})
        self.tags.append(dict.fromkeys(("push_prev", "push_next", "finish"), 0) | tag)
        self.cost += kind in (Kind.NOTHING, Kind.UOPS)

    def load(self, indices, **tag):
        self.ticket(Kind.TILES, **tag)
        for n, index in enumerate(indices):
            pad = self.random.random() < 0.3
            lanes = [0 if pad else self.random.randrange(-1 << 31, 1 << 31) for _ in range(LANES)]
            self.data.append({"write": 1, "pad": pad, "index": index, "last": n == len(indices) - 1, "data": lanes})
            self.acc[index] = lanes
        self.last = "tile"
        self.cost += len(indices)

    def nest(self, opcode, fields, tiles, **tag):
        """An instruction with a step for each (dst, src, wgt) of `tiles`."""
        about, kept = decoded.shared(CONFIG, fields, opcode), None
        self.ticket(Kind.STEPS, about, **tag)
        for n, (dst, src, wgt) in enumerate(tiles):
            reads = bool(about["has_src"] and kept != src)
            clash = reads and src != dst and bank(src) == bank(dst)
            kept = src if src != dst else None
            self.steps.append({
                "dst": dst, "src": src, "wgt": wgt, "last": n == len(tiles) - 1, "reads_src": reads, "clash": clash,
                "after_tile": reads or about["waits"],
                "after_step": (reads and src == self.dst) or (about["waits"] and dst == self.dst)})
            late = (self.last == "tile" and self.steps[-1]["after_tile"]) or (
                self.last == "step" and self.steps[-1]["after_step"])
            self.alu += opcode == Opcode.ALU
            self.resets += about["reset"]
            self.stalls += late and opcode == Opcode.ALU
            self.hazards += clash
            self.dst, self.last = dst, "step"
            self._execute(fields | {"is_alu": opcode == Opcode.ALU, "dst": dst, "src": src, "wgt": wgt})

    def _execute(self, step):
        dst, src = step["dst"], step["src"]
        self.cost += 1
        if not step["is_alu"]:
            self.acc[dst] = [0 if step.get("reset") else low(x + y, 32)
                             for x, y in zip(self.acc[dst], dot_of(src, step["wgt"]), strict=True)]
        else:
            y = [low(step["imm"], 16)] * LANES if step["use_imm"] else self.acc[src]
            self.acc[dst] = [low(operate(step["alu_opcode"], *pair), 32)
                             for pair in zip(self.acc[dst], y, strict=True)]
            if step["alu_opcode"] == AluOp.MUL:
                self.hazards += MUL_PHASES - 1

    def random_instruction(self):
        tag = {name: 1 for name in ("push_prev", "push_next") if self.random.random() < 0.3}
        kind = self.random.choice([*Kind, Kind.STEPS, Kind.STEPS])
        if kind == Kind.TILES:
            self.load([self.random.randrange(self.tiles) for _ in range(self.random.randint(1, 4))], **tag)
        elif kind == Kind.STEPS:
            alu, random = self.random.random() < 0.7, self.random
            fields = {"alu_opcode": random.choice(LANE_OPS), "use_imm": random.randint(0, 1),
                      "imm": random.randrange(-1 << 15, 1 << 15)} if alu else {"reset": random.random() < 0.2}
            self.nest(Opcode.ALU if alu else Opcode.GEMM, fields, [
                (random.randrange(self.tiles), random.randrange(self.tiles), random.randrange(8))
                for _ in range(random.randint(1, 6))], **tag)
        else:
            self.ticket(kind, **tag)
            self.last = None


def run(program, stalls="none"):
    """Apply the ops to the model of the accumulators; returns the cycles from first op to last, hazards."""
    dut = InOrderMerge(CONFIG)
    b = Bench(dut, stalls)
    b.send(dut.ticket, program.tickets)
    b.send(dut.step, program.steps)
    b.send(dut.tile, program.data)
    pattern, space, layout = b.pattern(), [b.pattern(), b.pattern()], op_layout(CONFIG)
    model, tags, cycles, hazards, done = OpModel(CONFIG), [], [], [], 0
    counted = dict.fromkeys(("did_gemm", "did_reset", "did_alu", "did_tile", "did_ticket"), 0)

    async def check(ctx):
        nonlocal done
        merged, gap = 0, True
        for cycle in itertools.count():
            # LOAD UOPs complete in time, or late
            one_more = done < program.loads and not next(pattern)
            ctx.set(dut.load_done, one_more)
            room = [not next(side) for side in space]
            ctx.set(dut.can_push_prev, room[0])
            ctx.set(dut.can_push_next, room[1])
            ctx.set(dut.delay_empty, empty := not next(pattern))
            _, _, valid, bits, step, tile, kind, hazard, waits, *did = await ctx.tick().sample(
                dut.valid, dut.op.as_value(), dut.step.payload.as_value(), dut.tile.payload.as_value(),
                dut.ticket.payload.kind.as_value(), dut.wait_hazard, dut.wait_space,
                *(getattr(dut, name) for name in counted))
            for name, value in zip(counted, did, strict=True):
                counted[name] += value
            assert not (waits and all(room)) and sum(did[:4]) <= 1
            if valid:
                op = unpack(layout, bits)
                step = unpack(dut.step.payload.shape(), step)
                assert room[0] or not op["tag"]["push_prev"]
                assert room[1] or not op["tag"]["push_next"]
                if kind in (Kind.TILES.value, Kind.STEPS.value):
                    data = unpack(dut.tile.payload.shape(), tile)["data"]
                    model.apply(op, dot_of(step["src"], step["wgt"]), data, gap)
                else:
                    assert not op["write"]
                    model.written = None
                cycles.append(cycle)
                hazards.append(hazard)
                if did[-1]:
                    tags.append(op["tag"])
                    merged += kind == Kind.UOPS.value
                    assert merged <= done, "before its LOAD UOP"
                else:
                    assert not any(op["tag"].values())
            gap = not valid and (gap or bool(empty))       # the op before has left the delay line
            done += one_more
    b.process(check)
    b.run(until=lambda: len(tags) == len(program.tickets))
    assert tags == program.tags
    assert model.acc == program.acc
    alu, reset = program.alu, program.resets
    assert counted == {"did_gemm": len(program.steps) - alu - reset, "did_reset": reset, "did_alu": alu,
                       "did_tile": len(program.data), "did_ticket": len(program.tickets)}
    return cycles, sum(hazards)


def programs(seed, count=80, tiles=6):
    program = Program(Bench(InOrderMerge(CONFIG), seed=seed).random, tiles)
    program.load(range(tiles))
    for _ in range(count):
        program.random_instruction()
    return program


@each_stall
@pytest.mark.parametrize("tiles", [2, 6])
def test_program_order(tiles, stalls):
    program = programs(tiles, tiles=tiles)
    _, hazards = run(program, stalls)
    assert hazards == program.hazards


def test_costs():
    """Without stalls there is an op every cycle, and their number is as promised; one cycle more for each operand that
    the op just before wrote."""
    program = programs(9)
    cycles, hazards = run(program)
    assert hazards == program.hazards and len(cycles) == program.cost + program.hazards
    assert cycles[-1] - cycles[0] == len(cycles) - 1 + program.stalls and program.stalls > 10


@pytest.mark.parametrize("fields, cost", [
    ({"is_alu": 0, "wgt": 1}, 1), ({"is_alu": 0, "reset": 1, "wgt": 0}, 1),
    ({"alu_opcode": AluOp.ADD, "use_imm": 1}, 1), ({"alu_opcode": AluOp.MUL, "use_imm": 1}, 4),
    ({"alu_opcode": AluOp.ADD, "src": 2}, 2), ({"alu_opcode": AluOp.ADD, "src": 3}, 1),
    ({"alu_opcode": AluOp.ADD, "src": 1}, 1), ({"alu_opcode": AluOp.MUL, "src": 4}, 5),
    ({"alu_opcode": AluOp.MUL, "src": 3}, 4)], ids=str)
def test_cost_of_one_step(fields, cost):
    """dst is tile 1, of bank 1 like 2 and 4; 3 is of bank 0."""
    program = Program(Bench(InOrderMerge(CONFIG)).random)
    alu = fields.get("is_alu", 1)
    program.nest(Opcode.ALU if alu else Opcode.GEMM, {"imm": 3, "use_imm": 0} | fields, [(1, fields.get("src", 0), 1)])
    cycles, _ = run(program)
    assert len(cycles) == cost
