"""The index generator: loop nest, micro-op memory, index addition."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.features import Feature
from vta.hw.isa import layouts
from vta.hw.rtl.accumulate import bank_of
from vta.hw.rtl.fifo import Counter, Fifo
from vta.hw.rtl.interfaces import chunk_layout
from vta.hw.rtl.nest import OPERANDS, Nest, nest_layout, offset_layout, operand_bits, sticky_add
from vta.hw.rtl.scratchpad import Scratchpad

SEQ_BITS = 5         # LOAD UOPs and nests are counted modulo 32; far fewer are ever in flight
NESTS_AHEAD = 8
STEPS_AHEAD = 8      # steps between the nest and the merge: more than the 5 cycles of a place's round trip

FLAGS = ("is_alu", "reads_src", "has_src", "waits", "use_imm", "keeps_dst", "long")      # of a nest
TRIP = ("initial", "final")          # of a step: its micro-op is the first, or the last, of a trip of the loops


def queued_nest_layout(config):
    """A nest (GEMM, WINDOW or ALU instruction) and the number of LOAD UOPs before it (modulo 2^SEQ_BITS).

    `reads_src`: its steps read tile src, from the inputs, or from the accumulators if `is_alu`; `keeps_dst`: they do
    not use dst; `long`: a step takes several ops; the other flags are those of `shared_layout`."""
    return data.StructLayout({"nest": nest_layout(config), "loads": unsigned(SEQ_BITS), **dict.fromkeys(FLAGS, 1)})


def uop_write(config):
    """The oldest LOAD UOP, if `valid`: it has `nests_before` nests before it and writes micro-ops
    `bgn` to `end` - 1, a `chunk` in each cycle with `en`, which may be 1 only while `permitted`. With `done`, in the
    cycle after its last chunk, it gives way to the next one."""
    return wiring.Signature({"valid": Out(1), "nests_before": Out(SEQ_BITS), "bgn": Out(16), "end": Out(17),
                             "permitted": In(1), "en": Out(1), "chunk": Out(chunk_layout(config)), "done": Out(1)})


def step_layout(config):
    """One GEMM, WINDOW or ALU step: its tiles; `last` of its instruction.

    `first` of its instruction; `initial`, `final`: see `TRIP`. `beyond`: an index that the step uses is not below the
    depth of its memory (it has wrapped). For the merge: `reads_src`: it has a tile as second operand, and not the one
    of the instruction's step before; `clash`: an op of its own must read it, as it is in the bank of dst; `single`: one
    op does it all; `after_tile`, `after_step`: its operands must not be written by the op just before, if that is a
    tile, or the step before.
    """
    flags = ("last", "beyond", "reads_src", "clash", "single", "after_tile", "after_step")
    if config.has(Feature.REQUANTISE) or config.has(Feature.WINDOW):
        flags = (*flags, "first", *TRIP)
    return data.StructLayout(
        {name: unsigned(bits) for name, bits in operand_bits(config).items()} | dict.fromkeys(flags, 1))


class IndexGenerator(wiring.Component):
    """Turns GEMM, WINDOW and ALU instructions into steps, and holds the micro-op memory.

    Throughput: one step a cycle, without a gap between instructions of two or more steps. Latency: 7 cycles from `nest`
    to `step`. A nest starts when the LOAD UOPs before it have been written (`loads_done` counts them). A LOAD UOP may
    `write` from the cycle after that in which the nests before it have read their last micro-op, or in which only the
    last of them is still reading and its range does not overlap.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "nest": In(stream.Signature(queued_nest_layout(config))),
            "step": Out(stream.Signature(step_layout(config))),
            "loads_done": In(SEQ_BITS),
            "write": In(uop_write(config)), "wait_uop": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.queue = queue = Fifo(queued_nest_layout(config), NESTS_AHEAD)
        m.submodules.loops = loops = Nest(config)
        m.submodules.uops = uops = Scratchpad(config, "UOP", assemble=False)
        connect(m, queue.i, flipped(self.nest))
        m.d.comb += [uops.write.en.eq(self.write.en), uops.write.chunk.eq(self.write.chunk)]

        # the next nest, in a register, and whether its LOAD UOPs have been written
        head = Signal(queued_nest_layout(config), reset_less=True)
        waiting = Signal()
        written = Signal()
        started = Signal()

        def complete(loads):
            """The first `loads` LOAD UOPs have been written: the difference is negative while some are missing."""
            return ~(self.loads_done - loads)[SEQ_BITS - 1]

        m.d.comb += queue.o.ready.eq(~waiting)
        with m.If(~waiting):
            m.d.sync += [head.eq(queue.o.payload), waiting.eq(queue.o.valid),
                         written.eq(complete(queue.o.payload.loads))]
        with m.Else():
            m.d.sync += [written.eq(complete(head.loads)), waiting.eq(~started)]
        constant = Signal(data.StructLayout(dict.fromkeys(FLAGS, 1)), reset_less=True)
        m.d.comb += [
            self.wait_uop.eq(waiting & ~written),
            loops.insn.valid.eq(waiting & written), loops.insn.payload.eq(head.nest),
            started.eq(loops.insn.valid & loops.insn.ready),
        ]
        with m.If(loops.insn.ready):
            m.d.sync += [constant[flag].eq(head[flag]) for flag in FLAGS]

        # the nest takes a place in `steps` for each step, so that nothing behind it ever stalls
        fire = Signal()
        m.submodules.places = places = Counter(STEPS_AHEAD, init=STEPS_AHEAD)
        m.d.comb += [
            loops.step.ready.eq(places.some), fire.eq(loops.step.valid & loops.step.ready),
            places.down.eq(fire), places.up.eq(self.step.valid & self.step.ready),
        ]
        self._add(m, loops, uops, fire, constant)
        self._permit(m, loops, fire)
        return m

    def _add(self, m, loops, uops, fire, constant):
        """Read the micro-op, register it, add, compare: four stages that always move."""
        config, bits = self.config, operand_bits(self.config)
        m.submodules.steps = steps = Fifo(step_layout(config), STEPS_AHEAD, registered=True)
        connect(m, steps.o, flipped(self.step))
        state = data.StructLayout({"last": 1, "first": 1, "uop_beyond": 1, **dict.fromkeys((*TRIP, *FLAGS), 1)})
        reading, read, added = (Signal(state, name=name, reset_less=True) for name in ("reading", "read", "added"))
        offsets = [Signal(offset_layout(config), name=f"offset_{n}", reset_less=True) for n in range(2)]
        valid = [fire, *(Signal(name=f"valid_{n}") for n in range(3))]
        micro_op = Signal(len(uops.read.data), reset_less=True)
        first = Signal(init=1)                   # the next step is the first one of its nest
        now = loops.step.payload
        with m.If(fire):
            m.d.sync += first.eq(now.last)
        m.d.comb += [uops.read.en.eq(1), uops.read.index.eq(now.uop)]
        m.d.sync += [
            *(late.eq(early) for stages in (valid, offsets) for early, late in pairwise(stages)),
            offsets[0].eq(now.offset), reading.last.eq(now.last), reading.first.eq(first),
            reading.uop_beyond.eq(now.uop[-1]), *(reading[name].eq(now[name]) for name in TRIP),
            *(reading[flag].eq(constant[flag]) for flag in FLAGS),
            read.eq(reading), added.eq(read), micro_op.eq(uops.read.data),
        ]

        uop = data.View(layouts(config).uop, micro_op)
        sums = Signal(offset_layout(config), reset_less=True)
        m.d.sync += [sums[name].eq(sticky_add(offsets[1][name], uop[name])) for name in OPERANDS]

        # what the merge must know about the tiles of this step and of the one before
        step = steps.i.payload
        before = Signal(data.StructLayout({"dst": bits["dst"], "src": bits["dst"], "overwritten": 1}), reset_less=True)
        src_beyond = Mux(added.is_alu, (sums.src >> config.acc_depth_log) != 0, (sums.src >> config.inp_depth_log) != 0)
        src = step.src[:bits["dst"]]
        same_tile = src == step.dst
        src_written, dst_written = src == before.dst, step.dst == before.dst
        x_written = Mux(added.use_imm, src_written, dst_written) if config.alu_imm_reads_src else dst_written
        m.d.comb += [
            steps.i.valid.eq(valid[-1]), step.last.eq(added.last),
            *(step[name].eq(sums[name][:bits[name]]) for name in OPERANDS),
            *(step[name].eq(added[name]) for name in ("first", *TRIP) if name in step.shape().members),
            step.beyond.eq(added.uop_beyond | (sums.dst[-1] & ~added.keeps_dst)
                           | (added.reads_src & (src_beyond | (sums.wgt[-1] & ~added.is_alu)))),
            step.reads_src.eq(added.has_src & (added.first | before.overwritten | (src != before.src))),
            step.clash.eq(step.reads_src & ~same_tile & (bank_of(src) == bank_of(step.dst))),
            step.single.eq(~step.clash & ~added.long), step.after_tile.eq(step.reads_src | added.waits),
            step.after_step.eq((step.reads_src & src_written) | (added.waits & x_written)),
        ]
        with m.If(steps.i.valid):
            m.d.sync += [before.dst.eq(step.dst), before.src.eq(src), before.overwritten.eq(same_tile)]

    def _permit(self, m, loops, fire):
        """When a LOAD UOP may write. What permits it stays true until its last chunk, so the answer is a register."""
        nests_read = Signal(SEQ_BITS)            # nests that have read all their micro-ops
        still_reading = Signal(SEQ_BITS)
        disjoint = Signal()
        permitted = Signal()
        with m.If(fire & loops.step.payload.last):
            m.d.sync += nests_read.eq(nests_read + 1)
        m.d.comb += [
            still_reading.eq(self.write.nests_before - nests_read),
            disjoint.eq(((self.write.bgn >= loops.current.uop_end) | (self.write.end <= loops.current.uop_bgn))
                     & (loops.current.uop_end <= self.config.depth["UOP"])),       # beyond it, reading wraps to 0
            self.write.permitted.eq(permitted),
        ]
        m.d.sync += permitted.eq(self.write.valid
                                 & ((still_reading == 0) | ((still_reading == 1) & loops.step.valid & disjoint))
                                 & ~(self.write.en & self.write.chunk.last) & ~self.write.done)
