"""The in-order merge of the compute unit: one op of the accumulator pipeline a cycle, in program order."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.acc_tiles import tile_layout
from vta.hw.rtl.accumulate import Y, op_layout, tag_layout
from vta.hw.rtl.alu import MUL_PHASES
from vta.hw.rtl.compute_decoder import Kind, shared_layout
from vta.hw.rtl.fifo import Counter
from vta.hw.rtl.index import step_layout
from vta.hw.rtl.interfaces import NUMBER_BITS

TICKETS_AHEAD = 16      # instructions dispatched and not yet merged


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
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "ticket": In(stream.Signature(ticket_layout(config))),
            "step": In(stream.Signature(step_layout(config))),
            "tile": In(stream.Signature(tile_layout(config))),
            "load_done": In(1),
            "can_push_prev": In(1), "can_push_next": In(1), "delay_empty": In(1),
            "valid": Out(1), "op": Out(op_layout(config)),
            # what this cycle was used for, for the counters
            "did_gemm": Out(1), "did_reset": Out(1), "did_alu": Out(1), "did_tile": Out(1), "did_ticket": Out(1),
            "wait_uop": Out(1), "wait_tile": Out(1), "wait_hazard": Out(1), "wait_space": Out(1),
            "did_requantise": Out(1), "wait_requant": Out(1)})

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
        clash = Signal()                         # ... only reads src
        hazard = Signal()
        is_mul = shared.select.multiply
        m.d.comb += [
            clash.eq(step.clash & fresh),
            hazard.eq(fresh & ((recent_tile & step.after_tile) | (recent_step & step.after_step))),
            completes.eq(~clash & (~is_mul | last_phase)),
        ]
        with m.If(self.valid):
            m.d.sync += [recent_tile.eq(tiles), recent_step.eq(steps & completes)]
            with m.If(steps):
                m.d.sync += fresh.eq(completes)
                with m.If(is_mul & ~clash):
                    m.d.sync += [phase.eq(phase + 1), last_phase.eq(phase == MUL_PHASES - 2)]
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
            ready.eq(here & Mux(steps, self.step.valid & ~hazard,
                                Mux(tiles, self.tile.valid & self.delay_empty, ~uops | written.some))),
            self.valid.eq(ready & (can_push | ~last)), self.wait_space.eq(ready & last & ~can_push),
            self.ticket.ready.eq(self.valid & last & (~steps | completes)),
            # spelled out, because the way back from here is long
            self.step.ready.eq(here & steps & self.step.valid & ~hazard & completes & (can_push | ~step.last)),
            takes_tile.eq(here & tiles & self.tile.valid & self.delay_empty & (can_push | ~tile.last)),
            self.tile.ready.eq(takes_tile),
            self.did_ticket.eq(here & self.ticket.ready), self.did_tile.eq(takes_tile & tile.write),
            self.did_alu.eq(self.step.ready & shared.is_alu), self.did_gemm.eq(self.step.ready & shared.is_gemm),
            self.did_reset.eq(self.step.ready & shared.reset),
            self.wait_uop.eq(here & uops & ~written.some), self.wait_tile.eq(here & tiles & ~self.tile.valid),
            self.wait_hazard.eq(steps & Mux(hazard, here & self.step.valid, self.valid & ~completes)),
        ]

        # the op
        src = step.src[:len(step.dst)]
        imm_reads_src = shared.is_alu & shared.use_imm & self.config.alu_imm_reads_src
        running = Signal()                       # a MUL
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
        return m
