"""hw/rtl/control.py: every register of the map over AXI4-Lite, and a run from launch to end."""

import dataclasses
from collections import deque

import pytest
from amaranth.hdl import Value
from stream_bench import Bench, channel, cycles, each_stall, values

from vta.hw.config import PRESETS
from vta.hw.registers import ADDRESS_BITS
from vta.hw.rtl.axi import OKAY
from vta.hw.rtl.control import SLVERR, RegisterPort, RunControl

CONFIGS = {32: PRESETS["tiny"], 64: dataclasses.replace(PRESETS["tiny"], axi_addr_width=64)}


class Host:
    """An AXI4-Lite master on a register port; the results of its accesses are recorded for comparison."""

    def __init__(self, width, stalls="none", seed=0):
        self.dut = dut = RegisterPort(CONFIGS[width])
        self.b, self.registers = Bench(dut, stalls, seed), dut.registers
        self.pulses = [r.name for r in dut.registers if r.access not in ("rw", "ro")]
        self.kept = [r.name for r in dut.registers if r.access == "rw"]
        self.seen = self.b.watch(dut.write_data, *(getattr(dut, f"{name}_write") for name in self.pulses))
        self.state = self.b.watch(*(getattr(dut, name) for name in self.kept))

    def write(self, accesses):
        """[(address, data, strobe)] -> the responses"""
        bus = self.dut.bus
        self.b.send(channel(bus, "aw", "addr", "prot"), [{"addr": addr} for addr, _, _ in accesses])
        self.b.send(channel(bus, "w", "data", "strb"), [{"data": data, "strb": strb} for _, data, strb in accesses])
        return self.b.receive(channel(bus, "b", "resp"), len(accesses))

    def read(self, addresses):
        bus = self.dut.bus
        self.b.send(channel(bus, "ar", "addr", "prot"), [{"addr": addr} for addr in addresses])
        return self.b.receive(channel(bus, "r", "data", "resp"), len(addresses))

    def fired(self):
        """[(register, data)] of the write pulses, in order."""
        fields = {r.name for r in self.registers if r.fields}
        return [(name, bits if name in fields else row[0]) for row in self.seen
                for name, bits in zip(self.pulses, row[1:], strict=True) if bits]

    def registers_now(self):
        return dict(zip(self.kept, self.state[-1], strict=True))


@each_stall
@pytest.mark.parametrize("width", CONFIGS)
def test_written_registers_honour_strobes(width, stalls):
    """Every "rw" register, with every pattern of strobes, against a dict; then all of them are read."""
    host = Host(width, stalls, seed=width)
    registers = [r for r in host.registers if r.access == "rw"]
    expected, accesses = dict.fromkeys(host.kept, 0), []
    for strobe in [15, *range(16)]:
        for register in registers:
            data = host.b.random.getrandbits(32)
            mask = sum(255 << 8 * n for n in range(4) if strobe >> n & 1)
            expected[register.name] = expected[register.name] & ~mask | data & mask
            accesses.append((register.offset, data, strobe))
    answers = host.write(accesses)
    host.b.run()
    assert values(answers) == [{"resp": OKAY}] * len(accesses)
    assert host.registers_now() == expected and not host.fired()


@each_stall
@pytest.mark.parametrize("width", CONFIGS)
def test_every_register_reads_its_port(width, stalls):
    host = Host(width, stalls, seed=width)
    given = {r.name: host.b.random.getrandbits(32) for r in host.registers if r.access != "rw"}
    host.b.set(**given)
    answers = host.read([r.offset for r in host.registers])
    host.b.run()
    assert values(answers) == [{"data": 0 if r.access in ("rw", "wo") else given[r.name], "resp": OKAY}
                               for r in host.registers]


@pytest.mark.parametrize("width", CONFIGS)
def test_written_value_is_read_back(width):
    host = Host(width)
    offsets = [r.offset for r in host.registers if r.access == "rw"]
    host.write([(offset, 0x1000_0001 * (n + 1), 15) for n, offset in enumerate(offsets)])

    async def later(ctx):
        """Reads start when all is written."""
        bus = host.dut.bus
        await cycles(ctx, 100)
        for offset in offsets:
            ctx.set(bus.araddr, offset)
            ctx.set(bus.arvalid, 1)
            await ctx.tick()
            ctx.set(bus.arvalid, 0)
            ctx.set(bus.rready, 1)
            await cycles(ctx, 2)
            got.append(ctx.get(bus.rdata))
    got = []
    host.b.process(later)
    host.b.run(until=lambda: len(got) == len(offsets))
    assert got == [0x1000_0001 * (n + 1) for n in range(len(offsets))]


@each_stall
@pytest.mark.parametrize("width", CONFIGS)
def test_other_registers_announce_their_writes(width, stalls):
    """One pulse each, with the data; writing a read-only register changes nothing and is not an error."""
    host = Host(width, stalls)
    accesses = [(r.offset, 0xC0DE0000 + r.offset, 15) for r in host.registers if r.access != "rw"]
    answers = host.write(accesses)
    host.b.run()
    assert values(answers) == [{"resp": OKAY}] * len(accesses)
    assert host.fired() == [(r.name, 0xC0DE0000 + r.offset) for r in host.registers
                            if r.access not in ("rw", "ro")]


@pytest.mark.parametrize("width", CONFIGS)
def test_addresses_without_a_register(width):
    """SLVERR both ways, reads give 0, nothing changes: all other words of the window."""
    host = Host(width)
    free = sorted(set(range(0, 1 << ADDRESS_BITS, 4)) - {r.offset for r in host.registers})
    host.b.set(**{r.name: 0xFFFFFFFF for r in host.registers if r.access != "rw"})
    written, read = host.write([(offset, 0xFFFFFFFF, 15) for offset in free]), host.read(free)
    host.b.run()
    assert values(written) == [{"resp": SLVERR}] * len(free)
    assert values(read) == [{"data": 0, "resp": SLVERR}] * len(free)
    assert not host.fired() and not any(host.registers_now().values())


@pytest.mark.parametrize("late", ["address", "data"])
def test_address_and_data_may_come_apart(late):
    host = Host(32)
    bus, register = host.dut.bus, next(r for r in host.registers if r.access == "rw")
    first, second = channel(bus, "aw", "addr"), channel(bus, "w", "data", "strb")
    pairs = [(first, {"addr": register.offset}), (second, {"data": 77, "strb": 15})]
    for (port, value), is_late in zip(pairs, (late == "address", late == "data"), strict=True):
        host.b.feed(port, deque([(20 if is_late else 0, value)]))
    answers = host.b.receive(channel(bus, "b", "resp"), 1)
    host.b.run()
    assert answers[0][0] == 22 and host.registers_now()[register.name] == 77


def test_rate():
    """A read and a write each take three cycles."""
    host = Host(32)
    written, read = host.write([(8, n, 15) for n in range(10)]), host.read([8] * 10)
    host.b.run()
    for got in (written, read):
        assert [cycle for cycle, _ in got] == list(range(2, 30, 3))


def control(script, length, **constant):
    """RunControl under {cycle: {port: value}} (one cycle each); returns a dict of lists, by output."""
    dut = RunControl()
    b = Bench(dut)
    outputs = ("start", "running", "done", "cycles", "irq_status", "interrupt", "halt", "core_reset")
    seen = b.watch(*(getattr(dut, name) for name in outputs))
    b.set(**constant)

    async def apply(ctx):
        for cycle in range(length):
            for name, value in script.get(cycle, {}).items():
                ctx.set(Value.cast(getattr(dut, name)), value)
            await ctx.tick()
            for name in script.get(cycle, {}):
                ctx.set(Value.cast(getattr(dut, name)), 0)
    b.process(apply)
    b.run(after=length)
    return {name: [row[n] for row in seen[:length]] for n, name in enumerate(outputs)}


@pytest.mark.parametrize("end", ["finish", "abort"])
def test_a_run(end):
    """`start` after the launch, `cycles` counts from the next cycle to the end; `done` until the next launch."""
    seen = control({2: {"launch": 1}, 3: {"launch": 1}, 5: {"launch": 1}, 10: {end: 1}, 19: {"launch": 1},
                    21: {end: 1}}, 30)
    assert seen["start"] == [cycle in (3, 20) for cycle in range(30)]              # the other launches are ignored
    assert seen["running"] == [4 <= cycle <= 10 or cycle == 21 for cycle in range(30)]
    assert seen["done"] == [11 <= cycle <= 20 or cycle >= 22 for cycle in range(30)]
    assert seen["cycles"][11] == 7 and seen["cycles"][-1] == 1


@pytest.mark.parametrize("enable", range(4))
def test_interrupts(enable):
    """Bit 0 for the end of a run, bit 1 for an error; a bit that is set while it is cleared stays set."""
    seen = control({1: {"launch": 1}, 4: {"error_seen": 1}, 6: {"finish": 1}, 10: {"irq_clear": 1},
                    12: {"irq_clear": 2, "error_seen": 1}, 15: {"irq_clear": 3}}, 20, irq_enable=enable)
    status = [0] * 5 + [2] * 2 + [3] * 4 + [2] * 5 + [0] * 4
    assert seen["irq_status"] == status
    assert seen["interrupt"][1:] == [bool(bits & enable) for bits in status[:-1]]


def test_soft_reset_waits_for_the_bus():
    """No new transfers from the next cycle on; once the bus is idle, a cycle of reset ends run and interrupts."""
    seen = control({0: {"launch": 1}, 3: {"error_seen": 1}, 5: {"reset": 1}, 8: {"launch": 1}, 9: {"bus_idle": 1}}, 15)
    assert seen["halt"] == [6 <= cycle <= 10 for cycle in range(15)]
    assert seen["core_reset"] == [cycle == 10 for cycle in range(15)]
    assert seen["running"] == [2 <= cycle <= 10 for cycle in range(15)]
    assert seen["irq_status"][10:12] == [2, 0] and seen["done"][-1] == 0
    assert sum(seen["start"]) == 1                                                 # none while a reset is pending


def test_reset_at_rest():
    seen = control({2: {"reset": 1}}, 10, bus_idle=1)
    assert seen["core_reset"] == [cycle == 4 for cycle in range(10)]


@pytest.mark.parametrize("launch", range(2, 8))
def test_no_launch_is_lost_in_a_reset(launch):
    """Whenever it comes, it starts a run that the reset does not touch, or is ignored."""
    seen = control({2: {"reset": 1}} | {launch: {"launch": 1} | ({"reset": 1} if launch == 2 else {})}, 12, bus_idle=1)
    assert seen["core_reset"] == [cycle == 4 for cycle in range(12)]
    assert sum(seen["start"]) == seen["running"][-1] == (launch >= 5)


def test_cycles_wrap_with_a_flag():
    dut = RunControl()
    b = Bench(dut)
    seen = b.watch(dut.cycles, dut.wrapped, dut.running)

    async def go(ctx):
        for count in ((1 << 32) - 2, 0):
            ctx.set(dut.launch, 1)
            await ctx.tick()
            ctx.set(dut.launch, 0)
            await ctx.tick()
            ctx.set(dut.cycles, count)                 # four billion cycles later
            await cycles(ctx, 4)
            ctx.set(dut.finish, 1)
            await ctx.tick()
            ctx.set(dut.finish, 0)
    b.process(go)
    b.run()
    assert seen[4:6] == [(0, 1, 1), (1, 1, 1)] and seen[-1] == (5, 0, 0)
