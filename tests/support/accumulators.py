"""The accumulators and the way out of them as one unit, connected as in `vta.hw.rtl.compute`."""

from amaranth.hdl import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.rtl.accumulate import Accumulate, op_layout, tag_layout
from vta.hw.rtl.interfaces import scratch_read
from vta.hw.rtl.output import Output


class Accumulators(wiring.Component):
    """`Accumulate` with its `Output`; `done` is the tag of either."""

    def __init__(self, config, dot_bits):
        self.accumulate, self.output = Accumulate(config, dot_bits), Output(config)
        super().__init__({
            "valid": In(1), "op": In(op_layout(config)), "tile": In(self.accumulate.tile_shape),
            "dot": In(data.ArrayLayout(self.accumulate.dot.shape().elem_shape, config.lanes)),
            "done": Out(tag_layout()), "busy": Out(1), "out": In(scratch_read(config, "OUT"))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.accumulate, m.submodules.output = accumulate, output = self.accumulate, self.output
        connect(m, flipped(self.out), output.out)
        m.d.comb += [
            *(getattr(accumulate, name).eq(getattr(self, name)) for name in ("valid", "op", "tile", "dot")),
            *(getattr(output, name).eq(getattr(accumulate, name)) for name in (
                "writing_valid", "writing", "result", "computed")),
            *(getattr(accumulate, name).eq(getattr(output, name)) for name in ("back", "back_dst", "back_tile")),
            self.done.eq(accumulate.done.as_value() | output.done.as_value()), self.busy.eq(accumulate.busy),
        ]
        return m
