"""The second half of a tensor loader: turns arriving beats into tiles, and writes the padding around them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.interfaces import NUMBER_BITS, beat_layout, chunk_layout, diagonal_member, pad_byte_member
from vta.hw.rtl.walkers import DataWalker, PadWalker, descriptor_layout, selected


class TileWriter(wiring.Component):
    """Turns the beats of LOADs, in order, into chunks; one chunk a cycle, without a gap between LOADs.

    `names` are the memory types served, e.g. ("INP", "WGT"); a third and a fourth one have the memories of the first
    two (INP_PAD, WGT_DIAG). The data walker follows the rows as beats arrive; the pad walker **writes the padding** in
    cycles that leave the memory's write port idle: those without data and, for `assembled` types (written a whole tile
    at a time), those whose slice does not complete a tile. Of tiles smaller than the bus, one leaves the beat per
    cycle. The consumer may stall `chunk`, which stalls `beats`; a stalled chunk may still gain a slice of data.
    `beyond` is 1 in a cycle that writes beyond the memory (the index wraps), `bad` in a cycle that takes a beat with an
    error response; `number` is that of the LOAD in progress.
    """

    def __init__(self, config, *names, assembled=()):
        self.config = config
        self.assembled = [name in assembled for name in names[:2]]
        self.tile_logs = [exact_log2(config.tile_bytes[name]) for name in names]
        self.depth_logs = [exact_log2(config.depth[name]) for name in names[:2]]
        super().__init__({
            "descriptor": In(stream.Signature(descriptor_layout(config))),
            "beats": In(stream.Signature(beat_layout(config))),
            "chunk": Out(stream.Signature(chunk_layout(config))),
            "beyond": Out(1), "bad": Out(1), "busy": Out(1), "number": Out(NUMBER_BITS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.data_walker = walker = DataWalker(self.config, self.tile_logs, self.depth_logs)
        m.submodules.pad_walker = padding = PadWalker(self.config, self.depth_logs)
        new, beat, chunk = self.descriptor.payload, self.beats.payload, self.chunk.payload
        load = Signal(descriptor_layout(self.config), reset_less=True)
        start = Signal()
        active = Signal()
        do_data = Signal()
        do_pad = Signal()
        ended = Signal()                         # the LOAD in progress ends in this cycle, or there is none
        done = Signal()
        m.d.comb += [
            *(port.eq(value) for unit in (walker, padding) for port, value in (
                (unit.start, start), (unit.new, new), (unit.load, load),
                (unit.new.data, new.data & self.descriptor.valid), (unit.new.pads, new.pads & self.descriptor.valid))),
            do_data.eq(walker.left & self.beats.valid),
            do_pad.eq(padding.valid & (~do_data | (selected(load.select, self.assembled) & ~walker.tile_ends))),
            # if data and padding end in the same cycle, the LOAD takes one cycle more: so this is quick to know
            ended.eq(Mux(padding.left, ~walker.left & padding.ends,
                         ~walker.left | (self.beats.valid & walker.ends))),
            done.eq(active & ended),
            walker.step.eq(do_data & self.chunk.ready), padding.step.eq(do_pad & self.chunk.ready),
            self.chunk.valid.eq(do_data | do_pad | done),
            chunk.select.eq(load.select), chunk.write.eq(do_data), chunk.index.eq(walker.index),
            chunk.slice.eq(walker.slice), chunk.complete.eq(walker.tile_ends),
            chunk.data.eq(beat.data >> (walker.beat_offset << 3)
                          if min(self.tile_logs) < bus_log(self.config) else beat.data),
            chunk.pad.eq(do_pad), chunk.pad_index.eq(padding.index),
            *(chunk[name].eq(load[name]) for name in pad_byte_member(self.config) | diagonal_member(self.config)),
            chunk.last.eq(done), chunk.push.eq(load.push),
            self.beats.ready.eq(walker.left & self.chunk.ready & walker.beat_ends),
            self.beyond.eq(self.chunk.ready & ((do_data & walker.beyond) | (do_pad & padding.beyond))),
            self.bad.eq(self.beats.valid & self.beats.ready & beat.error),
            self.number.eq(load.number), self.busy.eq(active),
            # the walkers follow what is offered, whether or not there is something
            start.eq(self.descriptor.ready),
            self.descriptor.ready.eq(ended & self.chunk.ready),
        ]
        with m.If(self.descriptor.ready):
            m.d.sync += [load.eq(new), active.eq(self.descriptor.valid)]
        return m
