"""The loop nest yields exactly the steps of three nested loops, with their indices."""

from amaranth.hdl import Assert, Assume, Mux, Signal

from vta.hw.rtl import nest
from vta.sim.formal.property import Property


class ThreeLoops(Property):
    """Instructions with any factors and at most `trips` trips per loop, back to back, against three counters.

    Steps (i, j, k) must be offered in order, with micro-op uop_bgn + k and indices i * outer + j * inner,
    whose sticky bit says that the index does not fit.
    """

    def __init__(self, config, unit=nest, trips=4):
        super().__init__()
        self.trips = trips
        self.nest = unit.Nest(config)
        self.operands = unit.operand_bits(config)

    def state(self, m):
        dut = self.nest
        self.unit(m, dut)
        new, step = dut.insn.payload, dut.step.payload
        m.d.comb += [Assume((new.iter_out != 0) & (new.iter_out <= self.trips)),
                     Assume((new.iter_in != 0) & (new.iter_in <= self.trips)),
                     Assume((new.uop_end > new.uop_bgn) & (new.uop_end <= new.uop_bgn + self.trips)),
                     Assume(new.uops == new.uop_end - new.uop_bgn), Assume(new.one_uop == (new.uops == 1)),
                     Assume(new.one_in == (new.iter_in == 1)), Assume(new.one_out == (new.iter_out == 1))]
        self.held(m, dut.insn.valid, dut.insn.ready, [new], Assume)
        self.held(m, dut.step.valid, dut.step.ready, [step])
        insn, busy = Signal(dut.insn.payload.shape()), Signal()
        i, j, k = (Signal(range(self.trips + 1), name=name) for name in "ijk")
        taken, fire = dut.insn.valid & dut.insn.ready, dut.step.valid & dut.step.ready
        k_ends = insn.uop_bgn + k + 1 == insn.uop_end
        j_ends, i_ends = j + 1 == insn.iter_in, i + 1 == insn.iter_out
        with m.If(fire):
            m.d.sync += k.eq(Mux(k_ends, 0, k + 1))
            with m.If(k_ends):
                m.d.sync += j.eq(Mux(j_ends, 0, j + 1))
                with m.If(j_ends):
                    m.d.sync += i.eq(Mux(i_ends, 0, i + 1))
                    with m.If(i_ends):
                        m.d.sync += busy.eq(0)
        with m.If(taken):
            m.d.sync += [busy.eq(1), insn.eq(new)]
        m.d.comb += [Assert(dut.step.valid == busy), Assert(~taken | ~busy | (fire & step.last))]
        with m.If(dut.step.valid):
            m.d.comb += [Assert(step.uop == insn.uop_bgn + k), Assert(step.last == (k_ends & j_ends & i_ends))]
            for name, bits in self.operands.items():
                whole = i * insn[f"{name}_factor_out"] + j * insn[f"{name}_factor_in"]
                index = step.offset[name]
                m.d.comb += [Assert(index[:bits] == whole[:bits]), Assert(index[bits] == (whole >> bits != 0))]
