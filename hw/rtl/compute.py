"""The compute unit: LOAD UOP, LOAD ACC, GEMM, ALU, FINISH, in order, in one pipeline."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from vta.hw.counters import STATES
from vta.hw.isa import INSN_BITS, MEMORY, AluOp, MemType, Opcode, Unit, layouts
from vta.hw.registers import ErrorCause
from vta.hw.rtl.acc_tiles import AccTiles
from vta.hw.rtl.accumulate import Accumulate, op_layout
from vta.hw.rtl.axi import burst_layout
from vta.hw.rtl.errors import error_layout
from vta.hw.rtl.gemm import Gemm
from vta.hw.rtl.index import SEQ_BITS, IndexGenerator
from vta.hw.rtl.issue import Issue
from vta.hw.rtl.loader import Loader
from vta.hw.rtl.merge import InOrderMerge, Kind, ticket_layout
from vta.hw.rtl.read_arbiter import beat_layout
from vta.hw.rtl.scratchpad import Scratchpad, assembles
from vta.hw.rtl.tile_writer import chunk_layout
from vta.hw.rtl.unit_state import count_states

TURNS_AHEAD = 16      # instructions taken apart and not yet through the merge
UOP_BUFFER = 64       # beats of LOAD UOP that may wait for their turn, at least a burst: LUT RAM
ACC_BUFFER = 512      # ... of LOAD ACC: what one RAMB36 holds on a 64-bit bus


class Compute(wiring.Component):
    """Executes the compute queue; holds the scratchpads, which load writes and store reads.

    An instruction's tokens are popped when it is taken from the queue, from where its requests and micro-op reads
    run ahead; its effects, and the tokens it gives, come strictly in order. One GEMM or immediate ALU step a
    cycle, instructions back to back; see `InOrderMerge` for the rest. Errors: OPCODE, MEMORY_TYPE, INDEX,
    AXI_READ, TOKEN.
    """

    def __init__(self, config):
        self.config = config
        client = {"request": Out(stream.Signature(burst_layout(config))),
                  "beats": In(stream.Signature(beat_layout(config)))}
        super().__init__({
            "insn": In(stream.Signature(unsigned(INSN_BITS))),
            "clear": In(1), "running": In(1),
            "uop_ptr": In(config.axi_addr_width), "acc_ptr": In(config.axi_addr_width),
            **{f"{name}_{port}": member for name in ("uop", "acc") for port, member in client.items()},
            "write": In(1), "chunk": In(chunk_layout(config)),       # from load: select 0 INP, 1 WGT
            "out_en": In(1), "out_index": In(config.acc_depth_log), "out_data": Out(8 * config.tile_bytes["OUT"]),
            "available_prev": In(1), "pop_prev": Out(1), "available_next": In(1), "pop_next": Out(1),
            "space_prev": In(1), "reserve_prev": Out(1), "push_prev": Out(1),
            "space_next": In(1), "reserve_next": Out(1), "push_next": Out(1),
            "finish": Out(1), "error": Out(error_layout()), "states": Out(len(STATES[Unit.COMPUTE])),
            "events": Out(6), "settled": Out(1), "progress": Out(1)})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.issue = issue = Issue(config.compute_queue_depth)
        m.submodules.uop_loader = uop_loader = Loader(
            config, "UOP", buffer=max(UOP_BUFFER, config.max_burst))
        m.submodules.acc_loader = acc_loader = Loader(
            config, "ACC", "ACC_8BIT", assembled=("ACC", "ACC_8BIT"), buffer=ACC_BUFFER)
        m.submodules.acc_tiles = acc_tiles = AccTiles(config)
        m.submodules.index = index = IndexGenerator(config)
        m.submodules.turns = turns = SyncFIFO(width=ticket_layout().size, depth=TURNS_AHEAD)
        m.submodules.merge = merge = InOrderMerge(config)
        m.submodules.inp = inp = Scratchpad(config, "INP", assemble=assembles(config, "INP"))
        m.submodules.wgt = wgt = Scratchpad(config, "WGT", assemble=assembles(config, "WGT"))
        m.submodules.gemm = gemm = Gemm(config)
        m.submodules.accumulate = accumulate = Accumulate(config, gemm.dot_bits)

        wiring.connect(m, issue.i, wiring.flipped(self.insn))
        wiring.connect(m, uop_loader.request, wiring.flipped(self.uop_request))
        wiring.connect(m, uop_loader.beats, wiring.flipped(self.uop_beats))
        wiring.connect(m, acc_loader.request, wiring.flipped(self.acc_request))
        wiring.connect(m, acc_loader.beats, wiring.flipped(self.acc_beats))
        wiring.connect(m, acc_loader.chunk, acc_tiles.chunk)
        wiring.connect(m, acc_tiles.tile, merge.tile)
        wiring.connect(m, index.step, merge.step)
        wiring.connect(m, turns.r_stream, merge.ticket)
        m.d.comb += [
            uop_loader.pointers[0].eq(self.uop_ptr),
            *(pointer.eq(self.acc_ptr) for pointer in acc_loader.pointers),
            issue.clear.eq(self.clear),
            issue.available_prev.eq(self.available_prev), issue.available_next.eq(self.available_next),
            self.pop_prev.eq(issue.pop_prev), self.pop_next.eq(issue.pop_next),
            inp.en.eq(self.write & (self.chunk.select == 0)), inp.chunk.eq(self.chunk),
            wgt.en.eq(self.write & (self.chunk.select == 1)), wgt.chunk.eq(self.chunk),
            accumulate.out_en.eq(self.out_en), accumulate.out_index.eq(self.out_index),
            self.out_data.eq(accumulate.out_data),
        ]
        unknown = self._take_apart(m, issue, turns, uop_loader, acc_loader, index)
        self._write_uops(m, uop_loader, index, merge)
        self._pipeline(m, merge, inp, wgt, gemm, accumulate)
        self._report(m, issue, unknown, uop_loader, acc_loader, index, turns, merge, accumulate)
        return m

    def _take_apart(self, m, issue, turns, uop_loader, acc_loader, index):
        """From the queue to a turn in the merge, and to the loader or generator that prepares it.

        Returns (unknown opcode, unknown memory type) of the instruction being taken."""
        insn = issue.o.payload.insn
        memory = data.View(MEMORY, insn)
        alu = data.View(layouts(self.config).alu, insn)
        turn = data.View(ticket_layout(), turns.w_data)
        bad_opcode = Signal()
        bad_memory = Signal()
        taken = Signal()
        to_uop = Signal()
        to_acc = Signal()
        to_index = Signal()
        kinds_ready = Signal()
        loads = Signal(SEQ_BITS)                 # LOAD UOPs taken so far
        kernels = Signal(SEQ_BITS)               # instructions that read micro-ops, likewise
        has_steps = (alu.iter_out != 0) & (alu.iter_in != 0) & (alu.uop_end > alu.uop_bgn)
        with m.Switch(memory.opcode):
            with m.Case(Opcode.LOAD), m.If(memory.x_size != 0):
                m.d.comb += [
                    to_uop.eq(memory.mem_type == MemType.UOP),
                    to_acc.eq((memory.mem_type == MemType.ACC) | (memory.mem_type == MemType.ACC_8BIT)),
                    bad_memory.eq(~to_uop & ~to_acc)]
            with m.Case(Opcode.GEMM):
                m.d.comb += to_index.eq(has_steps)
            with m.Case(Opcode.ALU):
                m.d.comb += [bad_opcode.eq(alu.alu_opcode > max(AluOp)), to_index.eq(has_steps & ~bad_opcode)]
            with m.Case(Opcode.FINISH):
                m.d.comb += turn.tag.finish.eq(1)
            with m.Default():
                m.d.comb += bad_opcode.eq(1)
        uop_range = Signal(17)
        m.d.comb += [
            kinds_ready.eq((~to_uop | uop_loader.insn.ready) & (~to_acc | acc_loader.insn.ready)
                           & (~to_index | index.nest.ready)),
            issue.o.ready.eq(turns.w_rdy & kinds_ready),
            taken.eq(issue.o.valid & issue.o.ready), turns.w_en.eq(taken),
            turn.kind.eq(Mux(to_uop, Kind.UOPS, Mux(to_acc, Kind.TILES, Mux(to_index, Kind.STEPS, Kind.NOTHING)))),
            turn.loads.eq(loads + to_uop), turn.number.eq(issue.o.payload.number),
            turn.tag.push_prev.eq(memory.push_prev), turn.tag.push_next.eq(memory.push_next),
            uop_loader.insn.payload.eq(issue.o.payload), uop_loader.insn.valid.eq(taken & to_uop),
            acc_loader.insn.payload.eq(issue.o.payload), acc_loader.insn.valid.eq(taken & to_acc),
            index.nest.payload.issued.eq(issue.o.payload), index.nest.payload.loads.eq(loads),
            index.nest.valid.eq(taken & to_index),
            uop_range.eq(memory.sram_base + memory.x_size),
        ]
        m.d.sync += [loads.eq(loads + (taken & to_uop)), kernels.eq(kernels + (taken & to_index))]

        # beside each LOAD UOP: the kernels before it, and the range it writes (all, if it is not one plain row)
        note_shape = data.StructLayout({"kernels": unsigned(SEQ_BITS), "bgn": unsigned(16), "end": unsigned(17)})
        m.submodules.uop_notes = notes = SyncFIFO(width=note_shape.size, depth=TURNS_AHEAD)
        note = data.View(note_shape, notes.w_data)
        oldest = data.View(note_shape, notes.r_data)
        pads = Cat(memory.y_pad_0, memory.y_pad_1, memory.x_pad_0, memory.x_pad_1)
        plain = (memory.y_size == 1) & (pads == 0) & (uop_range <= self.config.depth["UOP"])
        m.d.comb += [
            notes.w_en.eq(taken & to_uop), note.kernels.eq(kernels),
            note.bgn.eq(Mux(plain, memory.sram_base, 0)), note.end.eq(Mux(plain, uop_range, ~0)),
            index.nests_before.eq(oldest.kernels), index.write_bgn.eq(oldest.bgn), index.write_end.eq(oldest.end),
            notes.r_en.eq(uop_loader.chunk.valid & uop_loader.chunk.ready & uop_loader.chunk.payload.last),
        ]
        return taken & bad_opcode, taken & bad_memory

    def _write_uops(self, m, loader, index, merge):
        """LOAD UOP writes when no kernel before it still needs what it overwrites."""
        done = Signal(SEQ_BITS)
        written = loader.chunk.valid & loader.chunk.ready
        m.d.comb += [loader.chunk.ready.eq(index.may_write), index.en.eq(written),
                     index.chunk.eq(loader.chunk.payload),
                     index.loads_done.eq(done), merge.loads_done.eq(done)]
        m.d.sync += done.eq(done + (written & loader.chunk.payload.last))

    def _pipeline(self, m, merge, inp, wgt, gemm, accumulate):
        """From a slot to the accumulator: at once, or beside the dot product while one is under way."""
        layout, step = op_layout(self.config), merge.step.payload
        is_gemm = merge.op.is_gemm
        gemm_reads = Signal()
        stages = [(Signal(name=f"line_{n}_valid"), Signal(layout, name=f"line_{n}")) for n in range(3)]
        (valid_0, line_0), (valid_1, line_1), (valid_2, line_2) = stages
        enter_late = Signal()
        tile = Signal.like(merge.tile.payload.data)
        m.d.comb += [
            merge.delay_empty.eq(~valid_0 & ~valid_1),
            enter_late.eq(merge.delay_empty & ~is_gemm),
            gemm_reads.eq(merge.valid & is_gemm & ~step.reset),
            inp.read_en.eq(gemm_reads), inp.read_index.eq(step.src),
            wgt.read_en.eq(gemm_reads), wgt.read_index.eq(step.wgt),
            gemm.inp.eq(inp.read_data), gemm.wgt.eq(wgt.read_data),
            accumulate.valid.eq(valid_2), accumulate.op.eq(line_2), accumulate.tile.eq(tile),
            accumulate.dot.eq(gemm.dot),
        ]
        m.d.sync += [
            gemm.en.eq(gemm_reads),
            valid_0.eq(merge.valid & ~enter_late), valid_1.eq(valid_0),
            valid_2.eq(valid_1 | (merge.valid & enter_late)),
        ]
        with m.If(merge.valid & ~enter_late):
            m.d.sync += line_0.eq(merge.op)
        with m.If(valid_0):
            m.d.sync += line_1.eq(line_0)
        with m.If(valid_1):
            m.d.sync += line_2.eq(line_1)
        with m.Elif(merge.valid & enter_late):
            m.d.sync += line_2.eq(merge.op)
        with m.If(merge.did_tile):
            m.d.sync += tile.eq(merge.tile.payload.data)

        tag, done = merge.op.tag, accumulate.done
        m.d.comb += [
            merge.can_push_prev.eq(self.space_prev), merge.can_push_next.eq(self.space_next),
            self.reserve_prev.eq(merge.valid & tag.push_prev), self.push_prev.eq(done.push_prev),
            self.reserve_next.eq(merge.valid & tag.push_next), self.push_next.eq(done.push_next),
            self.finish.eq(done.finish),
        ]

    def _report(self, m, issue, unknown, uop_loader, acc_loader, index, turns, merge, accumulate):
        """Errors, events, and the state of this cycle."""
        step, now = merge.step, issue.o.payload.number
        step_beyond = step.valid & step.ready & step.payload.beyond
        bad_opcode, bad_memory = unknown
        m.d.comb += self.error.number.eq(now)
        for condition, cause, number in (
                (merge.wait_space, ErrorCause.TOKEN, merge.ticket.payload.number),
                (uop_loader.bad, ErrorCause.AXI_READ, uop_loader.number),
                (acc_loader.bad, ErrorCause.AXI_READ, acc_loader.number),
                (uop_loader.beyond, ErrorCause.INDEX, uop_loader.number),
                (acc_loader.beyond, ErrorCause.INDEX, acc_loader.number),
                (step_beyond, ErrorCause.INDEX, step.payload.number),
                (bad_memory, ErrorCause.MEMORY_TYPE, now),
                (bad_opcode, ErrorCause.OPCODE, now)):
            with m.If(condition):
                m.d.comb += [self.error.valid.eq(1), self.error.cause.eq(cause), self.error.number.eq(number)]

        chunk = acc_loader.chunk
        uop_chunk = uop_loader.chunk
        m.d.comb += [
            self.events.eq(Cat(
                merge.did_ticket,
                uop_chunk.valid & uop_chunk.ready & uop_chunk.payload.write,
                chunk.valid & chunk.ready & chunk.payload.write & chunk.payload.complete,
                merge.did_gemm, merge.did_reset, merge.did_alu)),
            self.settled.eq(~issue.o.valid & ~turns.r_rdy & merge.delay_empty & ~accumulate.valid & ~accumulate.busy),
            self.progress.eq(merge.valid | (issue.o.valid & issue.o.ready) | self.write
                             | (self.uop_beats.valid & self.uop_beats.ready)
                             | (self.acc_beats.valid & self.acc_beats.ready)),
        ]
        count_states(m, self.states, Unit.COMPUTE, self.running, {
            "gemm": merge.did_gemm | merge.did_reset,
            "alu": merge.did_alu,
            "load_acc": merge.did_tile,
            "wait_hazard": merge.wait_hazard,
            "token": merge.did_ticket,
            "wait_acc": merge.wait_tile,
            "wait_uop": merge.wait_uop | (turns.r_rdy & index.wait_uop & ~step.valid),
            "wait_pipe": turns.r_rdy | (issue.o.valid),
            "wait_l2g": issue.wait_prev,
            "wait_s2g": issue.wait_next,
            "wait_insn": 1,
        })
