"""The in-order merge of the compute unit: one op of the accumulator pipeline a cycle, in program order."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.features import Feature
from vta.hw.requantisation import HALF_BITS
from vta.hw.rtl.acc_tiles import tile_layout
from vta.hw.rtl.accumulate import Y, op_layout, tag_layout
from vta.hw.rtl.alu import MUL_PHASES
from vta.hw.rtl.compute_decoder import Kind, shared_layout
from vta.hw.rtl.fifo import Counter
from vta.hw.rtl.index import step_layout
from vta.hw.rtl.interfaces import NUMBER_BITS
from vta.hw.rtl.requantise import WIDE_GAP

TICKETS_AHEAD = 16      # instructions dispatched and not yet merged
REQUANT_PHASES = WIDE_GAP + 1      # ops of PAR, one for each parameter, and of a wide REQ, one for each half
REQUANT_TILES = 31      # more than the cycles from the merge to the output buffer


def ticket_layout(config):
    """An instruction in the merge. `drains`: it waits until the requantiser is empty."""
    return data.StructLayout({
        "kind": Kind, "shared": shared_layout(config), "tag": tag_layout(), "number": unsigned(NUMBER_BITS),
        **({"drains": 1} if config.has(Feature.REQUANTISE) else {})})


class InOrderMerge(wiring.Component):
    """Merges tiles and steps into pipeline ops, in the order of the `ticket`s, one for each instruction.

    An instruction's last op carries its tag. Costs in cycles: GEMM step, immediate ALU step, tile, instruction
    without work: 1. ALU step with src: 1, or 2 if src and dst are different tiles of one bank and src is not the tile
    read last. MUL step: `MUL_PHASES`, and the same extra cycle. One cycle more for a step whose src, or for SHR and MUL
    whose dst, was written by the op just before, or by a tile. The last op of an instruction that pushes tokens waits
    until their queues have space (`can_push_*`). A LOAD UOP waits for its `load_done`, tiles until the delay line
    parallel to the GEMM array is empty (`delay_empty`).

    A step of PAR and of a wide REQ takes `REQUANT_PHASES`, one of a narrow REQ 1. Tiles enter the requantiser one after
    another, with a cycle between instructions while there are any in it. But a GEMM behind a REQ, the first step of a
    REQ, and each step of one that is not `quick`, wait until what earlier REQs write is written; PAR, and everything
    else that writes or pushes a token to store, wait until the requantiser is empty.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "ticket": In(stream.Signature(ticket_layout(config))),
            "more_tickets": In(1),      # another one is there in the next cycle; for machines that requantise
            "step": In(stream.Signature(step_layout(config))),
            "tile": In(stream.Signature(tile_layout(config))),
            "load_done": In(1),
            "can_push_prev": In(1), "can_push_next": In(1), "delay_empty": In(1),
            "valid": Out(1), "op": Out(op_layout(config)),
            # what this cycle was used for, for the counters
            "did_gemm": Out(1), "did_reset": Out(1), "did_alu": Out(1), "did_tile": Out(1), "did_ticket": Out(1),
            "wait_uop": Out(1), "wait_tile": Out(1), "wait_hazard": Out(1), "wait_space": Out(1),
            "did_requantise": Out(1), "wait_requant": Out(1),
            # a requantised tile is written in the next cycle, by REQ; one is on its way
            "leaves": In(1), "leaves_to_acc": In(1), "requantising": Out(1)})

    def elaborate(self, platform):
        m = Module()
        ticket, step, tile, op = self.ticket.payload, self.step.payload, self.tile.payload, self.op
        shared, here = ticket.shared, self.ticket.valid
        uops, tiles, steps = ticket.kind.as_value()

        # LOAD UOPs that are written and not yet merged
        m.submodules.written = written = Counter(TICKETS_AHEAD)
        m.d.comb += [written.up.eq(self.load_done), written.down.eq(uops & self.ticket.ready)]

        # what the ops just before wrote cannot be y yet, nor x of a slow operation
        recent_tile = Signal()                   # the last op was a tile, and its result is not here
        recent_step = Signal()                   # ... completed a step, and so on
        fresh = Signal(init=1)                   # the next op is the first one of its step
        phase = Signal(range(MUL_PHASES))
        last_phase = Signal()
        completes = Signal()                     # this op completes its step
        finishing = Signal()                     # the same, of an op that is not the first one of its step
        clash = Signal()                         # ... only reads src
        hazard = Signal()
        nearly = Signal()                        # ... and the next one is the last one
        has_requant = self.config.has(Feature.REQUANTISE)
        go = Signal(name="go") if has_requant else here   # there is one that nothing in the requantiser blocks
        m.d.comb += [
            clash.eq(step.clash & fresh),
            hazard.eq(fresh & ((recent_tile & step.after_tile) | (recent_step & step.after_step))),
            completes.eq(Mux(fresh, step.single, finishing)),
            nearly.eq(phase == Mux(shared.select.multiply, MUL_PHASES, REQUANT_PHASES) - 2),
        ]
        with m.If(self.valid):
            m.d.sync += [recent_tile.eq(tiles), recent_step.eq(steps & completes)]
            with m.If(steps):
                m.d.sync += [fresh.eq(completes), finishing.eq(~shared.long | (~clash & nearly))]
                with m.If(shared.long & ~clash):
                    m.d.sync += [phase.eq(Mux(last_phase, 0, phase + 1)), last_phase.eq(nearly)]
        with m.Elif(self.delay_empty):
            m.d.sync += [recent_tile.eq(0), recent_step.eq(0)]

        # who can go: each kind waits for its work, and at its end for room for its tokens
        can_push = Signal()
        last = Signal()                          # of the work that is here
        ready = Signal()
        takes_tile = Signal()
        m.d.comb += [
            can_push.eq((~ticket.tag.push_prev | self.can_push_prev) & (~ticket.tag.push_next | self.can_push_next)),
            last.eq(Mux(steps, step.last, ~tiles | tile.last)),
            ready.eq(go & Mux(steps, self.step.valid & ~hazard,
                                Mux(tiles, self.tile.valid & self.delay_empty, ~uops | written.some))),
            self.valid.eq(ready & (can_push | ~last)), self.wait_space.eq(ready & last & ~can_push),
            self.ticket.ready.eq(self.valid & last & (~steps | completes)),
            # spelled out, because the way back from here is long
            self.step.ready.eq(go & steps & self.step.valid & ~hazard & completes & (can_push | ~step.last)),
            takes_tile.eq(go & tiles & self.tile.valid & self.delay_empty & (can_push | ~tile.last)),
            self.tile.ready.eq(takes_tile),
            self.did_ticket.eq(here & self.ticket.ready), self.did_tile.eq(takes_tile & tile.write),
            self.did_alu.eq(self.step.ready & shared.is_alu), self.did_gemm.eq(self.step.ready & shared.is_gemm),
            self.did_reset.eq(self.step.ready & shared.reset),
            self.wait_uop.eq(here & uops & ~written.some), self.wait_tile.eq(here & tiles & ~self.tile.valid),
            self.wait_hazard.eq(steps & Mux(hazard, go & self.step.valid, self.valid & ~completes)),
        ]

        # the op
        src = step.src[:len(step.dst)]
        imm_reads_src = shared.is_alu & shared.use_imm & self.config.alu_imm_reads_src
        running = Signal()                       # a step of several ops
        m.d.comb += [
            running.eq(phase != 0), op.phase.eq(phase), op.imm.eq(shared.imm), op.src.eq(src),
            op.x.eq(Mux(imm_reads_src, src, step.dst)),
            op.dst.eq(Mux(tiles, tile.index, step.dst)),
        ]
        with m.If(last & (~steps | completes)):
            m.d.comb += op.tag.eq(ticket.tag)
        m.d.comb += [op.select.eq(shared.select), op.is_gemm.eq(shared.is_gemm)]
        with m.If(tiles):
            m.d.comb += [op.write.eq(tile.write), op.y.eq(Mux(tile.pad, Y.ZERO, Y.TILE))]
        with m.Else():                           # of no consequence for an instruction without work
            m.d.comb += [
                op.write.eq(steps & completes), op.read_x.eq(~running & ~clash & ~shared.reset), op.hold_x.eq(running),
                op.y.eq(Mux(fresh & step.reads_src, Y.SRC, Mux(shared.has_src | running, Y.HOLD, Mux(
                    shared.is_alu, Y.IMM, Y.ZERO)))),
            ]
        if "requant" in shared.shape().members:
            with m.If(steps & shared.requant.fresh & (step.initial | shared.requant.each)):
                m.d.comb += op.read_x.eq(0)
        if has_requant:
            self._requantise(m, go, last & (~steps | completes), completes, phase, steps)
        return m

    def _requantise(self, m, go, ends, completes, phase, steps):
        """The ops of PAR and REQ, and who waits until the requantiser is empty, or no tile of REQ is in it.

        While there are tiles in it, an instruction waits a cycle longer: `go` must be a register.
        """
        ticket, step, op, here = self.ticket.payload, self.step.payload, self.op, self.ticket.valid
        requant, src = ticket.shared.requant, step.src[:len(step.dst)]
        m.submodules.inside = inside = Counter(REQUANT_TILES)
        m.submodules.returning = returning = Counter(REQUANT_TILES)
        begun = Signal()                         # a step of the instruction has been merged
        allowed = Signal()
        wide_second = Signal()
        with m.If(self.ticket.ready):
            m.d.sync += begun.eq(0)
        with m.Elif(self.step.ready):
            m.d.sync += begun.eq(1)
        m.d.comb += [
            wide_second.eq(requant.req & requant.wide & (phase == REQUANT_PHASES - 1)),
            allowed.eq(Mux(ticket.drains, ~inside.some, ~returning.some | Mux(
                requant.req, requant.quick & begun, ~requant.requantises))),
            inside.up.eq(self.valid & op.requant.enters), returning.up.eq(inside.up & op.requant.to_acc),
            inside.down.eq(self.leaves), returning.down.eq(self.leaves & self.leaves_to_acc),
            self.requantising.eq(inside.some), self.did_requantise.eq(inside.up),
            self.wait_requant.eq(here & ~go),
        ]
        busy = inside.some | op.requant.enters
        slow = op.requant.enters & requant.req & ~requant.quick      # a step that the next one waits for
        # by cases, because `self.valid` comes late: an op ends the instruction, or does not; there is none
        m.d.sync += go.eq(Mux(
            self.valid, Mux(ends, self.more_tickets & ~busy, ~(busy & (~allowed | slow))),
            Mux(here, ~(inside.some & ~allowed), self.more_tickets & ~inside.some)))
        with m.If(steps):
            m.d.comb += [
                op.requant.enters.eq(completes & (requant.req | (
                    requant.requantises & (step.final | requant.each)))),
                op.requant.to_acc.eq(requant.req), op.requant.only_acc.eq(requant.requantises),
                op.requant.first_half.eq(requant.req & requant.wide & (phase == 0)),
                op.requant.second_half.eq(wide_second),
                op.requant.load.as_value().eq(Mux(requant.par, 1 << phase, 0)),
            ]
        with m.If(steps & (requant.par | requant.req)):
            m.d.comb += [op.write.eq(0), op.y.eq(Y.ZERO)]
        with m.If(steps & requant.par):
            m.d.comb += [op.x.eq(src + phase), op.read_x.eq(1), op.hold_x.eq(0)]
        with m.If(steps & wide_second):          # x >> HALF_BITS
            m.d.comb += [op.select.shift.eq(1), op.imm.eq(HALF_BITS), op.y.eq(Y.IMM)]
