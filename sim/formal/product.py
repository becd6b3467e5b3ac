"""Two int8 products in one multiplier: exact for all operands."""

from amaranth.hdl import Assert, Const, signed

from vta.hw.rtl import gemm
from vta.sim.formal.property import Property


class DualProduct(Property):
    """`dual_product` and `split_product` give x * w0 and x * w1 for one x and all weights, or for every x."""

    def __init__(self, unit=gemm, x=None):
        super().__init__()
        self.gemm, self.x = unit, x

    def state(self, m):
        x = self.free(signed(8), "x") if self.x is None else Const(self.x, signed(8))
        gemm = self.gemm
        w0, w1 = (self.free(signed(8), name) for name in ("w0", "w1"))
        low, high = gemm.split_product(gemm.correct(gemm.dual_product(x, gemm.pair(w0, w1)))[:32])
        m.d.comb += [Assert(low == x * w0), Assert(high == x * w1)]
