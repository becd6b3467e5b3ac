"""What LOADs and STOREs need before they start, computed in two register stages while they wait for their tokens."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vta.hw.isa import INSN_BITS, MEMORY, MEMORY_PAD, MemType
from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.burst_generator import ROW_BITS, region_layout

PAD_BITS = 22        # tiles of padding: at most 15 rows of 65565
SIZE_BITS = 16       # of x_size and y_size


def known(code, codes):
    """Whether the signal `code` is one of `codes`."""
    return Cat(code == each for each in codes).any()


def sram_base(raw):
    """`sram_base` of a LOAD of INP, WGT or INP_PAD, whose field is shorter."""
    return Mux(data.View(MEMORY, raw).mem_type == MemType.INP_PAD,
               data.View(MEMORY_PAD, raw).sram_base, data.View(MEMORY, raw).sram_base)


def transfer_layout(config):
    """A decoded LOAD or STORE.

    `select` is the position of its memory type in the decoder's list. With `work` it is one of them, and moves `y_size`
    rows of `x_size` tiles, which lie in `region`; `merged` rows are contiguous in DRAM, and the region has one row for
    all of them. The first row starts at byte `beat_offset` of a beat, each next row `stride` bytes later, modulo the
    bus.
    """
    bus = bus_log(config)
    return data.StructLayout({
        "select": 2, "work": 1, "region": region_layout(config), "merged": 1, "sram_base": 16,
        "x_size": SIZE_BITS, "y_size": SIZE_BITS, "beat_offset": bus, "stride": bus})


class TransferDecoder(wiring.Component):
    """Decodes LOADs and STOREs of up to four memory types, `names`, in two stages; see `Issue`.

    `pointers` are the base addresses of the memory types, multiples of the bus.
    """

    def __init__(self, config, *names):
        self.config, self.names = config, names
        super().__init__({"raw": In(INSN_BITS), "move": In(1), "pointers": In(config.axi_addr_width).array(len(names)),
                          "o": Out(transfer_layout(config))})

    def elaborate(self, platform):
        m = Module()
        config, bus = self.config, bus_log(self.config)
        fields = data.View(MEMORY, self.raw)
        logs = [exact_log2(config.tile_bytes[name]) for name in self.names]
        address = unsigned(config.axi_addr_width)

        # first stage: the address, the sizes, the tiles of all rows (one multiplier)
        select = Signal(2)
        known = Signal()
        first = Signal(data.StructLayout({
            "select": 2, "work": 1, "merged": 1, "address": address, "sram_base": 16, "x_size": SIZE_BITS,
            "y_size": SIZE_BITS, "x_stride": SIZE_BITS, "row_end": SIZE_BITS, "all_end": 2 * SIZE_BITS}),
            reset_less=True)
        for number, name in enumerate(self.names):
            with m.If(fields.mem_type == MemType[name]):
                m.d.comb += [select.eq(number), known.eq(1)]
        m.d.sync += [
            first.select.eq(select), first.merged.eq(fields.x_stride == fields.x_size),
            first.work.eq(known & (fields.x_size != 0) & (fields.y_size != 0)),
            first.address.eq(Array(self.pointers)[select] + Array(fields.dram_base << log for log in logs)[select]),
            first.sram_base.eq(sram_base(self.raw) if "INP_PAD" in self.names else fields.sram_base),
            *(first[name].eq(fields[name]) for name in ("x_size", "y_size", "x_stride")),
            first.row_end.eq(fields.x_size - 1), first.all_end.eq(fields.x_size * fields.y_size - 1),
        ]

        # second stage: the region
        def in_bytes(tiles, below):
            """Tiles of the selected type as bytes, with the bit `below` in all places below a tile."""
            return Array(Cat(Const(below, 1).replicate(log), tiles) for log in logs)[first.select]

        second = Signal(transfer_layout(config), reset_less=True)
        stride = Signal(ROW_BITS)
        m.d.comb += [stride.eq(in_bytes(first.x_stride, 0)), self.o.eq(second)]
        with m.If(self.move):
            m.d.sync += [
                *(second[name].eq(first[name]) for name in (
                    "select", "work", "merged", "sram_base", "x_size", "y_size")),
                second.region.first.eq(first.address),
                second.region.last.eq(
                    first.address + in_bytes(Mux(first.merged, first.all_end, first.row_end), 1)),
                second.region.stride.eq(stride), second.stride.eq(stride[:bus]),
                second.region.rows.eq(Mux(first.merged, 1, first.y_size)), second.beat_offset.eq(first.address[:bus]),
            ]
        return m


PADS = data.StructLayout({
    "base": unsigned(17), "top": unsigned(PAD_BITS), "bottom": unsigned(PAD_BITS),
    "left": unsigned(4), "right": unsigned(4), "between": unsigned(5), "skip": unsigned(6), "any": unsigned(1),
    "some_rows": unsigned(1)})


class PadDecoder(wiring.Component):
    """Decodes the padding of LOADs, in two stages; see `Issue`.

    `o`: `top` tiles of padding above the first row and `bottom` below the last, `left` and `right` of each row,
    `between` two rows, which are `skip` tiles apart; without the padding above it, the first tile of data is tile
    `base`. `any`: the LOAD has padding. `some_rows`: it has rows of data. With `any_byte` there are LOADs of
    INP_PAD, and `byte` is what padding consists of: 0 for the others.
    """

    def __init__(self, *, any_byte=False):
        self.any_byte = any_byte
        super().__init__({"raw": In(INSN_BITS), "move": In(1), "o": Out(PADS), "byte": Out(8)})

    def elaborate(self, platform):
        m = Module()
        fields = data.View(MEMORY, self.raw)
        first = Signal(data.StructLayout({
            "width": 17, "base": 17, "top": 4, "bottom": 4, "left": 4, "right": 4, "between": 5, "any": 1,
            "some_rows": 1}), reset_less=True)
        second = Signal(PADS, reset_less=True)
        across = fields.x_pad_0 + fields.x_pad_1
        above = (fields.y_pad_0 | fields.y_pad_1) != 0
        beside = (fields.x_pad_0 | fields.x_pad_1) != 0
        some_rows = fields.y_size != 0

        def rows(count):
            """`count` (4 bits) rows: shifted sums, no multiplier."""
            terms = [Mux(bit, first.width << n, 0) for n, bit in enumerate(count)]
            return (terms[0] + terms[1]) + (terms[2] + terms[3])

        base = fields.sram_base
        if self.any_byte:
            base, pad = sram_base(self.raw), data.View(MEMORY_PAD, self.raw)
            byte, now = (Signal(8, name=name, reset_less=True) for name in ("first_byte", "second_byte"))
            m.d.sync += byte.eq(Mux(fields.mem_type == MemType.INP_PAD, Cat(pad.pad_low, pad.pad_high), 0))
            with m.If(self.move):
                m.d.sync += now.eq(byte)
            m.d.comb += self.byte.eq(now)
        m.d.comb += self.o.eq(second)
        m.d.sync += [
            first.width.eq(fields.x_size + across), first.base.eq(base + fields.x_pad_0),
            first.top.eq(fields.y_pad_0), first.bottom.eq(fields.y_pad_1), first.between.eq(across),
            first.left.eq(fields.x_pad_0), first.right.eq(fields.x_pad_1), first.some_rows.eq(some_rows),
            first.any.eq((fields.x_size != 0) & (above | (beside & some_rows))),
        ]
        with m.If(self.move):
            m.d.sync += [
                *(second[name].eq(first[name]) for name in ("base", "left", "right", "between", "any", "some_rows")),
                second.skip.eq(first.between + 1), second.top.eq(rows(first.top)), second.bottom.eq(rows(first.bottom)),
            ]
        return m
