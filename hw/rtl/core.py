"""The accelerator proper: four units, four token queues, the read ports. Reads as the block diagram."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.counters import COUNTERS, STATES
from vta.hw.isa import Queue, Unit
from vta.hw.registers import POINTERS, SHAPES
from vta.hw.rtl.axi import read_signature, write_signature
from vta.hw.rtl.compute import Compute
from vta.hw.rtl.errors import ErrorRecord
from vta.hw.rtl.fetch import Fetch
from vta.hw.rtl.load import Load
from vta.hw.rtl.perf_counters import STEP_BITS
from vta.hw.rtl.read_arbiter import ReadArbiter
from vta.hw.rtl.store import Store
from vta.hw.rtl.tokens import TokenQueue

# AXI ports -> for each port its read clients, the most urgent first; and the port that store writes to
READ_CLIENTS = {1: (("uop", "acc", "fetch", "load"),),
                2: (("uop", "acc", "fetch"), ("load",)),
                4: (("fetch",), ("load",), ("uop", "acc"), ())}
WRITE_PORT = {1: 0, 2: 0, 4: 3}

# the events of each unit, in the order of its `events` output
EVENTS = {Unit.FETCH: ("fetch_insns",),
          Unit.LOAD: ("load_insns", "inp_tiles", "wgt_tiles"),
          Unit.COMPUTE: ("compute_insns", "uop_words", "acc_tiles", "gemm_steps", "reset_steps", "alu_steps"),
          Unit.STORE: ("store_insns", "out_tiles")}


class Core(wiring.Component):
    """Executes the stream at `insn_ptr` (`insn_count` instructions) from `start` on; `finish` at FINISH.

    `tokens_set` (by queue) loads `tokens_value` into a token queue. `add` feeds the counters. `settled`:
    nothing can go on without a token or a launch. A port without read clients leaves its AR channel silent.
    """

    def __init__(self, config):
        self.config = config
        read_arbiters = sum(1 for clients in READ_CLIENTS[config.axi_ports] if clients)
        super().__init__({
            "start": In(1), "running": In(1), "insn_count": In(32),
            **{f"{name}_ptr": In(config.axi_addr_width) for name in POINTERS},
            "tokens_set": In(len(Queue)), "tokens_value": In(32), "tokens": Out(16).array(len(Queue)),
            "read": Out(read_signature(config)).array(read_arbiters), "write": Out(write_signature(config)),
            "halt": In(1), "bus_idle": Out(1), "settled": Out(1),
            "finish": Out(1), "expired": Out(1), "watchdog": In(32),
            "error_clear": In(1), "error_seen": Out(1), "error": Out(SHAPES["error"]), "error_insn": Out(32),
            "add": Out(STEP_BITS).array(len(COUNTERS))})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.fetch = fetch = Fetch(config)
        m.submodules.load = load = Load(config)
        m.submodules.compute = compute = Compute(config)
        m.submodules.store = store = Store(config)
        m.submodules.errors = errors = ErrorRecord()
        queues = {}
        for queue in Queue:
            m.submodules[queue.name.lower()] = queues[queue] = TokenQueue(config.token_depth)
        l2g, g2l, g2s, s2g = (queues[queue] for queue in Queue)

        # instructions
        connect(m, fetch.load, load.insn)
        connect(m, fetch.compute, compute.insn)
        connect(m, fetch.store, store.insn)
        # tokens
        m.d.comb += [
            load.space.eq(l2g.space), l2g.reserve.eq(load.reserve), l2g.push.eq(load.push),
            compute.available_prev.eq(l2g.available), l2g.pop.eq(compute.pop_prev),
            compute.space_prev.eq(g2l.space), g2l.reserve.eq(compute.reserve_prev), g2l.push.eq(compute.push_prev),
            load.available.eq(g2l.available), g2l.pop.eq(load.pop),
            compute.space_next.eq(g2s.space), g2s.reserve.eq(compute.reserve_next), g2s.push.eq(compute.push_next),
            store.available.eq(g2s.available), g2s.pop.eq(store.pop),
            store.space.eq(s2g.space), s2g.reserve.eq(store.push), s2g.push.eq(store.push),
            compute.available_next.eq(s2g.available), s2g.pop.eq(compute.pop_next),
        ]
        # data
        m.d.comb += [
            compute.write.eq(load.write), compute.chunk.eq(load.chunk),
            compute.out_en.eq(store.out_en), compute.out_index.eq(store.out_index),
            store.out_data.eq(compute.out_data),
        ]
        # memory
        connect(m, store.axi, flipped(self.write))
        clients = {"uop": (compute.uop_request, compute.uop_beats), "acc": (compute.acc_request, compute.acc_beats),
                   "fetch": (fetch.request, fetch.beats), "load": (load.request, load.beats)}
        read_arbiters = []
        for number, names in enumerate(filter(None, READ_CLIENTS[config.axi_ports])):
            m.submodules[f"read_arbiter_{number}"] = read_arbiter = ReadArbiter(config, len(names))
            for request, beats, name in zip(read_arbiter.request, read_arbiter.beats, names, strict=True):
                connect(m, clients[name][0], request)
                connect(m, beats, clients[name][1])
            if "load" in names:
                m.d.comb += load.bus_busy.eq(read_arbiter.axi.rvalid)
            connect(m, read_arbiter.axi, flipped(self.read[number]))
            read_arbiters.append(read_arbiter)

        # launch, pointers, errors
        units = {Unit.FETCH: fetch, Unit.LOAD: load, Unit.COMPUTE: compute, Unit.STORE: store}
        through = Signal()                       # FINISH has left compute
        with m.If(self.start):
            m.d.sync += through.eq(0)
        with m.Elif(compute.finish):
            m.d.sync += through.eq(1)
        m.d.comb += [
            fetch.start.eq(self.start), fetch.count.eq(self.insn_count), fetch.pointer.eq(self.insn_ptr),
            load.inp_ptr.eq(self.inp_ptr), load.wgt_ptr.eq(self.wgt_ptr),
            compute.uop_ptr.eq(self.uop_ptr), compute.acc_ptr.eq(self.acc_ptr), store.out_ptr.eq(self.out_ptr),
            *(unit.clear.eq(self.start) for unit in (load, compute, store)),
            fetch.running.eq(self.running), compute.running.eq(self.running & ~through),
            load.running.eq(self.running & ~(fetch.finished & load.idle)),
            store.running.eq(self.running & ~(fetch.finished & store.idle)),
            *(read_arbiter.halt.eq(self.halt) for read_arbiter in read_arbiters), store.halt.eq(self.halt),
            self.finish.eq(compute.finish),
            *(error.eq(units[unit].error) for unit, error in zip(Unit, errors.errors, strict=True)),
            errors.clear.eq(self.error_clear), errors.running.eq(self.running), errors.limit.eq(self.watchdog),
            errors.progress.eq(fetch.progress | load.progress | compute.progress | store.progress),
            self.expired.eq(errors.expired), self.error_seen.eq(errors.seen),
            self.error.eq(errors.first), self.error_insn.eq(errors.number),
            self.settled.eq(
                fetch.finished & load.settled & compute.settled & store.settled),
        ]
        idle = store.bus_idle
        for read_arbiter in read_arbiters:
            idle = idle & read_arbiter.idle
        m.d.comb += self.bus_idle.eq(idle)
        for queue in Queue:
            m.d.comb += [queues[queue].set.eq(self.tokens_set[queue]),
                         queues[queue].set_count.eq(self.tokens_value), self.tokens[queue].eq(queues[queue].count)]

        # counters
        counts = {f"pushed_{queue.name.lower()}": queues[queue].push for queue in Queue}
        for unit, component in units.items():
            counts |= {counter.name: bit for counter, bit in zip(STATES[unit], component.states, strict=True)}
            counts |= dict(zip(EVENTS[unit], component.events, strict=True))
        counts["read_beats"] = sum(each.axi.rvalid & each.axi.rready for each in read_arbiters)
        counts["read_bursts"] = sum(each.axi.arvalid & each.axi.arready for each in read_arbiters)
        counts["write_beats"] = store.axi.wvalid & store.axi.wready
        counts["write_bursts"] = store.axi.awvalid & store.axi.awready
        assert set(counts) == {counter.name for counter in COUNTERS}
        m.d.comb += [add.eq(counts[counter.name]) for counter, add in zip(COUNTERS, self.add, strict=True)]
        return m
