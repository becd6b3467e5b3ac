"""A bench for one unit in Amaranth's simulator: streams driven and collected, with stalls, cycle by cycle.

Cycle n is the one that ends with clock edge n. Everything is set right after an edge and sampled at the
next one, so no test depends on the order in which the simulator runs its processes.
"""

import itertools
from collections import deque
from random import Random
from types import SimpleNamespace

import pytest
from amaranth.hdl import Cat, Shape, Value
from amaranth.lib import data
from amaranth.sim import Simulator

# When a side of a handshake holds back: never, in a fixed rhythm, at random.
STALLS = {
    "none": lambda random: itertools.repeat(False),
    "cyclic": lambda random: itertools.cycle((False, True, False, False, True, True, True)),
    "random": lambda random: iter(lambda: random.random() < 0.4, None),
}
each_stall = pytest.mark.parametrize("stalls", STALLS)


def unpack(shape, bits):
    """The integer `bits` as plain Python values: a dict for a struct, a list for an array, else an int."""
    if isinstance(shape, data.ArrayLayout):
        width = Shape.cast(shape.elem_shape).width
        return [unpack(shape.elem_shape, bits >> n * width & (1 << width) - 1) for n in range(shape.length)]
    if isinstance(shape, data.Layout):
        return {name: unpack(field.shape, bits >> field.offset & (1 << field.width) - 1)
                for name, field in shape}
    shape = Shape.cast(shape)
    return bits - (1 << shape.width) if shape.signed and bits >> shape.width - 1 else bits


def joined(valid, ready, **signals):
    """A stream made of loose signals, e.g. of an AXI channel; its payload is a struct of `signals`."""
    shapes = {name: signal.shape() for name, signal in signals.items()}
    flat = Cat(Value.cast(signal) for signal in signals.values())
    return SimpleNamespace(valid=valid, ready=ready, payload=data.View(data.StructLayout(shapes), flat))


def channel(axi, prefix, *names):
    """One channel of an AXI port as a stream: `channel(axi, "ar", "addr", "len", "id")`."""
    return joined(getattr(axi, f"{prefix}valid"), getattr(axi, f"{prefix}ready"),
                  **{name: getattr(axi, prefix + name) for name in names})


class Bench:
    """Drives and watches the unit `dut`. `stalls` (a key of STALLS) holds for all streams unless they say
    otherwise. First say what to send, receive and watch, then `run`."""

    def __init__(self, dut, stalls="none", seed=0):
        self.dut, self.stalls, self.random = dut, stalls, Random(seed)
        self.simulator = Simulator(dut)
        self.simulator.add_clock(1e-6)
        self._waiting = []               # (what, function that says how many are missing)

    def pattern(self, stalls=None):
        """A fresh iterator of "hold back in this cycle?"."""
        return STALLS[stalls or self.stalls](Random(self.random.random()))

    def process(self, function):
        """Add the coroutine `function(ctx)`; the run does not wait for its end."""
        self.simulator.add_testbench(function, background=True)

    def feed(self, stream, queue, stalls=None):
        """Offer the (earliest cycle, value) pairs of the deque `queue`, which may grow; returns the growing
        list of the cycles in which they are taken."""
        pattern, taken = self.pattern(stalls), []

        async def drive(ctx):
            offering = False
            for cycle in itertools.count():
                if not offering and queue and queue[0][0] <= cycle and not next(pattern):
                    offering = True
                    ctx.set(stream.payload, queue[0][1])
                ctx.set(stream.valid, offering)
                _, _, ready = await ctx.tick().sample(stream.ready)
                if offering and ready:
                    queue.popleft()
                    taken.append(cycle)
                    offering = False
        self.process(drive)
        return taken

    def send(self, stream, items, stalls=None):
        """Offer all `items`, in order; returns the list of the cycles in which they are taken."""
        queue = deque((0, item) for item in items)
        self._waiting.append(("items to send", lambda: len(queue)))
        return self.feed(stream, queue, stalls)

    def receive(self, stream, count=0, stalls=None, stable=True, then=None):
        """Take what `stream` offers; returns a growing list of (cycle, value). The run waits for `count`.

        `stable`: an offer must be repeated unchanged until taken. `then(cycle, value)` is called for each.
        """
        shape = stream.payload.shape()
        pattern, got = self.pattern(stalls), []
        self._waiting.append(("items to receive", lambda: count - len(got)))

        async def take(ctx):
            held = None
            for cycle in itertools.count():
                hold = next(pattern)
                ctx.set(stream.ready, not hold)
                _, _, valid, bits = await ctx.tick().sample(stream.valid, Value.cast(stream.payload))
                if stable and held is not None:
                    assert valid, f"cycle {cycle}: an offer was withdrawn before it was taken"
                    assert bits == held, f"cycle {cycle}: an offer changed from {held:x} to {bits:x}"
                held = bits if valid and hold else None
                if valid and not hold:
                    value = unpack(shape, bits & (1 << Shape.cast(shape).width) - 1)
                    got.append((cycle, value))
                    if then:
                        then(cycle, value)
        self.process(take)
        return got

    def watch(self, *signals):
        """A growing list with the value of the signal (a tuple, if several) in each cycle."""
        seen = []

        async def sample(ctx):
            while True:
                _, _, *values = await ctx.tick().sample(*(Value.cast(signal) for signal in signals))
                seen.append(values[0] if len(values) == 1 else tuple(values))
        self.process(sample)
        return seen

    def set(self, **ports):
        """Constant inputs, from cycle 0 on; a struct may be given as its bits."""
        async def assign(ctx):
            for name, value in ports.items():
                port = getattr(self.dut, name)
                ctx.set(Value.cast(port) if isinstance(value, int) else port, value)
        self.process(assign)

    def run(self, until=lambda: True, limit=20_000, after=20):
        """Simulate until all is sent and received and `until()` holds, and `after` cycles more."""
        async def conduct(ctx):
            for _ in range(limit):
                if until() and not any(missing() > 0 for _, missing in self._waiting):
                    break
                await ctx.tick()
            else:
                left = [f"{missing()} {what}" for what, missing in self._waiting if missing() > 0]
                raise AssertionError(f"stuck after {limit} cycles: {', '.join(left) or 'condition not met'}")
            await ctx.tick().repeat(after)
        self.simulator.add_testbench(conduct)
        self.simulator.run()


async def cycles(ctx, count):
    """Wait; unlike `ctx.tick().repeat` it may be left unfinished at the end of a run."""
    for _ in range(count):
        await ctx.tick()


async def until(ctx, condition):
    """Wait for the end of the first cycle in which `condition` is true; likewise."""
    while not (await ctx.tick().sample(condition))[-1]:
        pass


def values(got):
    """What was received, without the cycles."""
    return [value for _, value in got]


def at_full_rate(cycles):
    """Whether one item came in each cycle, from the first to the last."""
    return list(cycles) == list(range(cycles[0], cycles[0] + len(cycles)))
