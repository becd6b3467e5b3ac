"""The AXI read arbiter obeys the channel rules and gives every beat to the client that requested it."""

from amaranth.hdl import Array, Assert, Assume, Cat, Mux, Signal, Value

from vta.hw.rtl import read_arbiter
from vta.sim.formal.property import Property

LEN_BITS = 2         # bursts of 1 to 4 beats: enough for every case to occur in a short execution


class ReadChannelRules(Property):
    """Any requests of `clients` clients; a slave that may do all that AXI allows: any delays, any order across IDs.

    The slave's state is, for each ID, the bursts accepted and not yet complete, oldest first.
    """

    def __init__(self, config, unit=read_arbiter, clients=3):
        super().__init__()
        self.config, self.clients = config, clients
        self.read_arbiter = unit.ReadArbiter(config, clients)

    def state(self, m):
        dut, axi, limit = self.read_arbiter, self.read_arbiter.axi, self.config.read_outstanding
        self.unit(m, dut)
        requests = [client.request for client in dut.clients]
        requester = Signal(range(self.clients))                # the client whose request the AR register holds
        for k, request in enumerate(requests):
            m.d.comb += Assume(request.payload.len < 1 << LEN_BITS)
            with m.If(request.valid & request.ready):
                m.d.sync += requester.eq(k)
        granted = sum(request.valid & request.ready for request in requests)
        moved = axi.arvalid & axi.arready
        ended = sum(client.beats.valid & client.beats.ready & client.beats.payload.last for client in dut.clients)
        first = Signal(requests[0].payload.shape())        # the request that was granted last
        for request in requests:
            with m.If(request.valid & request.ready):
                m.d.sync += first.eq(request.payload)
        in_flight = Signal(range(limit + 2))
        m.d.sync += in_flight.eq(in_flight + granted - ended)
        self.held(m, axi.arvalid, axi.arready, [axi.araddr, axi.arlen, axi.arid])
        m.d.comb += [
            Assert(granted <= 1),
            Assert(~self.past(m, granted != 0) | axi.arvalid),
            Assert(~axi.arvalid | ((axi.araddr == first.addr) & (axi.arlen == first.len))),
            Assert(~axi.arvalid | (axi.arid == requester % self.config.read_ids)),
            Assert(in_flight <= limit), Assert(dut.idle == (in_flight == 0)),
            Assert(~dut.halt | (granted == 0)),
        ]
        self._slave(m, requester, moved)

    def _slave(self, m, requester, moved):
        """R: all that AXI allows. A beat belongs to the client at the head of its ID's list."""
        axi, limit = self.read_arbiter.axi, self.config.read_outstanding
        accepted = Signal.like(requester, name="accepted")
        self.held(m, axi.rvalid, axi.rready, [axi.rdata, axi.rresp, axi.rlast, axi.rid], Assume)
        m.d.comb += Assume(~axi.rvalid | (axi.rid < self.config.read_ids))
        for number in range(self.config.read_ids):
            owner = Array(Signal.like(requester, name=f"owner_{number}_{n}") for n in range(limit + 1))
            length = Array(Signal(LEN_BITS, name=f"length_{number}_{n}") for n in range(limit + 1))
            used, beat = Signal(range(limit + 1), name=f"used_{number}"), Signal(LEN_BITS, name=f"beat_{number}")
            here = axi.rvalid & (axi.rid == number)
            taken = here & axi.rready
            enter, leave = moved & (axi.arid == number), taken & axi.rlast
            m.d.comb += [Assume(~here | (used != 0)), Assume(~here | (axi.rlast == (beat == length[0])))]
            m.d.sync += used.eq(used + enter - leave)
            with m.If(taken):
                m.d.sync += beat.eq(Mux(axi.rlast, 0, beat + 1))
            for n in range(limit):
                arrives = enter & (n == used - leave)
                m.d.sync += [
                    owner[n].eq(Mux(arrives, requester, Mux(leave, owner[n + 1], owner[n]))),
                    length[n].eq(Mux(arrives, axi.arlen[:LEN_BITS], Mux(leave, length[n + 1], length[n])))]
            with m.If(taken):
                m.d.comb += accepted.eq(owner[0])
        self._delivered(m, accepted)

    def _delivered(self, m, accepted):
        """The beats on their way to the clients, two at most, oldest first: `accepted` is the owner of the one on R."""
        dut, axi = self.read_arbiter, self.read_arbiter.axi
        beat = Cat(axi.rdata, axi.rresp != 0, axi.rlast)
        owners = [Signal.like(accepted, name=f"way_owner_{n}") for n in range(2)]
        beats = [Signal(len(beat), name=f"way_beat_{n}") for n in range(2)]
        count = Signal(2, name="way_count")
        arrives = axi.rvalid & axi.rready
        leaves = Cat(client.beats.valid & client.beats.ready for client in dut.clients).any()
        m.d.comb += Assert(axi.rready == (count != 2))
        for k, client in enumerate(dut.clients):
            payload = Value.cast(client.beats.payload)
            m.d.comb += [Assert(client.beats.valid == ((count != 0) & (owners[0] == k))),
                         Assert(~client.beats.valid | (payload == beats[0]))]
        m.d.sync += count.eq(count + arrives - leaves)
        with m.If(leaves):
            m.d.sync += [owners[0].eq(owners[1]), beats[0].eq(beats[1])]
        for n in range(2):
            with m.If(arrives & (n == count - leaves)):
                m.d.sync += [owners[n].eq(accepted), beats[n].eq(beat)]
