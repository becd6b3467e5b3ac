"""The fetch unit: reads the instruction stream ahead of need and routes it to the three units."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from vta.hw.isa import INSN_BITS, INSN_BYTES, LOAD_UNIT, MEMORY, MemType, Opcode, Unit
from vta.hw.registers import ErrorCause
from vta.hw.rtl.axi import bus_log
from vta.hw.rtl.decode import known
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import read_client, unit_status
from vta.hw.rtl.unit_state import count_events, count_states, report_error

BURST_BYTES = 128     # short bursts: the units' own loads are more urgent than later instructions
MANY, FEW = 4, 2      # bursts in flight while few / while enough instructions are buffered


class _Requests(enum.Enum, shape=unsigned(2)):
    """What the requests are waiting for."""

    PLAN = 0
    TAKE = 1
    OFFER = 2


class Fetch(wiring.Component):
    """Dispatches `count` instructions from `pointer` (a multiple of 16), one in two cycles, in order, to the queues.

    Starts at `start`, ends at FINISH or after `count`; what lies behind FINISH is dropped, and the next start waits
    until all of it is. An instruction whose queue is full holds up those behind it. LOAD INP and LOAD WGT go to
    load, STORE to store, all others, the unknown ones too, to compute. Settled: all dispatched, nothing in flight.
    Latency: the memory's, plus 7 cycles. Errors: AXI_READ.
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
        m.submodules.words = words = Fifo(unsigned(8 * word_bytes), depth, block_ram=True)
        word = words.o
        request, beats = self.read.request, self.read.beats

        # requests, one every few cycles: PLAN counts the beats of the next one, TAKE takes them from `wanted`, the
        # beats that are not yet requested. `owed` words are requested and not yet dispatched
        wanted = Signal(32 + (per_insn - 1).bit_length())
        beat = Signal(self.config.axi_addr_width - bus, reset_less=True)
        owed = Signal(range(depth + 1))
        in_flight = Signal(range(MANY + 1))
        block = BURST_BYTES // bus_bytes                     # beats; bursts end at multiples of it
        count = Signal(range(block + 1), reset_less=True)
        room = Signal()
        few = Signal()
        until = Signal(range(block + 1))
        state = Signal(_Requests)
        end = Signal()                                       # FINISH: no more requests
        requested = Signal()
        ended = Signal()
        taken = Signal()
        new_words = block * bus_bytes // word_bytes
        m.d.comb += [
            until.eq(block - beat[:max(block.bit_length() - 1, 0)]),
            few.eq(words.level < block // per_insn),
            request.valid.eq((state == _Requests.OFFER) & room), requested.eq(request.valid & request.ready),
        ]
        m.d.sync += room.eq((owed + new_words <= depth) & (in_flight < Mux(few, MANY, FEW)))
        with m.Switch(state):
            with m.Case(_Requests.PLAN):
                m.d.sync += count.eq(Mux(wanted < until, wanted, until))
                with m.If(wanted != 0):
                    m.d.sync += state.eq(_Requests.TAKE)
            with m.Case(_Requests.TAKE):
                m.d.sync += [
                    request.payload.addr.eq(beat << bus), request.payload.len.eq(count - 1),
                    wanted.eq(wanted - count), beat.eq(beat + count), state.eq(_Requests.OFFER)]
            with m.Case(_Requests.OFFER), m.If(requested):
                m.d.sync += state.eq(_Requests.PLAN)
        requested_words = Signal(range(new_words + 1))
        m.d.comb += requested_words.eq((request.payload.len + per_insn) >> exact_log2(per_insn))
        late_request = Signal()                              # `requested` and `taken`, a cycle late: soon enough
        late_taken = Signal()
        m.d.sync += [
            late_request.eq(requested), late_taken.eq(taken),
            owed.eq(owed + Mux(late_request, requested_words, 0) - late_taken),
            in_flight.eq(in_flight + late_request - ended)]

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

        # dispatch, from a register that holds the oldest instruction and where it goes
        left = Signal(32)                        # instructions of the run behind the register
        some_left = Signal()                     # left != 0
        last_left = Signal()                     # left == 1
        waiting = Signal()                       # a start that waits for the last run's words behind its FINISH
        begin = Signal()
        position = Signal(range(max(per_word, 2)))           # of the next instruction in its word
        insn = Signal(INSN_BITS)
        next_head = data.View(MEMORY, insn)
        head = Signal(data.StructLayout({"insn": INSN_BITS, "to_load": 1, "to_store": 1, "finish": 1}), reset_less=True)
        full = Signal()                          # `head` holds an instruction
        moved = Signal()
        dispatched = Signal()
        queues = (self.load, self.compute, self.store)
        inputs = [mem for mem in MemType.of(self.config) if LOAD_UNIT.get(mem) is Unit.LOAD]
        is_input = known(next_head.mem_type, inputs)
        m.d.comb += [
            insn.eq(Array(word.payload[128 * k:][:128] for k in range(per_word))[position] if per_word > 1
                    else word.payload),
            dispatched.eq(full & Mux(head.to_load, self.load.ready,
                                     Mux(head.to_store, self.store.ready, self.compute.ready))),
            # what is buffered behind the last instruction is dropped
            end.eq(full & head.finish), moved.eq(word.valid & (~full | ~some_left)),
            taken.eq(moved & ((position == per_word - 1) | last_left | ~some_left)), word.ready.eq(taken),
            *(queue.payload.eq(head.insn) for queue in queues),
            *(queue.valid.eq(full & route) for queue, route in zip(
                queues, (head.to_load, ~head.to_load & ~head.to_store, head.to_store), strict=True)),
            self.status.settled.eq(~full & ~some_left & (state == _Requests.PLAN) & (wanted == 0) & (owed == 0)
                                   & ~late_request & ~waiting),
        ]
        with m.If(dispatched):
            m.d.sync += full.eq(0)
        with m.If(~full):
            m.d.sync += [
                full.eq(word.valid & some_left), head.insn.eq(insn),
                head.finish.eq(next_head.opcode == Opcode.FINISH), head.to_store.eq(next_head.opcode == Opcode.STORE),
                head.to_load.eq((next_head.opcode == Opcode.LOAD) & is_input)]
            with m.If(word.valid & some_left):
                m.d.sync += [left.eq(left - 1), some_left.eq(~last_left), last_left.eq(left == 2),
                             position.eq(Mux(taken, 0, position + 1))]
        with m.If(end):
            m.d.sync += [some_left.eq(0), last_left.eq(0), wanted.eq(0), state.eq(_Requests.PLAN)]
        m.d.comb += begin.eq((self.start | waiting) & (owed == 0) & ~late_request)
        m.d.sync += waiting.eq((self.start | waiting) & ~begin)
        with m.If(begin):
            first = self.pointer[4:bus] if bus > 4 else 0
            m.d.sync += [
                left.eq(self.count), some_left.eq(self.count != 0), last_left.eq(self.count == 1),
                beat.eq(self.pointer[bus:]), position.eq(first),
                wanted.eq((self.count * per_insn) if bus <= 4 else (self.count + first + per_word - 1) >> (bus - 4)),
            ]

        m.d.comb += self.status.progress.eq(arrived | dispatched)
        report_error(m, self.status.error, [(arrived & beats.payload.error, ErrorCause.AXI_READ, 0)])
        count_events(m, self.status.events, {"fetch_insns": dispatched})
        count_states(m, self.status.states, Unit.FETCH, self.running & ~self.status.settled, {
            "busy": dispatched,
            "wait_queue": full,
            "wait_mem": 1,
        })
        return m
