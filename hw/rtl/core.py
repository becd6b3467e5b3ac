"""The accelerator without its registers: four units, four token queues, the read ports."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from vta.hw.counters import COUNTERS
from vta.hw.isa import Queue, Unit
from vta.hw.registers import POINTERS, SHAPES
from vta.hw.rtl.axi import read_signature, write_signature
from vta.hw.rtl.compute import Compute
from vta.hw.rtl.errors import ErrorRecord
from vta.hw.rtl.fetch import Fetch
from vta.hw.rtl.load import Load
from vta.hw.rtl.perf_counters import STEPS
from vta.hw.rtl.read_arbiter import ReadArbiter
from vta.hw.rtl.store import Store
from vta.hw.rtl.tokens import TokenQueue

# AXI ports -> for each port its read clients, the most urgent first; and the port that store writes to
READ_CLIENTS = {1: (("uop", "acc", "fetch", "load"),),
                2: (("uop", "acc", "fetch"), ("load",)),
                4: (("fetch",), ("load",), ("uop", "acc"), ())}
WRITE_PORT = {1: 0, 2: 0, 4: 3}


class Core(wiring.Component):
    """Executes the stream at `insn_ptr` (`insn_count` instructions) from `start` on; `finish` at FINISH.

    `tokens_set` (by queue) loads `tokens_value` into a token queue. `add` feeds the counters, a cycle late. `settled`:
    no unit can proceed without a token or a launch. A port without read clients leaves its AR channel silent.
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
            "add": Out(STEPS)})

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.fetch = fetch = Fetch(config)
        m.submodules.load = load = Load(config)
        m.submodules.compute = compute = Compute(config)
        m.submodules.store = store = Store(config)
        m.submodules.errors = errors = ErrorRecord()
        units = {Unit.FETCH: fetch, Unit.LOAD: load, Unit.COMPUTE: compute, Unit.STORE: store}

        # instructions
        connect(m, fetch.load, load.insn)
        connect(m, fetch.compute, compute.insn)
        connect(m, fetch.store, store.insn)
        # tokens
        for queue in Queue:
            name = queue.name.lower()
            m.submodules[name] = tokens = TokenQueue(config.token_depth)
            connect(m, getattr(units[queue.producer], name), tokens.source)
            connect(m, tokens.sink, getattr(units[queue.consumer], name))
            m.d.comb += [tokens.set.eq(self.tokens_set[queue]), tokens.set_count.eq(self.tokens_value),
                         self.tokens[queue].eq(tokens.count)]
        # tiles
        connect(m, load.write, compute.write)
        connect(m, compute.out, store.out)
        # memory
        connect(m, store.axi, flipped(self.write))
        clients = {"fetch": fetch.read, "load": load.read, "uop": compute.uop_read, "acc": compute.acc_read}
        arbiters = []
        for number, names in enumerate(filter(None, READ_CLIENTS[config.axi_ports])):
            m.submodules[f"read_arbiter_{number}"] = arbiter = ReadArbiter(config, len(names))
            for name, port in zip(names, arbiter.clients, strict=True):
                connect(m, clients[name], port)
            if "load" in names:
                m.d.comb += load.bus_busy.eq(arbiter.axi.rvalid)
            connect(m, arbiter.axi, flipped(self.read[number]))
            arbiters.append(arbiter)

        # launch, pointers, errors
        finished = Signal()                       # FINISH has left compute
        with m.If(self.start):
            m.d.sync += finished.eq(0)
        with m.Elif(compute.finish):
            m.d.sync += finished.eq(1)
        dispatched = fetch.status.settled
        m.d.comb += [
            fetch.start.eq(self.start), fetch.count.eq(self.insn_count), fetch.pointer.eq(self.insn_ptr),
            load.inp_ptr.eq(self.inp_ptr), load.wgt_ptr.eq(self.wgt_ptr),
            compute.uop_ptr.eq(self.uop_ptr), compute.acc_ptr.eq(self.acc_ptr), store.out_ptr.eq(self.out_ptr),
            *(unit.clear.eq(self.start) for unit in (load, compute, store)),
            fetch.running.eq(self.running), compute.running.eq(self.running & ~finished),
            load.running.eq(self.running & ~(dispatched & load.idle)),
            store.running.eq(self.running & ~(dispatched & store.idle)),
            *(port.halt.eq(self.halt) for port in (*arbiters, store)),
            self.finish.eq(compute.finish),
            *(errors.errors[unit].eq(component.status.error) for unit, component in units.items()),
            errors.clear.eq(self.error_clear), errors.running.eq(self.running), errors.limit.eq(self.watchdog),
            errors.progress.eq(Cat(unit.status.progress for unit in units.values()).any()),
            self.expired.eq(errors.expired), self.error_seen.eq(errors.seen),
            self.error.eq(errors.first), self.error_insn.eq(errors.number),
            self.settled.eq(Cat(unit.status.settled for unit in units.values()).all()),
            self.bus_idle.eq(Cat(store.bus_idle, *(arbiter.idle for arbiter in arbiters)).all()),
        ]

        # counters
        read_beats, read_bursts = (Signal(range(len(arbiters) + 1), name=name) for name in ("beats", "bursts"))
        m.d.sync += [read_beats.eq(sum(arbiter.axi.rvalid & arbiter.axi.rready for arbiter in arbiters)),
                     read_bursts.eq(sum(arbiter.axi.arvalid & arbiter.axi.arready for arbiter in arbiters))]
        counts = {"read_beats": read_beats, "read_bursts": read_bursts}
        for unit in units.values():
            for struct in (unit.status.states, unit.status.events):
                counts |= {name: struct[name] for name in struct.shape().members}
        m.d.comb += [getattr(self.add, counter.name).eq(counts.pop(counter.name)) for counter in COUNTERS]
        assert not counts
        return m
