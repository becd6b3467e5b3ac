"""Shares one AXI read channel among clients: requests by priority, data routed back by ID."""

from functools import reduce

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import OKAY, read_signature
from vta.hw.rtl.fifo import Counter, Fifo, RegisterSlice
from vta.hw.rtl.interfaces import beat_layout, read_client


class ReadArbiter(wiring.Component):
    """`clients` of memory share one AXI read master; a lower number is more urgent.

    A client's beats come in the order of its requests, whatever order the memory chooses across IDs; a request that
    has not been taken may be withdrawn. Client k uses ID k modulo `config.read_ids`; clients that share an ID are told
    apart by the order of their requests, which AXI keeps within one ID. Latency: one cycle from a request to ARVALID,
    one from R to `beats`; all outputs to the bus are registers. Throughput: a request and a beat each cycle. A client
    that does not take its beat stalls the others: clients request only what they can take soon.
    At most `config.read_outstanding` bursts are in flight; `halt` stops new ones.
    """

    def __init__(self, config, clients):
        self.config = config
        super().__init__({
            "clients": In(read_client(config)).array(clients),
            "axi": Out(read_signature(config)),
            "halt": In(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        axi, limit = self.axi, self.config.read_outstanding
        ids = [k % self.config.read_ids for k in range(len(self.clients))]
        m.submodules.slice = arrived = RegisterSlice(
            data.StructLayout({"beat": beat_layout(self.config), "id": unsigned(len(set(ids)))}))      # one-hot
        m.submodules.in_flight = in_flight = Counter(limit)
        free = Signal()
        grant = Signal()
        ended = Signal()

        # requests: the most urgent one enters the AR register when that is empty or being taken
        m.d.comb += [
            free.eq((~axi.arvalid | axi.arready) & ~in_flight.full & ~self.halt),
            self.idle.eq(~in_flight.some), grant.eq(free & Cat(client.request.valid for client in self.clients).any()),
            in_flight.up.eq(grant), in_flight.down.eq(ended),
        ]
        with m.If(free):
            m.d.sync += axi.arvalid.eq(grant)
        with m.Elif(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        orders = self._orders(m, ids)
        requests = [client.request for client in self.clients]
        # the most urgent client that requests; the last one if none does
        urgent = Signal(range(max(len(requests), 2)))
        m.d.comb += urgent.eq(reduce(lambda later, number: Mux(requests[number].valid, number, later),
                                     reversed(range(len(requests) - 1)), len(requests) - 1))
        with m.If(free):
            chosen = Array(request.payload for request in requests)[urgent]
            m.d.sync += [axi.araddr.eq(chosen.addr), axi.arlen.eq(chosen.len), axi.arid.eq(Array(ids)[urgent])]
        m.d.comb += [request.ready.eq(free & (urgent == k)) for k, request in enumerate(requests)]
        # the order of clients that share an ID, a cycle later: no data is here before the one after that
        granted = Signal()
        latest = Signal.like(urgent)
        if orders:
            m.d.sync += [granted.eq(grant), latest.eq(urgent)]
        for shared, order in orders.items():     # never full: each holds as many as may be in flight
            m.d.comb += [order.i.valid.eq(granted & (axi.arid == shared)), order.i.payload.eq(latest)]

        # data: to the client that the ID, or the queue of a shared ID, names
        new, beat, number = arrived.i.payload.beat, arrived.o.payload.beat, arrived.o.payload.id
        m.d.comb += [
            arrived.i.valid.eq(axi.rvalid), axi.rready.eq(arrived.i.ready),
            arrived.i.payload.id.eq(Cat(axi.rvalid & (axi.rid == number) for number in range(len(set(ids))))),
            new.data.eq(axi.rdata), new.error.eq(axi.rresp != OKAY), new.last.eq(axi.rlast),
            ended.eq(arrived.o.valid & arrived.o.ready & beat.last),
        ]
        for k, client in enumerate(self.clients):
            beats = client.beats
            order = orders.get(ids[k])
            mine = Signal(name=f"mine_{k}")
            m.d.comb += [
                mine.eq(number[ids[k]] & (order.o.payload == k if order else 1)),
                beats.payload.eq(beat), beats.valid.eq(mine),      # an ID is set only if the slice holds a beat
            ]
            with m.If(mine):
                m.d.comb += arrived.o.ready.eq(beats.ready)
        for shared, order in orders.items():
            m.d.comb += order.o.ready.eq(ended & number[shared])
        return m

    def _orders(self, m, ids):
        """For each shared ID, a queue of the clients whose bursts are in flight, oldest first."""
        orders = {}
        for number in {n for n in ids if ids.count(n) > 1}:
            fifo = Fifo(range(len(self.clients)), self.config.read_outstanding)
            m.submodules[f"order_{number}"] = orders[number] = fifo
        return orders
