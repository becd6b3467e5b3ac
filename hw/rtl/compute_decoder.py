"""What compute needs to know about an instruction, computed in two register stages while it waits for its tokens."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.features import Feature
from vta.hw.isa import INSN_BITS, MEMORY, AluOp, MemType, Opcode, layouts
from vta.hw.rtl.alu import SELECT, selects
from vta.hw.rtl.decode import PADS, PadDecoder, TransferDecoder, known, transfer_layout
from vta.hw.rtl.nest import OPERANDS, nest_layout

LOADS = ("ACC", "ACC_8BIT", "UOP")           # the memory types that compute loads; the first two share a loader


class Kind(enum.Enum, shape=unsigned(3)):
    """What an instruction produces: nothing, written micro-ops, accumulator tiles, or steps. One-hot."""

    NOTHING = 0
    UOPS = 1
    TILES = 2
    STEPS = 4


WIDE = 0             # bit of REQ's immediate

# what an instruction has to do with the requantiser: it is PAR; or REQ, `wide`, and `quick` if its steps write
# different tiles for a while; or a GEMM whose last micro-op `requantises` and whose first one starts from 0 if `fresh`;
# or a WINDOW, which does both in `each` step
REQUANT = data.StructLayout(dict.fromkeys(("par", "req", "wide", "quick", "requantises", "fresh", "each"), 1))


def shared_layout(config):
    """What all steps of an instruction share: result = x `select` y, where y is `imm` if `use_imm`, or a tile if
    `has_src`, or the product of a GEMM or WINDOW (`is_gemm`); 0 with `reset`. `waits`: x cannot come from the op just
    ahead. `long`: a step takes several ops. `is_window` and `requant` only with these features.
    """
    return data.StructLayout({
        "select": SELECT, "is_alu": 1, "is_gemm": 1, "reset": 1, "use_imm": 1, "has_src": 1, "waits": 1,
        "long": 1, "imm": signed(16), **({"is_window": 1} if config.has(Feature.WINDOW) else {}),
        **({"requant": REQUANT} if config.has(Feature.REQUANTISE) or config.has(Feature.WINDOW) else {})})


def decoded_layout(config):
    """A decoded instruction: `kind`, and what that kind needs.

    `bad_opcode` and `bad_memory`: it cannot be executed, and is of kind NOTHING. `bgn`, `end`: the micro-ops that a
    LOAD UOP writes, from `bgn` to `end` - 1; all of them unless it is one plain row.
    """
    return data.StructLayout({
        "kind": Kind, "finish": 1, "bad_opcode": 1, "bad_memory": 1,
        "transfer": transfer_layout(config), "pads": PADS, "bgn": 16, "end": 17,
        "nest": nest_layout(config), "shared": shared_layout(config)})


class ComputeDecoder(wiring.Component):
    """Decodes the instructions of compute in two stages; see `Issue`."""

    def __init__(self, config):
        self.config = config
        super().__init__({"raw": In(INSN_BITS), "move": In(1), "uop_ptr": In(config.axi_addr_width),
                          "acc_ptr": In(config.axi_addr_width), "o": Out(decoded_layout(config))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.transfer = transfer = TransferDecoder(self.config, *LOADS)
        m.submodules.pads = pads = PadDecoder()
        for decoder in (transfer, pads):
            m.d.comb += [decoder.raw.eq(self.raw), decoder.move.eq(self.move)]
        pointers = (self.acc_ptr, self.acc_ptr, self.uop_ptr)
        m.d.comb += [*(port.eq(pointer) for port, pointer in zip(transfer.pointers, pointers, strict=True)),
                     self.o.transfer.eq(transfer.o), self.o.pads.eq(pads.o)]
        self._kind(m)
        self._range(m)
        self._nest(m)
        return m

    def _stages(self, m, name, layout):
        """Two stages of `layout`; the second one takes over what the first one holds."""
        stages = [Signal(layout, name=f"{name}_{n}", reset_less=True) for n in range(2)]
        with m.If(self.move):
            m.d.sync += [late.eq(early) for early, late in pairwise(stages)]
        return stages

    def _kind(self, m):
        memory, alu = (data.View(layout, self.raw) for layout in (MEMORY, layouts(self.config).alu))
        first, second = self._stages(m, "kind", data.StructLayout({
            "kind": Kind, "finish": 1, "bad_opcode": 1, "bad_memory": 1, "some_uops": 1}))
        names = {name: memory.mem_type == MemType[name] for name in LOADS}
        kind = Signal(Kind)
        bad_opcode = Signal()
        bad_memory = Signal()
        with m.Switch(memory.opcode):
            with m.Case(Opcode.LOAD), m.If(memory.x_size != 0):
                m.d.comb += kind.eq(Mux(names["UOP"], Kind.UOPS, Mux(names["ACC"] | names["ACC_8BIT"], Kind.TILES,
                                                                     Kind.NOTHING)))
                m.d.comb += bad_memory.eq(~Cat(names.values()).any())
            with m.Case(*(opcode for opcode in (Opcode.GEMM, Opcode.WINDOW) if opcode in Opcode.of(self.config))):
                m.d.comb += kind.eq(Kind.STEPS)
            with m.Case(Opcode.ALU):
                m.d.comb += [bad_opcode.eq(~known(alu.alu_opcode, AluOp.of(self.config))),
                             kind.eq(Mux(bad_opcode, Kind.NOTHING, Kind.STEPS))]
            with m.Case(Opcode.FINISH):
                pass
            with m.Default():
                m.d.comb += bad_opcode.eq(1)
        has_trips = (alu.iter_out != 0) & (alu.iter_in != 0)
        m.d.sync += [
            first.kind.eq(kind), first.finish.eq(memory.opcode == Opcode.FINISH),
            first.bad_opcode.eq(bad_opcode), first.bad_memory.eq(bad_memory),
            first.some_uops.eq(has_trips & (alu.uop_end > alu.uop_bgn)),
        ]
        with m.If(self.move & (first.kind == Kind.STEPS) & ~first.some_uops):
            m.d.sync += second.kind.eq(Kind.NOTHING)
        m.d.comb += [self.o[name].eq(second[name]) for name in ("kind", "finish", "bad_opcode", "bad_memory")]

    def _range(self, m):
        memory = data.View(MEMORY, self.raw)
        first, second = self._stages(m, "range", data.StructLayout({"bgn": 16, "end": 17, "one_row": 1}))
        pads = Cat(memory.y_pad_0, memory.y_pad_1, memory.x_pad_0, memory.x_pad_1)
        plain = first.one_row & (first.end <= self.config.depth["UOP"])
        m.d.comb += [self.o.bgn.eq(second.bgn), self.o.end.eq(second.end)]
        m.d.sync += [
            first.bgn.eq(memory.sram_base), first.end.eq(memory.sram_base + memory.x_size),
            first.one_row.eq((memory.y_size == 1) & (pads == 0)),
        ]
        with m.If(self.move):
            m.d.sync += [second.bgn.eq(Mux(plain, first.bgn, 0)), second.end.eq(Mux(plain, first.end, ~0))]

    def _nest(self, m):
        formats = layouts(self.config)
        gemm, alu = data.View(formats.gemm, self.raw), data.View(formats.alu, self.raw)
        first, second = self._stages(m, "nest", data.StructLayout({
            "nest": nest_layout(self.config), "shared": shared_layout(self.config)}))
        new, shared = first.nest, first.shared
        is_alu, is_gemm, is_window = (
            gemm.opcode == opcode if opcode in Opcode.of(self.config) else Const(0, 1)
            for opcode in (Opcode.ALU, Opcode.GEMM, Opcode.WINDOW))
        par, req = (is_alu & (alu.alu_opcode == operation) if operation in AluOp.of(self.config) else Const(0, 1)
                    for operation in (AluOp.PAR, AluOp.REQ))
        requantises = gemm.requantise if self.config.has(Feature.REQUANTISE) else Const(0, 1)
        resets = is_gemm & gemm.reset & ~requantises
        m.d.comb += [self.o.nest.eq(second.nest), self.o.shared.eq(second.shared)]
        m.d.sync += [
            *(new[name].eq(gemm[name]) for name in ("uop_bgn", "uop_end", "iter_out", "iter_in")),
            new.uops.eq(gemm.uop_end - gemm.uop_bgn),
            *(new[f"{name}_factor_{loop}"].eq(Mux(
                is_alu, alu[f"{name}_factor_{loop}"] if name != "wgt" else 0, gemm[f"{name}_factor_{loop}"]))
              for name in OPERANDS for loop in ("out", "in")),
            shared.is_gemm.eq((is_gemm & ~resets) | is_window), shared.is_alu.eq(is_alu),
            shared.reset.eq(resets), shared.use_imm.eq((alu.use_imm & ~par) | req),
            *(shared.select[bit].eq(Mux(is_alu & ~par & ~req, selects(alu.alu_opcode, bit), bit == "add"))
              for bit in SELECT.members),
            shared.imm.eq(alu.imm),
        ]
        has_requant = "requant" in shared.shape().members
        is_par = is_req = is_wide = Const(0, 1)        # of the instruction in the second stage
        if has_requant:
            is_par, is_req = shared.requant.par, shared.requant.req
            is_wide = is_req & shared.requant.wide
            # steps that follow each other write different tiles, so many that the requantiser cannot hold them
            many = self.config.acc_depth_log >= 5 and not self.config.alu_imm_reads_src
            distinct = alu.dst_factor_in[0] & Const(many, 1)
            m.d.sync += [
                shared.requant.par.eq(par), shared.requant.req.eq(req), shared.requant.wide.eq(alu.imm[WIDE]),
                shared.requant.requantises.eq((is_gemm | is_window) & requantises), shared.requant.each.eq(is_window),
                shared.requant.fresh.eq((is_gemm & requantises & gemm.reset) | (is_window & gemm.reset)),
                shared.requant.quick.eq(distinct),
            ]
        if "is_window" in shared.shape().members:
            m.d.sync += shared.is_window.eq(is_window)
        with m.If(self.move):
            m.d.sync += [
                second.nest.one_uop.eq(new.uops == 1), second.nest.one_in.eq(new.iter_in == 1),
                second.nest.one_out.eq(new.iter_out == 1),
                second.shared.has_src.eq(shared.is_alu & ~shared.use_imm & ~is_par),
                second.shared.waits.eq(shared.select.shift | shared.select.multiply | is_req),
                second.shared.long.eq(shared.select.multiply | is_par | is_wide),
            ]
            if has_requant:
                one_loop = (new.uops == 1) & (new.iter_out == 1)
                m.d.sync += second.shared.requant.quick.eq(shared.requant.quick & one_loop)
