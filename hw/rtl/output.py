"""The way out of the accumulators: the output buffer, and before it the requantiser."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.features import Feature
from vta.hw.rtl.accumulate import op_layout, tag_layout
from vta.hw.rtl.interfaces import scratch_read
from vta.hw.rtl.requantise import LATENCY, Requantise


class Output(wiring.Component):
    """Holds the output buffer. It gets the low byte of every result that is `written`, or of the requantised one.

    Connects to the ports of `Accumulate` of the same names. A tile that enters the requantiser is in the buffer
    `LATENCY` cycles later than a plain one; no plain result for the buffer may come at that time. `back` returns it to
    the accumulators, `done` is its tag, two cycles before it is written; `leaves`, with `to_acc`, announces it in the
    cycle before. The read port has a latency of one cycle.
    """

    def __init__(self, config):
        self.config = config
        self.tile_shape = data.ArrayLayout(signed(32), config.lanes)
        super().__init__({
            "writing_valid": In(1), "writing": In(op_layout(config)), "result": In(self.tile_shape),
            "computed": In(self.tile_shape),
            "back": Out(1), "back_dst": Out(config.acc_depth_log), "back_tile": Out(self.tile_shape),
            "done": Out(tag_layout()), "leaves": Out(1), "to_acc": Out(1),
            "out": In(scratch_read(config, "OUT"))})

    def elaborate(self, platform):
        m = Module()
        config, op = self.config, self.writing
        m.submodules.buffer = buffer = memory.Memory(shape=8 * config.lanes, depth=config.depth["OUT"], init=[])
        read = buffer.read_port()
        write = buffer.write_port()
        m.d.comb += [
            read.en.eq(self.out.en), read.addr.eq(self.out.index), self.out.data.eq(read.data),
            write.en.eq(self.writing_valid & op.write), write.addr.eq(op.dst),
            write.data.eq(Cat(value[:8] for value in self.result)),
        ]
        if config.has(Feature.REQUANTISE):
            self._requantise(m, write)
        return m

    def _requantise(self, m, write):
        op = self.writing
        m.submodules.requantise = requantise = Requantise(self.config)
        requant = op.requant
        entry = data.StructLayout({"valid": 1, "to_acc": 1, "dst": self.config.acc_depth_log, "tag": tag_layout()})
        # [n]: the tile that entered n + 1 cycles ago
        ahead = [Signal(entry, name=f"ahead_{n}") for n in range(LATENCY)]
        new = Signal(entry)
        due, soon, announced = ahead[LATENCY - 1], ahead[LATENCY - 2], ahead[LATENCY - 3]
        m.d.comb += [
            new.valid.eq(self.writing_valid & requant.enters), new.to_acc.eq(requant.to_acc), new.dst.eq(op.dst),
            new.tag.eq(op.tag),
            requantise.tile.eq(self.computed),
            requantise.first_half.eq(requant.first_half), requantise.second_half.eq(requant.second_half),
            requantise.load.eq(Mux(self.writing_valid, requant.load.as_value(), 0)),
            requantise.load_bounds.eq(self.writing_valid & requant.load.shift),
            requantise.bounds.eq(op.imm),
            self.leaves.eq(soon.valid), self.to_acc.eq(soon.to_acc),
            self.back.eq(soon.valid & soon.to_acc), self.back_dst.eq(soon.dst), self.back_tile.eq(requantise.result),
        ]
        m.d.sync += [late.eq(early) for early, late in zip([new, *ahead], ahead, strict=False)]
        with m.If(announced.valid):
            m.d.comb += self.done.eq(announced.tag)
        m.d.comb += write.en.eq((self.writing_valid & op.write & ~requant.only_acc) | due.valid)
        with m.If(due.valid):
            m.d.comb += [write.addr.eq(due.dst), write.data.eq(Cat(value[:8] for value in requantise.result))]
