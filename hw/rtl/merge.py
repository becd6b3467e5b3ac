"""Puts the work of the compute unit in program order, one slot of the accumulator pipeline a cycle."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.acc_tiles import tile_layout
from vta.hw.rtl.accumulate import bank_of, slot_layout, tag_layout
from vta.hw.rtl.alu import MUL_PHASES, Operation
from vta.hw.rtl.index import SEQ_BITS, step_layout
from vta.hw.rtl.interfaces import NUMBER_BITS


class Kind(enum.Enum, shape=unsigned(2)):
    """What an instruction waits for at its turn: nothing, its micro-ops, accumulator tiles, GEMM or ALU steps."""

    NOTHING = 0
    UOPS = 1
    TILES = 2
    STEPS = 3


def turn_layout():
    """The turn of instruction `number`; `loads`: LOAD UOPs up to and including it, modulo 2^SEQ_BITS."""
    return data.StructLayout({"kind": Kind, "loads": unsigned(SEQ_BITS), "tag": tag_layout(),
                              "number": unsigned(NUMBER_BITS)})


class InOrderMerge(wiring.Component):
    """Merges tiles and steps into slots in the order of `turn`s; every instruction's last slot carries its tag.

    Costs, in cycles: GEMM step, immediate ALU step, tile, instruction without work: 1. ALU step with src: 1, or
    2 where src and dst lie in one bank and src is not the tile used last. MUL step: `MUL_PHASES`.
    A slot with tokens waits until their queues have `space`, and reserves it. Tiles wait until `line_empty`: no
    slot is beside a dot product ahead of them.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "turn": In(stream.Signature(turn_layout())),
            "step": In(stream.Signature(step_layout(config))),
            "tile": In(stream.Signature(tile_layout(config))),
            "loads_done": In(SEQ_BITS),
            "space_prev": In(1), "space_next": In(1), "line_empty": In(1),
            "valid": Out(1), "slot": Out(slot_layout(config)),
            # what this cycle was spent on, for the counters
            "did_gemm": Out(1), "did_reset": Out(1), "did_alu": Out(1), "did_tile": Out(1), "did_turn": Out(1),
            "wait_uop": Out(1), "wait_tile": Out(1), "wait_hazard": Out(1), "wait_space": Out(1)})

    def elaborate(self, platform):
        m = Module()
        turn, step, tile, slot = self.turn.payload, self.step.payload, self.tile.payload, self.slot
        here = self.turn.valid
        space = Signal()
        loads = Signal(SEQ_BITS)
        ends = Signal()                          # this would be the turn's last slot
        want = Signal()                          # it could go now but for space
        m.d.comb += [
            space.eq((~turn.tag.push_prev | self.space_prev) & (~turn.tag.push_next | self.space_next)),
            loads.eq(self.loads_done - turn.loads),
            self.valid.eq(want & (space | ~ends)), self.wait_space.eq(want & ends & ~space),
            self.turn.ready.eq(self.valid & ends), self.did_turn.eq(self.turn.valid & self.turn.ready),
        ]
        with m.If(ends):
            m.d.comb += slot.tag.eq(turn.tag)

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
            slot.phase.eq(phase), slot.imm.eq(step.imm), slot.src.eq(src),
            slot.x.eq(Mux(step.is_alu & step.use_imm, src, step.dst) if self.config.alu_imm_reads_src else step.dst),
        ]
        with m.If(self.valid & slot.read_src):
            m.d.sync += [kept.eq(1), kept_index.eq(src)]
        with m.If(self.valid & slot.write & ((slot.dst == Mux(slot.read_src, src, kept_index))
                                             | (slot.operation == Operation.MOVE))):
            m.d.sync += kept.eq(0)

        with m.Switch(turn.kind):
            with m.Case(Kind.NOTHING):
                m.d.comb += [want.eq(here), ends.eq(1)]
            with m.Case(Kind.UOPS):
                m.d.comb += [want.eq(here & ~loads[-1]), ends.eq(1), self.wait_uop.eq(here & loads[-1])]
            with m.Case(Kind.TILES):
                m.d.comb += [
                    want.eq(here & self.tile.valid & self.line_empty), ends.eq(tile.last),
                    slot.write.eq(tile.write), slot.dst.eq(tile.index),
                    # a LOAD without tiles is no MOVE, which would overwrite the src register
                    slot.operation.eq(Mux(tile.write & ~tile.pad, Operation.MOVE, Operation.ZERO)),
                    self.tile.ready.eq(self.valid), self.did_tile.eq(self.valid & tile.write),
                    self.wait_tile.eq(here & ~self.tile.valid),
                ]
            with m.Case(Kind.STEPS):
                m.d.comb += [want.eq(here & self.step.valid), slot.dst.eq(step.dst), slot.use_imm.eq(step.use_imm)]
                with m.If(clash):                        # src alone first
                    m.d.comb += [slot.read_src.eq(1), self.wait_hazard.eq(self.valid)]
                with m.Elif(is_mul & (phase != MUL_PHASES - 1)):
                    m.d.comb += [slot.operation.eq(Operation.MUL), slot.read_x.eq(phase == 0),
                                 slot.read_src.eq((phase == 0) & has_src & ~cached),
                                 self.wait_hazard.eq(self.valid)]
                    with m.If(self.valid):
                        m.d.sync += phase.eq(phase + 1)
                with m.Else():
                    m.d.comb += [
                        slot.write.eq(1), slot.is_gemm.eq(~step.is_alu), ends.eq(step.last),
                        slot.read_x.eq(~is_mul), slot.read_src.eq(has_src & ~cached & ~is_mul),
                        slot.operation.eq(Mux(step.is_alu, step.alu_opcode,
                                              Mux(step.reset, Operation.ZERO, Operation.ADD))),
                        self.step.ready.eq(self.valid), self.did_alu.eq(self.valid & step.is_alu),
                        self.did_gemm.eq(self.valid & ~step.is_alu & ~step.reset),
                        self.did_reset.eq(self.valid & ~step.is_alu & step.reset),
                    ]
                    with m.If(self.valid):
                        m.d.sync += phase.eq(0)
        return m
