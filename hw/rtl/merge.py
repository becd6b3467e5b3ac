"""The in-order merge of the compute unit: one op of the accumulator pipeline a cycle, in program order."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.acc_tiles import tile_layout
from vta.hw.rtl.accumulate import bank_of, op_layout, tag_layout
from vta.hw.rtl.alu import MUL_PHASES, Operation
from vta.hw.rtl.index import SEQ_BITS, step_layout
from vta.hw.rtl.interfaces import NUMBER_BITS


class Kind(enum.Enum, shape=unsigned(2)):
    """What an instruction produces: nothing, written micro-ops, accumulator tiles, GEMM or ALU steps."""

    NOTHING = 0
    UOPS = 1
    TILES = 2
    STEPS = 3


def ticket_layout():
    """An instruction in the merge; `loads`: LOAD UOPs up to and including it, modulo 2^SEQ_BITS."""
    return data.StructLayout({"kind": Kind, "loads": unsigned(SEQ_BITS), "tag": tag_layout(),
                              "number": unsigned(NUMBER_BITS)})


class InOrderMerge(wiring.Component):
    """Merges tiles and steps into pipeline ops, in the order of the `ticket`s, one for each instruction.

    An instruction's last op carries its tag. Costs in cycles: GEMM step, immediate ALU step, tile, instruction
    without work: 1. ALU step with src: 1, or 2 if src and dst are different tiles of one bank and src is not the tile
    read last. MUL step: `MUL_PHASES`, and the same extra cycle. An op that pushes tokens waits until their queues
    have space (`can_push_*`). Tiles wait until the delay line parallel to the GEMM array is empty (`delay_empty`).
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "ticket": In(stream.Signature(ticket_layout())),
            "step": In(stream.Signature(step_layout(config))),
            "tile": In(stream.Signature(tile_layout(config))),
            "loads_done": In(SEQ_BITS),
            "can_push_prev": In(1), "can_push_next": In(1), "delay_empty": In(1),
            "valid": Out(1), "op": Out(op_layout(config)),
            # what this cycle was used for, for the counters
            "did_gemm": Out(1), "did_reset": Out(1), "did_alu": Out(1), "did_tile": Out(1), "did_ticket": Out(1),
            "wait_uop": Out(1), "wait_tile": Out(1), "wait_hazard": Out(1), "wait_space": Out(1)})

    def elaborate(self, platform):
        m = Module()
        ticket, step, tile, op = self.ticket.payload, self.step.payload, self.tile.payload, self.op
        here = self.ticket.valid
        can_push = Signal()
        loads = Signal(SEQ_BITS)
        ends = Signal()                          # this is the ticket's last op
        want = Signal()                          # it can go, unless it must wait to push tokens
        m.d.comb += [
            can_push.eq((~ticket.tag.push_prev | self.can_push_prev) & (~ticket.tag.push_next | self.can_push_next)),
            loads.eq(self.loads_done - ticket.loads),
            self.valid.eq(want & (can_push | ~ends)), self.wait_space.eq(want & ends & ~can_push),
            self.ticket.ready.eq(self.valid & ends), self.did_ticket.eq(self.ticket.valid & self.ticket.ready),
        ]
        with m.If(ends):
            m.d.comb += op.tag.eq(ticket.tag)

        # the tile in the src register, in program order
        kept = Signal()
        kept_index = Signal.like(step.dst)
        phase = Signal(range(MUL_PHASES))
        is_mul = Signal()
        has_src = Signal()
        cached = Signal()
        clash = Signal()
        src = step.src[:len(step.dst)]
        m.d.comb += [
            is_mul.eq(step.is_alu & (step.alu_opcode == Operation.MUL)),
            has_src.eq(step.is_alu & ~step.use_imm),
            cached.eq(kept & (kept_index == src)),
            clash.eq(has_src & ~cached & (src != step.dst) & (bank_of(src) == bank_of(step.dst))),
            op.phase.eq(phase), op.imm.eq(step.imm), op.src.eq(src),
            op.x.eq(Mux(step.is_alu & step.use_imm, src, step.dst) if self.config.alu_imm_reads_src else step.dst),
        ]
        with m.If(self.valid & op.read_src):
            m.d.sync += [kept.eq(1), kept_index.eq(src)]
        with m.If(self.valid & op.write & ((op.dst == Mux(op.read_src, src, kept_index))
                                           | (op.operation == Operation.MOVE))):
            m.d.sync += kept.eq(0)

        with m.Switch(ticket.kind):
            with m.Case(Kind.NOTHING):
                m.d.comb += [want.eq(here), ends.eq(1)]
            with m.Case(Kind.UOPS):
                m.d.comb += [want.eq(here & ~loads[-1]), ends.eq(1), self.wait_uop.eq(here & loads[-1])]
            with m.Case(Kind.TILES):
                m.d.comb += [
                    want.eq(here & self.tile.valid & self.delay_empty), ends.eq(tile.last),
                    op.write.eq(tile.write), op.dst.eq(tile.index),
                    # not MOVE for a LOAD without tiles: it would overwrite the src register
                    op.operation.eq(Mux(tile.write & ~tile.pad, Operation.MOVE, Operation.ZERO)),
                    self.tile.ready.eq(self.valid), self.did_tile.eq(self.valid & tile.write),
                    self.wait_tile.eq(here & ~self.tile.valid),
                ]
            with m.Case(Kind.STEPS):
                m.d.comb += [want.eq(here & self.step.valid), op.dst.eq(step.dst), op.use_imm.eq(step.use_imm)]
                with m.If(clash):                        # src alone first
                    m.d.comb += [op.read_src.eq(1), self.wait_hazard.eq(self.valid)]
                with m.Elif(is_mul & (phase != MUL_PHASES - 1)):
                    m.d.comb += [op.operation.eq(Operation.MUL), op.read_x.eq(phase == 0),
                                 op.read_src.eq((phase == 0) & has_src & ~cached),
                                 self.wait_hazard.eq(self.valid)]
                    with m.If(self.valid):
                        m.d.sync += phase.eq(phase + 1)
                with m.Else():
                    m.d.comb += [
                        op.write.eq(1), op.is_gemm.eq(~step.is_alu), ends.eq(step.last),
                        op.read_x.eq(~is_mul), op.read_src.eq(has_src & ~cached & ~is_mul),
                        op.operation.eq(Mux(step.is_alu, step.alu_opcode,
                                              Mux(step.reset, Operation.ZERO, Operation.ADD))),
                        self.step.ready.eq(self.valid), self.did_alu.eq(self.valid & step.is_alu),
                        self.did_gemm.eq(self.valid & ~step.is_alu & ~step.reset),
                        self.did_reset.eq(self.valid & ~step.is_alu & step.reset),
                    ]
                    with m.If(self.valid):
                        m.d.sync += phase.eq(0)
        return m
