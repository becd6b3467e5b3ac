"""A bench for the in-order merge: random programs, and what their ops do to the accumulators."""

import itertools
from collections import deque
from dataclasses import dataclass
from random import Random

import decoded
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped
from op_model import OpModel, bank
from slow_reference import low, operate
from stream_bench import Bench, unpack

from vta.hw.config import PRESETS
from vta.hw.isa import LANE_OPS, AluOp, Opcode
from vta.hw.requantisation import HALF_BITS
from vta.hw.rtl.accumulate import op_layout
from vta.hw.rtl.alu import MUL_PHASES
from vta.hw.rtl.compute_decoder import Kind
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.merge import REQUANT_PHASES, TICKETS_AHEAD, InOrderMerge, ticket_layout
from vta.hw.rtl.requantise import WIDE_GAP

CONFIG = PRESETS["tiny"]
LANES = CONFIG.lanes
INSIDE = 12          # cycles from an op to the one in which its requantised tile leaves, as `leaves` announces


class QueuedMerge(wiring.Component):
    """A merge with the queue of tickets in front, as `Dispatch` has it, which says what it offers next."""

    def __init__(self, config):
        self.merge = InOrderMerge(config)
        self.layout = ticket_layout(config)
        super().__init__({"ticket": In(stream.Signature(self.layout))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.merge = merge = self.merge
        m.submodules.queue = queue = Fifo(self.layout, TICKETS_AHEAD, registered=True)
        connect(m, flipped(self.ticket), queue.i)
        connect(m, queue.o, merge.ticket)
        m.d.comb += merge.more_tickets.eq(queue.more)
        return m


def dot_of(src, wgt):
    """Stands in for the dot product of two tiles."""
    return [(src * 31 + wgt * 17 + lane * 5) % 1000 - 500 for lane in range(LANES)]


def requantised(tile, parameters):
    """Stands in for the requantisation of a tile."""
    return [low(sum(n * word for n, word in zip((3, 5, 7, 11), words, strict=True)), 8)
            for words in zip(tile, *parameters, strict=True)]


@dataclass
class Entered:
    """A tile on its way through the requantiser; it leaves in cycle `due`."""

    due: int
    dst: int
    to_acc: int
    tile: list


class Requantiser:
    """Where the ops send tiles: they leave in order, and REQ's are written to the accumulators of `model`."""

    def __init__(self, model):
        self.model, self.tiles, self.left = model, deque(), []
        self.parameters, self.halves = [[0] * LANES] * 3, deque()

    def take(self, cycle, op):
        """What the op does with its result, which nothing in here may forbid."""
        requant, result = op["requant"], self.model.result
        plain = (op["write"] and not requant["only_acc"]) or any(requant["load"].values())
        announces = (op["tag"]["push_next"] or op["tag"]["finish"]) and not requant["enters"]
        assert not self.tiles or not (plain or announces), "not while there are tiles in the requantiser"
        assert not op["write"] or not any(each.to_acc for each in self.tiles), "one write port"
        for n, name in enumerate(("multiplier", "bias", "shift")):
            if requant["load"][name]:
                self.parameters = [*self.parameters[:n], result, *self.parameters[n + 1:]]
        if requant["first_half"]:
            self.halves.append((cycle, result))
        if requant["enters"]:
            if requant["second_half"]:
                started, whole = self.halves.popleft()
                assert cycle >= started + WIDE_GAP and result == [value >> HALF_BITS for value in whole]
                result = whole
            due = max([cycle + INSIDE, *(each.due + 1 for each in self.tiles)])
            self.tiles.append(Entered(due, op["dst"], requant["to_acc"], result))

    def leaving(self, cycle):
        """The tile that leaves in this cycle, or None."""
        return self.tiles[0] if self.tiles and self.tiles[0].due == cycle else None

    def leave(self, cycle):
        """The end of a cycle."""
        if self.leaving(cycle):
            one = self.tiles.popleft()
            result = requantised(one.tile, self.parameters)
            self.left.append((one.dst, result))
            if one.to_acc:
                self.model.acc[one.dst] = result


class Program:
    """Instructions in order: their streams, what they do to the accumulators, and what they cost."""

    def __init__(self, random, tiles=6, config=CONFIG, stock=False):
        """`stock`: random instructions are none of the configuration's features."""
        self.random, self.tiles, self.config = random, tiles, config
        self.features, self.noise = config.features and not stock, Random(1)
        self.tickets, self.steps, self.loads, self.tags, self.cost, self.hazards = [], [], 0, [], 0, 0
        self.data, self.acc = [], [[0] * LANES for _ in range(CONFIG.depth["ACC"])]
        self.dst, self.last, self.alu, self.resets, self.stalls = 0, None, 0, 0, 0
        self.parameters, self.requantised = [[0] * LANES] * 3, []        # and the results, with their tiles

    def ticket(self, kind, shared=None, **tag):
        self.loads += kind == Kind.UOPS
        self.tickets.append({"kind": kind, "shared": shared or {"select": {"add": 1}}, "tag": tag})
        if self.config.features:                 # as `Dispatch` has it
            about = shared["requant"] if kind == Kind.STEPS else {}
            self.tickets[-1]["drains"] = (
                not (about["requantises"] or about["req"]) if about
                else kind == Kind.TILES or bool(tag.get("push_next") or tag.get("finish")))
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

    def nest(self, opcode, fields, tiles, uops=1, **tag):
        """An instruction with a step for each (dst, src, wgt) of `tiles`; each trip of the loops has `uops` of them."""
        fields = {"uop_bgn": 0, "uop_end": uops, "iter_out": 1} | fields
        about, kept = decoded.shared(self.config, fields, opcode), None
        if self.config.features:
            about["requant"] = {name: self.noise.randint(0, 1) if value is None else value
                                for name, value in about["requant"].items()}
        self.ticket(Kind.STEPS, about, **tag)
        for n, (dst, src, wgt) in enumerate(tiles):
            reads = bool(about["has_src"] and kept != src)
            clash = reads and src != dst and bank(src) == bank(dst)
            kept = src if src != dst else None
            initial, final = n % uops == 0, n % uops == uops - 1
            trip = {"first": n == 0, "initial": initial, "final": final} if self.config.features else {}
            self.steps.append(trip | {
                "dst": dst, "src": src, "wgt": wgt, "last": n == len(tiles) - 1, "reads_src": reads, "clash": clash,
                "single": not clash and not (opcode == Opcode.ALU and decoded.takes_several_ops(fields)),
                "after_tile": reads or about["waits"],
                "after_step": (reads and src == self.dst) or (about["waits"] and dst == self.dst)})
            late = (self.last == "tile" and self.steps[-1]["after_tile"]) or (
                self.last == "step" and self.steps[-1]["after_step"])
            self.alu += opcode == Opcode.ALU
            self.resets += about["reset"]
            self.stalls += late and opcode == Opcode.ALU
            self.hazards += clash
            self.dst, self.last = dst, "step"
            self._execute(about, fields | {"dst": dst, "src": src, "wgt": wgt}, initial, final)

    def _execute(self, about, step, initial, final):
        dst, src = step["dst"], step["src"]
        self.cost += 1
        operation = step.get("alu_opcode") if about["is_alu"] else None
        self.hazards += (REQUANT_PHASES - 1) * (operation == AluOp.PAR or (operation == AluOp.REQ and step["imm"] & 1))
        if not about["is_alu"]:
            requant = about.get("requant", dict.fromkeys(("fresh", "each", "requantises"), 0))
            from_zero = requant["fresh"] and (initial or requant["each"])
            self.acc[dst] = [0 if about["reset"] else low((not from_zero) * x + y, 32)
                             for x, y in zip(self.acc[dst], dot_of(src, step["wgt"]), strict=True)]
            if requant["requantises"] and (final or requant["each"]):
                self.requantised.append((dst, requantised(self.acc[dst], self.parameters)))
        elif operation == AluOp.PAR:
            self.parameters = [self.acc[(src + n) % len(self.acc)] for n in range(3)]
        elif operation == AluOp.REQ:
            self.acc[dst] = requantised(self.acc[dst], self.parameters)
            self.requantised.append((dst, self.acc[dst]))
        else:
            y = [low(step["imm"], 16)] * LANES if step["use_imm"] else self.acc[src]
            self.acc[dst] = [low(operate(step["alu_opcode"], *pair), 32)
                             for pair in zip(self.acc[dst], y, strict=True)]
            if operation == AluOp.MUL:
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
            opcode = Opcode.ALU if alu else Opcode.GEMM
            uops = random.randint(1, 3)
            tiles = [(random.randrange(self.tiles), random.randrange(self.tiles), random.randrange(8))
                     for _ in range(uops * random.randint(1, 3))]
            if self.features and random.random() < 0.6:
                opcode, fields, uops, tiles = self._requantising(uops, tiles)
            self.nest(opcode, fields, tiles, uops, **tag)
        else:
            self.ticket(kind, **tag)
            self.last = None


    def _requantising(self, uops, tiles):
        """opcode, fields, micro-ops, tiles of a random instruction of the features."""
        random, kind = self.random, self.random.choice(["gemm", "gemm", "window", "par", "req", "quick"])
        imm = {"use_imm": random.randint(0, 1), "imm": random.randrange(-1 << 15, 1 << 15)}
        if kind in ("gemm", "window"):
            flags = {name: random.randint(0, 1) for name in ("reset", "requantise")}
            return Opcode[kind.upper()], flags, uops, tiles
        if kind == "quick":
            step, start = random.choice([1, 3, 127]), random.randrange(self.tiles)
            tiles = [((start + n * step) % len(self.acc), 0, 0) for n in range(random.randint(1, 6))]
            return Opcode.ALU, imm | {"alu_opcode": AluOp.REQ, "dst_factor_in": step}, 1, tiles
        return Opcode.ALU, imm | {"alu_opcode": AluOp[kind.upper()], "dst_factor_in": 0}, uops, tiles


def run(program, stalls="none"):
    """Apply the ops to the model of the accumulators; returns the cycles of the ops, hazards."""
    config = program.config
    queued = QueuedMerge(config)
    dut, b = queued.merge, Bench(queued, stalls)
    b.send(queued.ticket, program.tickets)
    b.send(dut.step, program.steps)
    b.send(dut.tile, program.data)
    pattern, space, layout = b.pattern(), [b.pattern(), b.pattern()], op_layout(config)
    model, tags, cycles, hazards, done = OpModel(config), [], [], [], 0
    way = Requantiser(model)
    counted = dict.fromkeys(("did_gemm", "did_reset", "did_alu", "did_tile", "did_ticket", "did_requantise"), 0)

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
            ctx.set(dut.leaves, bool(leaving := way.leaving(cycle)))
            ctx.set(dut.leaves_to_acc, bool(leaving and leaving.to_acc))
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
                    if config.features:
                        way.take(cycle, op)
                else:
                    assert not op["write"]
                    model.written = None
                    assert not way.tiles or not (op["tag"]["push_next"] or op["tag"]["finish"])
                cycles.append(cycle)
                hazards.append(hazard)
                if did[-2]:
                    tags.append(op["tag"])
                    merged += kind == Kind.UOPS.value
                    assert merged <= done, "before its LOAD UOP"
                else:
                    assert not any(op["tag"].values())
            way.leave(cycle)
            gap = not valid and (gap or bool(empty))       # the op before has left the delay line
            done += one_more
    b.process(check)
    b.run(until=lambda: len(tags) == len(program.tickets) and not way.tiles)
    assert tags == program.tags
    assert model.acc == program.acc and way.left == program.requantised
    alu, reset = program.alu, program.resets
    assert counted == {"did_gemm": len(program.steps) - alu - reset, "did_reset": reset, "did_alu": alu,
                       "did_tile": len(program.data), "did_ticket": len(program.tickets),
                       "did_requantise": len(program.requantised)}
    return cycles, sum(hazards)


