"""The loop nest of GEMM, WINDOW and ALU instructions: for each outer, for each inner, for each micro-op."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import LOOP_BITS

OPERANDS = ("dst", "src", "wgt")


def nest_layout(config):
    """Micro-op range, trip counts and index factors of an instruction; trip counts and range must not be empty.

    `uops` is the length of the range; `one_uop`, `one_in`, `one_out`: there is one micro-op, one trip of the loop.
    """
    bits = operand_bits(config)
    u = config.uop_depth_log
    return data.StructLayout({
        "uop_bgn": unsigned(u), "uop_end": unsigned(u + 1), "uops": unsigned(u + 1),
        "iter_out": unsigned(LOOP_BITS), "iter_in": unsigned(LOOP_BITS), "one_uop": 1, "one_in": 1, "one_out": 1,
        **{f"{name}_factor_{loop}": unsigned(bits[name]) for name in OPERANDS for loop in ("out", "in")}})


def operand_bits(config):
    """Width of each index; `src` serves INP tiles (GEMM) and ACC tiles (ALU)."""
    a, i, w = config.acc_depth_log, config.inp_depth_log, config.wgt_depth_log
    return {"dst": a, "src": max(a, i), "wgt": w}


def offset_layout(config):
    """Loop offsets of one step; the top bit of each is sticky: the offset has left the range of its index."""
    return data.StructLayout({name: unsigned(bits + 1) for name, bits in operand_bits(config).items()})


def sticky_add(at, step):
    """`at` + `step` modulo the index range; the sticky top bit is set by a carry and by the top bits of both."""
    bits = len(at) - 1
    total = at[:bits] + step[:bits]
    return Cat(total[:bits], total[bits] | at[bits] | (step[bits] if len(step) > bits else 0))


class Nest(wiring.Component):
    """Yields the steps of instructions, one a cycle and without a gap between two instructions.

    `uop` is the micro-op's address, one bit wider than the micro-op memory (the top bit set: beyond it). `last`
    marks an instruction's last step, `initial` and `final` the first and the last micro-op of a trip. `insn` is taken
    in the cycle of the previous instruction's last step, or when idle; `current` is the instruction in progress.
    Latency: one cycle. `step` may be stalled; it holds.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(nest_layout(config))),
            "step": Out(stream.Signature(data.StructLayout({
                "uop": unsigned(config.uop_depth_log + 1), "offset": offset_layout(config), "last": unsigned(1),
                "initial": unsigned(1), "final": unsigned(1)}))),
            "current": Out(nest_layout(config))})

    def elaborate(self, platform):
        m = Module()
        step, new = self.step.payload, self.insn.payload
        now = Signal(nest_layout(self.config), reset_less=True)
        outer = Signal(offset_layout(self.config), reset_less=True)
        inner = Signal(offset_layout(self.config), reset_less=True)
        # what is left, including this step and trip
        uop = Signal(self.config.uop_depth_log + 1, reset_less=True)
        uops, left_in, left_out = (
            Signal.like(now[name], name=f"left_{name}", reset_less=True) for name in ("uops", "iter_in", "iter_out"))
        # whether this step is the last one of the micro-ops, of the inner loop, of the nest; this trip the last one
        last_uop, last_in, last, last_in_trip, last_out_trip = (
            Signal(name=name, reset_less=True)
            for name in ("last_uop", "last_in", "last", "last_in_trip", "last_out_trip"))
        next_uop, next_in_trip, next_out_trip = (
            # the same, of the next step
            Signal(name=name) for name in ("next_uop", "next_in_trip", "next_out_trip"))
        first_uop = Signal(reset_less=True)
        active = Signal()
        m.d.comb += [
            self.current.eq(now),
            self.step.valid.eq(active), step.uop.eq(uop), step.offset.eq(inner), step.last.eq(last),
            step.initial.eq(first_uop), step.final.eq(last_uop),
            self.insn.ready.eq(~active | (self.step.ready & last)),
            next_uop.eq(Mux(last_uop, now.one_uop, uops == 2)),
            next_in_trip.eq(Mux(last_uop, Mux(last_in_trip, now.one_in, left_in == 2), last_in_trip)),
            next_out_trip.eq(Mux(last_in, left_out == 2, last_out_trip)),
        ]
        # the registers follow what is offered, whether or not there is something
        with m.If(self.insn.ready):
            m.d.comb += [next_uop.eq(new.one_uop), next_in_trip.eq(new.one_in), next_out_trip.eq(new.one_out)]
            m.d.sync += [now.eq(new), active.eq(self.insn.valid), uop.eq(new.uop_bgn), outer.eq(0), inner.eq(0),
                         uops.eq(new.uops), left_in.eq(new.iter_in), left_out.eq(new.iter_out)]
        with m.Elif(self.step.ready):
            m.d.sync += [uop.eq(Mux(last_uop, now.uop_bgn, uop + 1)), uops.eq(Mux(last_uop, now.uops, uops - 1))]
            with m.If(last_uop):
                m.d.sync += [left_in.eq(left_in - 1), *(
                    inner[name].eq(sticky_add(inner[name], now[f"{name}_factor_in"])) for name in OPERANDS)]
            with m.If(last_in):
                m.d.sync += [left_in.eq(now.iter_in), left_out.eq(left_out - 1)]
                for name in OPERANDS:
                    onward = sticky_add(outer[name], now[f"{name}_factor_out"])
                    m.d.sync += [outer[name].eq(onward), inner[name].eq(onward)]
        with m.If(self.insn.ready | self.step.ready):
            m.d.sync += [
                last_uop.eq(next_uop), last_in_trip.eq(next_in_trip), last_out_trip.eq(next_out_trip),
                first_uop.eq(self.insn.ready | last_uop),
                last_in.eq(next_uop & next_in_trip), last.eq(next_uop & next_in_trip & next_out_trip)]
        return m
