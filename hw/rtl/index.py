"""The index generator: loop nest, micro-op memory, index addition."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.isa import Opcode, layouts
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import ISSUED, NUMBER_BITS, chunk_layout
from vta.hw.rtl.nest import OPERANDS, Nest, operand_bits, sticky_add
from vta.hw.rtl.scratchpad import Scratchpad

SEQ_BITS = 5         # LOAD UOPs and nests are counted modulo 32; far fewer are ever in flight
NESTS_AHEAD = 8


def queued_nest_layout():
    """A nest, that is a GEMM or ALU instruction, and the number of LOAD UOPs before it (modulo 2^SEQ_BITS)."""
    return data.StructLayout({"issued": ISSUED, "loads": unsigned(SEQ_BITS)})


def uop_write(config):
    """The oldest LOAD UOP: it has `nests_before` GEMM and ALU instructions before it and writes micro-ops `bgn` to
    `end` - 1, a `chunk` in each cycle with `en`, which may be 1 only while `permitted`."""
    return wiring.Signature({"nests_before": Out(SEQ_BITS), "bgn": Out(16), "end": Out(17), "permitted": In(1),
                             "en": Out(1), "chunk": Out(chunk_layout(config))})


def step_layout(config):
    """One GEMM or ALU step: tile indices, and the fields of its instruction.

    `beyond`: an index that the step uses is not below the depth of its memory (it has wrapped).
    """
    return data.StructLayout({
        **{name: unsigned(bits) for name, bits in operand_bits(config).items()},
        "is_alu": unsigned(1), "reset": unsigned(1), "alu_opcode": unsigned(3), "use_imm": unsigned(1),
        "imm": unsigned(16), "last": unsigned(1), "beyond": unsigned(1), "number": unsigned(NUMBER_BITS)})


class IndexGenerator(wiring.Component):
    """Turns GEMM and ALU instructions into steps, and holds the micro-op memory.

    Throughput: one step a cycle, without a gap between instructions. Latency: 4 cycles from `nest` to `step`. A nest
    starts when the LOAD UOPs before it have been written (`loads_done` counts them). A LOAD UOP may `write` when the
    nests before it have read their last micro-op, or when only the last of them is still reading and its range does
    not overlap.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "nest": In(stream.Signature(queued_nest_layout())),
            "step": Out(stream.Signature(step_layout(config))),
            "loads_done": In(SEQ_BITS),
            "write": In(uop_write(config)), "wait_uop": Out(1), "idle": Out(1)})
        self.formats = layouts(config)

    def elaborate(self, platform):
        m = Module()
        config, formats = self.config, self.formats
        bits = operand_bits(config)
        m.submodules.queue = queue = Fifo(queued_nest_layout(), NESTS_AHEAD)
        m.submodules.loops = loops = Nest(config)
        m.submodules.uops = uops = Scratchpad(config, "UOP", assemble=False)
        wiring.connect(m, queue.i, wiring.flipped(self.nest))
        m.d.comb += [uops.write.en.eq(self.write.en), uops.write.chunk.eq(self.write.chunk)]

        # start a nest
        head = queue.o.payload
        gemm, alu = (data.View(layout, head.issued.insn) for layout in (formats.gemm, formats.alu))
        is_alu = Signal()
        ahead = Signal(SEQ_BITS)
        started = Signal()
        new = loops.insn.payload
        m.d.comb += [
            is_alu.eq(gemm.opcode == Opcode.ALU),
            ahead.eq(self.loads_done - head.loads),          # negative while LOAD UOPs are missing
            self.wait_uop.eq(queue.o.valid & ahead[-1]),
            loops.insn.valid.eq(queue.o.valid & ~ahead[-1]),
            started.eq(loops.insn.valid & loops.insn.ready), queue.o.ready.eq(started),
            *(new[name].eq(gemm[name]) for name in ("uop_bgn", "uop_end", "iter_out", "iter_in")),
            *(new[f"{name}_factor_{loop}"].eq(Mux(
                is_alu, alu[f"{name}_factor_{loop}"] if name != "wgt" else 0, gemm[f"{name}_factor_{loop}"]))
              for name in OPERANDS for loop in ("out", "in")),
        ]
        constant = Signal(step_layout(config))                # what all steps of the nest share
        with m.If(started):
            m.d.sync += [
                constant.is_alu.eq(is_alu), constant.reset.eq(~is_alu & gemm.reset),
                constant.alu_opcode.eq(alu.alu_opcode), constant.use_imm.eq(alu.use_imm),
                constant.imm.eq(alu.imm), constant.number.eq(head.issued.number)]

        # read the micro-op, then add: two stages that move together
        move = Signal()
        read_valid = Signal()
        offset = Signal.like(loops.step.payload.offset)
        shared = Signal(step_layout(config))
        uop_beyond = Signal()
        m.d.comb += [
            move.eq(~self.step.valid | self.step.ready),
            loops.step.ready.eq(move),
            uops.read.en.eq(move), uops.read.index.eq(loops.step.payload.uop),
        ]
        uop = data.View(formats.uop, uops.read.data)
        step = self.step.payload
        sums = {name: sticky_add(offset[name], uop[name]) for name in OPERANDS}
        src_beyond = Mux(shared.is_alu, (sums["src"] >> config.acc_depth_log) != 0,
                         (sums["src"] >> config.inp_depth_log) != 0)
        reads_src = Mux(shared.is_alu, ~shared.use_imm | config.alu_imm_reads_src, ~shared.reset)
        with m.If(move):
            m.d.sync += [
                read_valid.eq(loops.step.valid), offset.eq(loops.step.payload.offset),
                shared.eq(constant), shared.last.eq(loops.step.payload.last),
                uop_beyond.eq(loops.step.payload.uop[-1]),
                self.step.valid.eq(read_valid), step.eq(shared),
                *(step[name].eq(sums[name][:bits[name]]) for name in OPERANDS),
                step.beyond.eq(uop_beyond | sums["dst"][-1] | (reads_src & src_beyond)
                               | (sums["wgt"][-1] & ~shared.is_alu & ~shared.reset)),
            ]

        # when a LOAD UOP may write
        nests_read = Signal(SEQ_BITS)            # nests that have read all their micro-ops
        still_reading = Signal(SEQ_BITS)
        disjoint = Signal()
        with m.If(loops.step.valid & loops.step.ready & loops.step.payload.last):
            m.d.sync += nests_read.eq(nests_read + 1)
        m.d.comb += [
            still_reading.eq(self.write.nests_before - nests_read),
            disjoint.eq(((self.write.bgn >= loops.current.uop_end) | (self.write.end <= loops.current.uop_bgn))
                     & (loops.current.uop_end <= config.depth["UOP"])),       # beyond it, reading wraps to 0
            self.write.permitted.eq((still_reading == 0) | ((still_reading == 1) & loops.step.valid & disjoint)),
            self.idle.eq(~queue.o.valid & ~loops.step.valid & ~read_valid & ~self.step.valid),
        ]
        return m
