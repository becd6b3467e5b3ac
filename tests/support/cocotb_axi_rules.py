"""cocotb tests of `axi_memory_port` alone: each rule of the master broken on purpose.

Run inside the simulator by tests/sim/cosim/test_axi_memory.py.
"""

import cocotb
from axi_memory_bench import BASE, Bench


def breaks(channel, words, **settings):
    """A cocotb test whose body breaks one rule: exactly that is reported, and `fault` rises."""
    def decorate(body):
        async def test(dut):
            bench = await Bench(dut, **settings).start()
            assert bench.violations() == [] and not int(dut.fault.value)
            await body(bench)
            await bench.cycles(3)
            found = bench.violations()
            assert len(found) == 1 and channel + ": " in found[0] and words in found[0], found
            assert int(dut.fault.value)
        test.__name__ = test.__qualname__ = body.__name__
        test.__module__ = body.__module__
        return cocotb.test()(test)
    return decorate


async def hold(bench, channel, change):
    """Offer on a channel whose ready stays low, then apply `change`."""
    valid = getattr(bench.dut, channel + "valid")
    valid.value = 1
    await bench.cycles(3)
    change()
    await bench.cycles(2)


@breaks("AR", "withdrawn", stall_ar=1)
async def ar_withdrawn(bench):
    await hold(bench, "ar", lambda: setattr(bench.dut.arvalid, "value", 0))


@breaks("AW", "payload changed", stall_aw=1)
async def aw_payload_changed(bench):
    await hold(bench, "aw", lambda: bench.request("aw", BASE + 64))


@breaks("AR", "payload changed", stall_ar=1)
async def ar_cache_changed(bench):
    await hold(bench, "ar", lambda: setattr(bench.dut.arcache, "value", 3))


@breaks("W", "payload changed", stall_w=1)
async def w_data_changed(bench):
    """Issue 41 of apache/tvm-vta: write data that changes while it waits."""
    await bench.send("aw", address=BASE)
    await hold(bench, "w", lambda: bench.data(9))


@breaks("W", "withdrawn", stall_w=1)
async def w_withdrawn(bench):
    await bench.send("aw", address=BASE)
    await hold(bench, "w", lambda: setattr(bench.dut.wvalid, "value", 0))


@breaks("AR", "4 KiB")
async def crosses_page(bench):
    await bench.send("ar", address=BASE + 4096 - bench.bytes, beats=2)


@breaks("AW", "not INCR")
async def fixed_burst(bench):
    await bench.send("aw", address=BASE, burst=0)


@breaks("AR", "beats of 4 bytes")
async def narrow(bench):
    await bench.send("ar", address=BASE, size=2)


@breaks("AR", "the limit is 16", max_burst=16)
async def too_long(bench):
    await bench.send("ar", address=BASE, beats=17)


@breaks("AR", "ID 2", read_ids=2)
async def unknown_id(bench):
    await bench.send("ar", address=BASE, ident=2)


@breaks("AR", "more than 2 bursts", max_reads=2)
async def too_many_reads(bench):
    for _ in range(3):
        await bench.send("ar", address=BASE)


@breaks("AW", "more than 1 bursts", max_writes=1)
async def too_many_writes(bench):
    for _ in range(2):
        await bench.send("aw", address=BASE)


@breaks("W", "before its address")
async def data_first(bench):
    await hold(bench, "w", lambda: None)


@breaks("W", "last is 1 at beat 1 of 2")
async def last_early(bench):
    await bench.send("aw", address=BASE, beats=2)
    await bench.put(1, last=1)


@breaks("W", "last is 0 at beat 1 of 1")
async def last_missing(bench):
    await bench.send("aw", address=BASE)
    await bench.put(1, last=0)


@breaks("AR", "during reset")
async def valid_in_reset(bench):
    bench.dut.aresetn.value = 0
    bench.dut.arvalid.value = 1
    await bench.cycles(1)
    bench.dut.arvalid.value = 0
