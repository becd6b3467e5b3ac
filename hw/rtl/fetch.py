"""The fetch unit: reads the instruction stream ahead of need and routes it to the three units."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vta.hw.isa import INSN_BITS, INSN_BYTES, MEMORY, MemType, Opcode, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import read_client, unit_status
from vta.hw.rtl.unit_state import count_events, count_states, report_error

BURST_BYTES = 128     # short bursts: the units' own loads are more urgent than later instructions
MANY, FEW = 4, 2      # bursts in flight while few / while enough instructions are buffered


class Fetch(wiring.Component):
    """Dispatches `count` instructions from `pointer` (a multiple of 16), one a cycle, in order, to the queues.

    Starts at `start`, ends at FINISH or after `count`; what lies behind FINISH is dropped, and the next start waits
    until all of it is. An instruction whose queue is full holds up those behind it. LOAD INP and LOAD WGT go to
    load, STORE to store, all others, the unknown ones too, to compute. Settled: all dispatched, nothing in flight.
    Latency: the memory's, plus 4 cycles. Errors: AXI_READ.
    """

    def __init__(self, config):
        self.config = config
        queue = stream.Signature(unsigned(INSN_BITS))
        super().__init__({
            "start": In(1), "pointer": In(config.axi_addr_width), "count": In(32), "running": In(1),
            "read": Out(read_client(config)),
            "load": Out(queue), "compute": Out(queue), "store": Out(queue),
            "status": Out(unit_status(Unit.FETCH))})

    def elaborate(self, platform):
        m = Module()
        bus = bus_log(self.config)
        bus_bytes = 1 << bus
        word_bytes = max(bus_bytes, INSN_BYTES)              # a row of the instruction store
        per_word, per_insn = word_bytes // INSN_BYTES, INSN_BYTES // min(bus_bytes, INSN_BYTES)
        depth = max(self.config.fetch_depth // per_word, 2 * MANY * BURST_BYTES // word_bytes)
        m.submodules.words = words = Fifo(unsigned(8 * word_bytes), depth, buffered=True)
        word = words.o
        request, beats = self.read.request, self.read.beats

        # requests: `wanted` beats are not yet requested; `owed` words are requested and not yet dispatched
        wanted = Signal(32 + (per_insn - 1).bit_length())
        beat = Signal(self.config.axi_addr_width - bus)
        owed = Signal(range(depth + 1))
        in_flight = Signal(range(MANY + 1))
        block = BURST_BYTES // bus_bytes                     # beats; bursts end at multiples of it
        count = Signal(range(block + 1))
        room = Signal()
        few = Signal()
        until = Signal(range(block + 1))
        requested = Signal()
        ended = Signal()
        taken = Signal()
        new_words = block * bus_bytes // word_bytes
        m.d.comb += [
            until.eq(block - beat[:max(block.bit_length() - 1, 0)]),
            count.eq(Mux(wanted < until, wanted, until)),
            few.eq(words.level < block // per_insn),
            room.eq((owed + new_words <= depth) & (in_flight < Mux(few, MANY, FEW))),
            request.valid.eq((wanted != 0) & room),
            request.payload.addr.eq(beat << bus), request.payload.len.eq(count - 1),
            requested.eq(request.valid & request.ready),
        ]
        requested_words = Signal(range(new_words + 1))
        m.d.comb += requested_words.eq((count + per_insn - 1) >> exact_log2(per_insn))
        m.d.sync += [owed.eq(owed + Mux(requested, requested_words, 0) - taken),
                     in_flight.eq(in_flight + requested - ended)]
        with m.If(requested):
            m.d.sync += [wanted.eq(wanted - count), beat.eq(beat + count)]

        # arrival: half instructions are joined where the bus is 64 bits wide
        arrived = Signal()
        m.d.comb += [beats.ready.eq(1), arrived.eq(beats.valid), ended.eq(arrived & beats.payload.last)]
        if per_insn == 2:
            low = Signal(64)
            half = Signal()
            with m.If(arrived):
                m.d.sync += [half.eq(~half), low.eq(beats.payload.data)]
            m.d.comb += [words.i.payload.eq(low | (beats.payload.data << 64)), words.i.valid.eq(arrived & half)]
        else:
            m.d.comb += [words.i.payload.eq(beats.payload.data), words.i.valid.eq(arrived)]

        # dispatch
        left = Signal(32)
        waiting = Signal()                       # a start that waits for the last run's words behind its FINISH
        begin = Signal()
        position = Signal(range(max(per_word, 2)))           # of the next instruction in its word
        insn = Signal(INSN_BITS)
        head = data.View(MEMORY, Signal(INSN_BITS, name="head"))
        moved = Signal()
        queues = (self.load, self.compute, self.store)
        to_load = Signal()
        to_store = Signal()
        m.d.comb += [
            insn.eq(Array(word.payload[128 * k:][:128] for k in range(per_word))[position] if per_word > 1
                    else word.payload),
            head.eq(insn),
            to_load.eq((head.opcode == Opcode.LOAD)
                       & ((head.mem_type == MemType.INP) | (head.mem_type == MemType.WGT))),
            to_store.eq(head.opcode == Opcode.STORE),
            # what is buffered behind the last instruction is dropped
            moved.eq(word.valid & ((left == 0) | (
                Mux(to_load, self.load.ready, Mux(to_store, self.store.ready, self.compute.ready))))),
            taken.eq(moved & ((position == per_word - 1) | (left <= 1))),
            word.ready.eq(taken),
            *(queue.payload.eq(insn) for queue in queues),
            *(queue.valid.eq(word.valid & (left != 0) & route)
              for queue, route in zip(queues, (to_load, ~to_load & ~to_store, to_store), strict=True)),
            self.status.settled.eq((left == 0) & (wanted == 0) & (owed == 0) & ~waiting),
        ]
        dispatched = Signal()
        m.d.comb += dispatched.eq(moved & (left != 0))
        with m.If(dispatched):
            m.d.sync += [left.eq(left - 1), position.eq(Mux(taken, 0, position + 1))]
            with m.If(head.opcode == Opcode.FINISH):
                m.d.sync += [left.eq(0), wanted.eq(0)]
        m.d.comb += begin.eq((self.start | waiting) & (owed == 0))
        m.d.sync += waiting.eq((self.start | waiting) & (owed != 0))
        with m.If(begin):
            first = self.pointer[4:bus] if bus > 4 else 0
            m.d.sync += [
                left.eq(self.count), beat.eq(self.pointer[bus:]), position.eq(first),
                wanted.eq((self.count * per_insn) if bus <= 4 else (self.count + first + per_word - 1) >> (bus - 4)),
            ]

        m.d.comb += self.status.progress.eq(arrived | dispatched)
        report_error(m, self.status.error, [(arrived & beats.payload.error, ErrorCause.AXI_READ, 0)])
        count_events(m, self.status.events, {"fetch_insns": dispatched})
        count_states(m, self.status.states, Unit.FETCH, self.running & ~self.status.settled, {
            "busy": dispatched,
            "wait_queue": word.valid,
            "wait_mem": 1,
        })
        return m
