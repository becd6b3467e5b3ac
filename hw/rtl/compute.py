"""The compute unit: LOAD UOP, LOAD ACC, GEMM, WINDOW, ALU, FINISH, in order, in one pipeline."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.features import Feature
from vta.hw.isa import INSN_BITS, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.acc_tiles import AccTiles
from vta.hw.rtl.accumulate import Accumulate, tag_layout
from vta.hw.rtl.compute_decoder import ComputeDecoder
from vta.hw.rtl.delay_line import DelayLine
from vta.hw.rtl.dispatch import Dispatch
from vta.hw.rtl.gemm import Gemm
from vta.hw.rtl.index import IndexGenerator
from vta.hw.rtl.interfaces import TOKEN_SINK, TOKEN_SOURCE, read_client, scratch_read, scratch_write, unit_status
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.loader import Loader
from vta.hw.rtl.merge import InOrderMerge
from vta.hw.rtl.output import Output
from vta.hw.rtl.scratchpad import Scratchpad, assembles
from vta.hw.rtl.unit_state import count_events, count_states, report_error

UOP_BUFFER = 64       # beats of LOAD UOP that may wait to be written, at least a burst: LUT RAM
ACC_BUFFER = 512      # ... of LOAD ACC: what one RAMB36 holds on a 64-bit bus


class Compute(wiring.Component):
    """Executes the compute queue; holds the scratchpads, which load writes and store reads.

    An instruction's tokens are popped when it is taken from the queue, from where its requests and micro-op reads
    run ahead; its effects, and the tokens it pushes, come strictly in order. A token is pushed when what waits for it
    can no longer be early: for load, which overwrites what GEMM has read, after the last read; for store, two cycles
    before the last write. One GEMM, WINDOW or immediate ALU step a cycle, instructions back to back but for those that
    the requantiser keeps apart; see `InOrderMerge` for the rest. Errors: OPCODE, MEMORY_TYPE, INDEX, AXI_READ, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1),
            "uop_ptr": In(config.axi_addr_width), "acc_ptr": In(config.axi_addr_width),
            "uop_read": Out(read_client(config)), "acc_read": Out(read_client(config)),
            "write": In(scratch_write(config)),      # from load: `chunk.select` 0 is INP, 1 WGT
            "out": In(scratch_read(config, "OUT")),
            "l2g": Out(TOKEN_SINK), "s2g": Out(TOKEN_SINK), "g2l": Out(TOKEN_SOURCE), "g2s": Out(TOKEN_SOURCE),
            "finish": Out(1), "status": Out(unit_status(Unit.COMPUTE))})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.issue = issue = Issue(config.compute_queue_depth)
        m.submodules.decoder = decoder = ComputeDecoder(config)
        m.submodules.dispatch = dispatch = Dispatch(config)
        m.submodules.uop_loader = uop_loader = Loader(
            config, "UOP", buffer=max(UOP_BUFFER, config.max_burst))
        m.submodules.acc_loader = acc_loader = Loader(
            config, "ACC", "ACC_8BIT", assembled=("ACC", "ACC_8BIT"), buffer=ACC_BUFFER)
        m.submodules.acc_tiles = acc_tiles = AccTiles(config)
        m.submodules.index = index = IndexGenerator(config)
        m.submodules.merge = merge = InOrderMerge(config)
        m.submodules.inp = inp = Scratchpad(config, "INP", assemble=assembles(config, "INP"))
        m.submodules.wgt = wgt = Scratchpad(config, "WGT", assemble=assembles(config, "WGT"))
        m.submodules.gemm = gemm = Gemm(config)
        m.submodules.delay_line = delay_line = DelayLine(config)
        m.submodules.accumulate = accumulate = Accumulate(config, gemm.dot_bits)
        m.submodules.output = output = Output(config)

        # instructions
        connect(m, issue.i, flipped(self.insn))
        connect(m, issue.prev, flipped(self.l2g))
        connect(m, issue.next, flipped(self.s2g))
        connect(m, issue.o, dispatch.insn)
        connect(m, dispatch.uop_load, uop_loader.load)
        connect(m, dispatch.acc_load, acc_loader.load)
        connect(m, dispatch.nest, index.nest)
        # prepared micro-ops, tiles and steps, merged in program order
        connect(m, uop_loader.read, flipped(self.uop_read))
        connect(m, uop_loader.chunk, dispatch.uops)
        connect(m, dispatch.write, index.write)
        connect(m, acc_loader.read, flipped(self.acc_read))
        connect(m, acc_loader.chunk, acc_tiles.chunk)
        connect(m, acc_tiles.tile, merge.tile)
        connect(m, index.step, merge.step)
        connect(m, dispatch.ticket, merge.ticket)
        connect(m, flipped(self.out), output.out)
        m.d.comb += [
            issue.clear.eq(self.clear), decoder.raw.eq(issue.raw), decoder.move.eq(issue.move),
            decoder.uop_ptr.eq(self.uop_ptr), decoder.acc_ptr.eq(self.acc_ptr), dispatch.decoded.eq(decoder.o),
            index.loads_done.eq(dispatch.loads_done), merge.load_done.eq(dispatch.load_done),
        ]

        # from the merge to the accumulator: tiles through GEMM, the op through the delay line
        op, step = merge.op, merge.step.payload
        tile = Signal.like(accumulate.tile, reset_less=True)
        done = Signal(tag_layout())
        m.d.comb += [
            *(memory.write.chunk.eq(self.write.chunk) for memory in (inp, wgt)),
            *(memory.write.en.eq(self.write.en & (self.write.chunk.select == number))
              for number, memory in enumerate((inp, wgt))),
            *(memory.read.en.eq(merge.ticket.payload.shared.is_gemm) for memory in (inp, wgt)),
            inp.read.index.eq(step.src), wgt.read.index.eq(step.wgt),
            gemm.inp.eq(inp.read.data), gemm.wgt.eq(wgt.read.data),
            delay_line.valid.eq(merge.valid), delay_line.op.eq(op),
            merge.delay_empty.eq(delay_line.empty),
            accumulate.valid.eq(delay_line.out_valid), accumulate.op.eq(delay_line.out_op),
            accumulate.tile.eq(tile), accumulate.dot.eq(gemm.dot),
        ]
        m.d.sync += [gemm.en.eq(merge.valid & op.is_gemm), tile.eq(merge.tile.payload.data)]
        if config.has(Feature.WINDOW):
            m.d.sync += [gemm.window.eq(merge.ticket.payload.shared.is_window), gemm.first.eq(step.first)]
        # from the accumulators out, and from the requantiser back
        m.d.comb += [
            *(getattr(output, name).eq(getattr(accumulate, name)) for name in (
                "writing_valid", "writing", "result", "computed")),
            *(getattr(accumulate, name).eq(getattr(output, name)) for name in ("back", "back_dst", "back_tile")),
            merge.more_tickets.eq(dispatch.more_tickets),
            merge.leaves.eq(output.leaves), merge.leaves_to_acc.eq(output.to_acc),
            done.eq(accumulate.done.as_value() | output.done.as_value()),
        ]

        # tokens: reserved when the op enters; pushed to load when its tiles are read, to store when its result is here
        m.d.sync += self.g2l.push.eq(self.g2l.reserve)
        m.d.comb += [
            merge.can_push_prev.eq(self.g2l.can_push), merge.can_push_next.eq(self.g2s.can_push),
            self.g2l.reserve.eq(merge.valid & op.tag.push_prev),
            self.g2s.reserve.eq(merge.valid & op.tag.push_next), self.g2s.push.eq(done.push_next),
            self.finish.eq(done.finish),
        ]
        self._report(m, issue, dispatch, uop_loader, acc_loader, index, merge, delay_line, accumulate)
        return m

    def _report(self, m, issue, dispatch, uop_loader, acc_loader, index, merge, delay_line, accumulate):
        """Errors, events, and the state of this cycle."""
        status, step, ticket = self.status, merge.step, dispatch.ticket
        number = issue.o.payload.number
        uop_chunk, acc_chunk = uop_loader.chunk, acc_loader.chunk
        m.d.sync += status.error.number.eq(number)      # for the watchdog
        m.d.comb += [
            status.settled.eq(issue.settled & dispatch.idle & delay_line.empty & ~accumulate.valid & ~accumulate.busy
                              & ~merge.requantising),
            status.progress.eq(merge.valid | (issue.o.valid & issue.o.ready) | self.write.en
                               | (self.uop_read.beats.valid & self.uop_read.beats.ready)
                               | (self.acc_read.beats.valid & self.acc_read.beats.ready)),
        ]
        report_error(m, status.error, [
            (merge.wait_space, ErrorCause.TOKEN, ticket.payload.number),
            (uop_loader.bad, ErrorCause.AXI_READ, uop_loader.number),
            (acc_loader.bad, ErrorCause.AXI_READ, acc_loader.number),
            (uop_loader.beyond, ErrorCause.INDEX, uop_loader.number),
            (acc_loader.beyond, ErrorCause.INDEX, acc_loader.number),
            (step.valid & step.ready & step.payload.beyond, ErrorCause.INDEX, ticket.payload.number),
            (dispatch.bad_memory, ErrorCause.MEMORY_TYPE, number),
            (dispatch.bad_opcode, ErrorCause.OPCODE, number)])
        count_events(m, status.events, {
            "compute_insns": merge.did_ticket,
            "uop_words": uop_chunk.valid & uop_chunk.ready & uop_chunk.payload.write,
            "acc_tiles": acc_chunk.valid & acc_chunk.ready & acc_chunk.payload.write & acc_chunk.payload.complete,
            "gemm_steps": merge.did_gemm, "reset_steps": merge.did_reset, "alu_steps": merge.did_alu,
            "requantised": merge.did_requantise, "pushed_g2l": self.g2l.push, "pushed_g2s": self.g2s.push,
        })
        count_states(m, status.states, Unit.COMPUTE, self.running, {
            "gemm": merge.did_gemm | merge.did_reset,
            "alu": merge.did_alu,
            "load_acc": merge.did_tile,
            "wait_hazard": merge.wait_hazard,
            "wait_requant": merge.wait_requant,
            "token": merge.did_ticket,
            "wait_acc": merge.wait_tile,
            "wait_uop": merge.wait_uop | (ticket.valid & index.wait_uop & ~step.valid),
            "wait_pipe": ticket.valid | issue.o.valid,
            "wait_l2g": issue.wait_prev,
            "wait_s2g": issue.wait_next,
            "wait_insn": 1,
        })
