"""hw/rtl/fetch.py: every instruction reaches its unit, in order, from any address, at any bus width."""

import dataclasses

import pytest
from memory_bench import ReadMemory
from stream_bench import Bench, at_full_rate, each_stall, until

from vta.hw.config import PRESETS
from vta.hw.counters import STATES
from vta.hw.isa import INSN_BITS, INSN_BYTES, Opcode, Unit, unit_of
from vta.hw.rtl.fetch import BURST_BYTES, MANY, Fetch

TINY = PRESETS["tiny"]
QUEUES = {Unit.LOAD: "load", Unit.COMPUTE: "compute", Unit.STORE: "store"}
NAMES = [counter.name.removeprefix("fetch_") for counter in STATES[Unit.FETCH]]


def stream(random, count, finish=True):
    """Random words of every opcode and memory type, the unknown ones too; FINISH only as the last."""
    insns = []
    for _ in range(count):
        opcode = random.choice([0, 1, 2, 4, 5, 6, 7, 0, 1, 4])
        insns.append(random.getrandbits(INSN_BITS - 3) << 3 | opcode)
    if finish:
        insns[-1] = insns[-1] & ~7 | Opcode.FINISH
    return insns


def unit(config, insn):
    mem = insn >> 7 & 7
    return unit_of(config, insn & 7, mem)


class Run:
    """A fetch unit on a memory with `insns` at `pointer`, and garbage around them."""

    def __init__(self, config, insns, pointer=0, stalls="none", seed=0, count=None, latency=4, errors=(), hold=()):
        self.config, self.dut, self.insns = config, Fetch(config), insns
        self.b = b = Bench(self.dut, stalls, seed)
        image = bytearray(b.random.randbytes(pointer + len(insns) * INSN_BYTES + 1024))
        for n, insn in enumerate(insns):
            at = pointer + n * INSN_BYTES
            image[at:at + INSN_BYTES] = insn.to_bytes(INSN_BYTES, "little")
        self.memory = ReadMemory(b, config, self.dut.read, bytes(image), latency, errors, stalls=stalls)
        self.queues = {which: b.receive(getattr(self.dut, name)) for which, name in QUEUES.items()
                       if which not in hold}
        status = self.dut.status
        self.seen = b.watch(status.settled, status.states, status.events.fetch_insns, status.error)
        b.set(pointer=pointer, count=len(insns) if count is None else count, running=1)
        self.starts, self.ended = [0], status.settled
        b.process(self._start)

    async def _start(self, ctx):
        await ctx.tick()
        for _ in self.starts:
            ctx.set(self.dut.start, 1)
            await ctx.tick()
            ctx.set(self.dut.start, 0)
            await until(ctx, self.ended)

    def run(self, expected, **options):
        """Until finished; each queue has received its share of `expected`, in program order overall."""
        self.b.run(until=lambda: sum(map(len, self.queues.values())) >= len(expected)
                   and len(self.seen) > 5 and self.seen[-1][0], **options)
        for which, got in self.queues.items():
            assert [insn for _, insn in got] == [insn for insn in expected if unit(self.config, insn) == which]
        order = sorted((cycle, insn) for got in self.queues.values() for cycle, insn in got)
        assert [insn for _, insn in order] == list(expected)
        assert sum(row[2] for row in self.seen) == len(expected)
        assert all(row[1].bit_count() == 1 for row in self.seen), "exactly one state in each cycle"
        return [cycle for cycle, _ in order]


@each_stall
@pytest.mark.parametrize("width", [64, 128, 256, 512])
@pytest.mark.parametrize("pointer", [0, 0x30, 0x2F0])
def test_every_alignment(width, pointer, stalls):
    """Wide beats hold two or four instructions; the first one may be any of them, the last one too."""
    config = dataclasses.replace(TINY, axi_data_width=width)
    for count in (1, 21):
        insns = stream(Bench(Fetch(config), seed=pointer + count).random, count)
        run = Run(config, insns, pointer, stalls, seed=width)
        run.run(insns)
        for _, addr, beats in run.memory.bursts:
            assert addr // BURST_BYTES == (addr + beats * config.bus_bytes - 1) // BURST_BYTES


@each_stall
@pytest.mark.parametrize("width", [64, 512])
def test_finish_drops_the_rest(width, stalls):
    """What lies behind FINISH is never dispatched, however much of it has been fetched; then a second run."""
    config = dataclasses.replace(TINY, axi_data_width=width)
    b = Bench(Fetch(config), seed=1)
    insns = stream(b.random, 10) + stream(b.random, 40)
    run = Run(config, insns, 0x10, stalls)
    run.starts.append(1)
    run.run(insns[:10] * 2)


@each_stall
@pytest.mark.parametrize("width", [64, 512])
def test_a_start_while_the_rest_still_arrives(width, stalls):
    """A run may end long before memory has answered for what lies behind FINISH: none of that is the next run's."""
    config = dataclasses.replace(TINY, axi_data_width=width)
    insns = stream(Bench(Fetch(config), seed=2).random, 3) + stream(Bench(Fetch(config), seed=3).random, 60)
    run = Run(config, insns, 0x10, stalls, latency=30)
    finish = run.dut.compute.payload[:3] == Opcode.FINISH
    run.starts += [1, 1]
    run.ended = run.dut.compute.valid & run.dut.compute.ready & finish
    run.run(insns[:3] * 3)


@pytest.mark.parametrize("count", [0, 1, 5, 20])
def test_count_ends_a_stream_without_finish(count):
    insns = stream(Bench(Fetch(TINY)).random, 20, finish=False)
    Run(TINY, insns, 0x20, "random", count=count).run(insns[:count])


@pytest.mark.parametrize("width", [64, 128, 512])
def test_rate_and_latency(width):
    """The first dispatch comes 7 cycles and the memory's latency after `start`; then one in two cycles."""
    config = dataclasses.replace(PRESETS["default"], axi_data_width=width)
    insns = stream(Bench(Fetch(config)).random, 100)
    run = Run(config, insns, latency=5)
    cycles = run.run(insns)
    beats = max(INSN_BYTES // config.bus_bytes, 1)
    assert cycles[0] == 1 + 7 + (5 - 1) + (beats - 1)
    assert cycles == list(range(cycles[0], cycles[0] + 200, 2))
    assert width > 64 or at_full_rate(run.memory.taken)


def test_a_full_queue_holds_up_what_is_behind():
    """Nothing overtakes an instruction that its queue does not take; memory is read ahead within bounds."""
    insns = [Opcode.GEMM, Opcode.GEMM, Opcode.STORE, Opcode.GEMM] + [Opcode.GEMM] * 200 + [Opcode.FINISH]
    run = Run(TINY, [int(insn) for insn in insns], hold={Unit.STORE})
    run.b.run(after=300)
    assert len(run.queues[Unit.COMPUTE]) == 2 and not run.queues[Unit.LOAD]
    assert NAMES[run.seen[-1][1].bit_length() - 1] == "wait_queue"
    read = sum(beats for _, _, beats in run.memory.bursts) * TINY.bus_bytes
    assert read <= (2 + 2 * MANY * BURST_BYTES // INSN_BYTES) * INSN_BYTES


def test_read_errors_are_reported():
    insns = stream(Bench(Fetch(TINY)).random, 10)
    run = Run(TINY, insns, errors={16})
    run.run(insns)
    assert sum(error & 1 for *_, error in run.seen) == 1
