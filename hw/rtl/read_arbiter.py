"""Shares one AXI read channel among clients: requests by priority, data routed back by ID."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.axi import OKAY, read_signature
from vta.hw.rtl.fifo import Fifo
from vta.hw.rtl.interfaces import read_client


class ReadArbiter(wiring.Component):
    """`clients` of memory share one AXI read master; a lower number is more urgent.

    A client's beats come in the order of its requests, whatever order the memory chooses across IDs; a request that
    has not been taken may be withdrawn. Client k uses ID k modulo `config.read_ids`; clients that share an ID are told
    apart by the order of their requests, which AXI keeps within one ID. Latency: one cycle from a request to ARVALID,
    none from R to `beats`. Throughput: a request and a beat each cycle. A client that does not take its beat stalls
    the others: clients request only what they can take soon.
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
        in_flight = Signal(range(limit + 1))
        free = Signal()
        grant = Signal()
        ended = Signal()

        # requests: the most urgent one enters the AR register when that is empty or being taken
        m.d.comb += [
            free.eq((~axi.arvalid | axi.arready) & (in_flight != limit) & ~self.halt),
            ended.eq(axi.rvalid & axi.rready & axi.rlast),
            self.idle.eq(in_flight == 0),
        ]
        with m.If(axi.arready):
            m.d.sync += axi.arvalid.eq(0)
        orders = self._orders(m, ids)
        earlier = 0
        for k, client in enumerate(self.clients):
            request = client.request
            order = orders.get(ids[k])           # never full: it holds as many as may be in flight
            m.d.comb += request.ready.eq(free & ~earlier)
            with m.If(request.valid & request.ready):
                m.d.comb += grant.eq(1)
                m.d.sync += [axi.arvalid.eq(1), axi.araddr.eq(request.payload.addr),
                             axi.arlen.eq(request.payload.len), axi.arid.eq(ids[k])]
                if order:
                    m.d.comb += [order.i.valid.eq(1), order.i.payload.eq(k)]
            earlier = earlier | request.valid
        m.d.sync += in_flight.eq(in_flight + grant - ended)

        # data: to the client that the ID, or the queue of a shared ID, names
        for k, client in enumerate(self.clients):
            beats = client.beats
            order = orders.get(ids[k])
            mine = Signal(name=f"mine_{k}")
            m.d.comb += [
                mine.eq((axi.rid == ids[k]) & (order.o.payload == k if order else 1)),
                beats.payload.data.eq(axi.rdata),
                beats.payload.error.eq(axi.rresp != OKAY),
                beats.payload.last.eq(axi.rlast),
                beats.valid.eq(axi.rvalid & mine),
            ]
            with m.If(mine):
                m.d.comb += axi.rready.eq(beats.ready)
        for number, order in orders.items():
            m.d.comb += order.o.ready.eq(ended & (axi.rid == number))
        return m

    def _orders(self, m, ids):
        """For each shared ID, a queue of the clients whose bursts are in flight, oldest first."""
        orders = {}
        for number in {n for n in ids if ids.count(n) > 1}:
            fifo = Fifo(range(len(self.clients)), self.config.read_outstanding)
            m.submodules[f"order_{number}"] = orders[number] = fifo
        return orders
