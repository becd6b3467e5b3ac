"""The store unit's beats do not change while they wait, which the write master relies on."""

from amaranth.hdl import Assume

from vta.hw.rtl import store_data
from vta.sim.formal.property import Property


class SteadyBeats(Property):
    """For any STOREs, any contents of the output buffer and any stalls."""

    def __init__(self, config, unit=store_data):
        super().__init__()
        self.data = unit.StoreData(config)

    def state(self, m):
        dut = self.data
        self.unit(m, dut)
        rows = dut.rows.payload
        m.d.comb += Assume((rows.x_size != 0) & (rows.y_size != 0))
        self.held(m, dut.rows.valid, dut.rows.ready, [rows], Assume)
        self.held(m, dut.beats.valid, dut.beats.ready, [dut.beats.payload])
