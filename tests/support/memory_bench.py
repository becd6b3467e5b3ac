"""Memory for benches of single units: answers bursts, and checks each of them against the rules of AXI."""

from collections import deque

from stream_bench import channel

from vta.hw.rtl.axi import LEN_BITS


def check_burst(config, addr, length):
    """An aligned burst of at most `max_burst` beats that does not cross 4 KiB."""
    beats = length + 1
    assert addr % config.bus_bytes == 0, f"burst at {addr:#x} does not start on a beat"
    assert beats <= min(config.max_burst, 1 << LEN_BITS), f"{beats} beats"
    assert addr // 4096 == (addr + beats * config.bus_bytes - 1) // 4096, f"{addr:#x}: crosses 4 KiB"


class ReadMemory:
    """Serves a unit's read `client`, in order, from the bytes `image` (from address 0 on).

    `errors` are beat addresses that answer with an error. `bursts` collects (cycle, addr, beats). A request
    may be withdrawn before it is taken, as `ReadArbiter` allows.
    """

    def __init__(self, bench, config, client, image, latency=4, errors=(), stalls=None):
        self.bursts, queue = [], deque()
        size = config.bus_bytes

        def answer(cycle, burst):
            addr, last = burst["addr"], burst["len"]
            check_burst(config, addr, last)
            assert addr + (last + 1) * size <= len(image), f"{addr:#x} is outside the memory"
            self.bursts.append((cycle, addr, last + 1))
            for n in range(last + 1):
                here = addr + n * size
                queue.append((cycle + latency, {"data": int.from_bytes(image[here:here + size], "little"),
                                                "error": here in errors, "last": n == last}))
        bench.receive(client.request, stalls=stalls, stable=False, then=answer)
        self.taken = bench.feed(client.beats, queue, stalls)


class ReadPort:
    """An AXI read slave. Bursts of one ID are answered in order; with `reorder`, beats of different IDs
    in any order, interleaved at will. `errors`: beat addresses that answer SLVERR. `bursts` collects
    (cycle, id, addr, beats), `most` is how many were in flight at once."""

    def __init__(self, bench, config, axi, image, latency=4, reorder=False, errors=()):
        self.bursts, self.waiting, self.most = [], {}, 0
        size, random, answers = config.bus_bytes, bench.random, deque()

        def ask(cycle, burst):
            addr, last = burst["addr"], burst["len"]
            check_burst(config, addr, last)
            self.bursts.append((cycle, burst["id"], addr, last + 1))
            number = burst["id"] if reorder else 0
            queue = self.waiting.setdefault(number, deque())
            for n in range(last + 1):
                here = addr + n * size
                queue.append((cycle + latency, {
                    "data": int.from_bytes(image[here:here + size], "little"), "id": burst["id"],
                    "resp": 2 if here in errors else 0, "last": n == last}))
            queues = [*self.waiting.values(), *([answers] if reorder else [])]
            self.most = max(self.most, sum(beat["last"] for queue in queues for _, beat in queue))

        async def choose(ctx):
            while True:
                await ctx.tick()
                ready = [queue for queue in self.waiting.values() if queue]
                if ready and not answers:
                    answers.append(random.choice(ready).popleft())
        bench.receive(channel(axi, "ar", "addr", "len", "id"), then=ask)
        if not reorder:
            answers = self.waiting.setdefault(0, deque())
        else:
            bench.process(choose)
        self.taken = bench.feed(channel(axi, "r", "data", "resp", "last", "id"), answers)


class WritePort:
    """An AXI write slave over the bytearray `image`; answers bursts in order, `latency` after the last beat.

    `errors`: burst addresses that answer SLVERR. `bursts`: (cycle, addr, beats); `beats`: (cycle, strobe).
    The payload of AW and W must hold until taken, data comes after its address and ends with `last`.
    """

    def __init__(self, bench, config, axi, image, latency=4, errors=()):
        self.bursts, self.beats, self.most = [], [], 0
        size, pending, answers = config.bus_bytes, deque(), deque()

        def address(cycle, burst):
            check_burst(config, burst["addr"], burst["len"])
            assert burst["addr"] + (burst["len"] + 1) * size <= len(image), f"{burst['addr']:#x}"
            self.bursts.append((cycle, burst["addr"], burst["len"] + 1))
            pending.append([cycle, burst["addr"], burst["len"] + 1, burst["addr"]])
            self.most = max(self.most, len(pending) + len(answers))

        def write(cycle, beat):
            self.beats.append((cycle, beat["strb"]))
            assert pending and pending[0][0] < cycle, "data before its address"
            _, addr, left, start = pending[0]
            for n in range(size):
                if beat["strb"] >> n & 1:
                    image[addr + n] = beat["data"] >> 8 * n & 255
            assert beat["last"] == (left == 1), f"{left} beats left, last = {beat['last']}"
            pending[0][1:3] = addr + size, left - 1
            if left == 1:
                pending.popleft()
                answers.append((cycle + latency, {"resp": 2 if start in errors else 0, "id": 0}))
        bench.receive(channel(axi, "aw", "addr", "len", "id"), then=address)
        bench.receive(channel(axi, "w", "data", "strb", "last"), then=write)
        self.answered = bench.feed(channel(axi, "b", "resp", "id"), answers)
