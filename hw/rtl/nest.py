"""The loop nest of GEMM and ALU instructions: for each outer, for each inner, for each micro-op."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import LOOP_BITS

OPERANDS = ("dst", "src", "wgt")


def nest_layout(config):
    """Trip counts, micro-op range and index factors of an instruction; trip counts and range must not be empty."""
    bits = operand_bits(config)
    u = config.uop_depth_log
    return data.StructLayout({
        "uop_bgn": unsigned(u), "uop_end": unsigned(u + 1),
        "iter_out": unsigned(LOOP_BITS), "iter_in": unsigned(LOOP_BITS),
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
    marks an instruction's last step. `insn` is taken in the cycle of the previous instruction's last step, or when
    idle; `current` is the instruction in progress. Latency: one cycle. `step` may be stalled; it holds.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(nest_layout(config))),
            "step": Out(stream.Signature(data.StructLayout({
                "uop": unsigned(config.uop_depth_log + 1), "offset": offset_layout(config), "last": unsigned(1)}))),
            "current": Out(nest_layout(config))})

    def elaborate(self, platform):
        m = Module()
        now, step = self.current, self.step.payload
        outer = Signal(offset_layout(self.config))
        inner = Signal(offset_layout(self.config))
        left_out = Signal(LOOP_BITS)             # trips left of the outer loop, including this one
        left_in = Signal(LOOP_BITS)              # ... and of the inner loop
        uop = Signal(self.config.uop_depth_log + 1)
        active = Signal()
        fire = Signal()
        uop_ends = Signal()
        in_ends = Signal()
        m.d.comb += [
            self.step.valid.eq(active), step.uop.eq(uop), step.offset.eq(inner),
            uop_ends.eq(uop + 1 == now.uop_end), in_ends.eq(uop_ends & (left_in == 1)),
            step.last.eq(in_ends & (left_out == 1)),
            fire.eq(active & self.step.ready),
            self.insn.ready.eq(~active | (fire & step.last)),
        ]
        with m.If(fire):
            m.d.sync += uop.eq(Mux(uop_ends, now.uop_bgn, uop + 1))
            with m.If(uop_ends):
                m.d.sync += [left_in.eq(left_in - 1), *(
                    inner[name].eq(sticky_add(inner[name], now[f"{name}_factor_in"])) for name in OPERANDS)]
            with m.If(in_ends):
                m.d.sync += [left_in.eq(now.iter_in), left_out.eq(left_out - 1)]
                for name in OPERANDS:
                    onward = sticky_add(outer[name], now[f"{name}_factor_out"])
                    m.d.sync += [outer[name].eq(onward), inner[name].eq(onward)]
            with m.If(step.last):
                m.d.sync += active.eq(0)
        with m.If(self.insn.valid & self.insn.ready):
            new = self.insn.payload
            m.d.sync += [now.eq(new), active.eq(1), uop.eq(new.uop_bgn), left_in.eq(new.iter_in),
                         left_out.eq(new.iter_out), outer.eq(0), inner.eq(0)]
        return m
