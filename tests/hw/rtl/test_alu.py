"""hw/rtl/alu.py: one lane against the ISA's table, at every shift amount and at the corners of 32 bits."""

from random import Random

import pytest
from amaranth.sim import Simulator
from slow_reference import low, operate

from vta.hw.isa import LANE_OPS, AluOp
from vta.hw.rtl.alu import MUL_PHASES, SELECTED, AluLane

MIN, MAX = -1 << 31, (1 << 31) - 1
CORNERS = [0, 1, -1, 2, -2, 0x7FFF, 0x8000, -0x8000, 0xFFFF, 0x10000, -0x10000, 0x12345678, MIN, MIN + 1, MAX, MAX - 1]


def lane(cases, expected, gaps=0):
    """Run (operation, x, y) cases through one lane and compare; `gaps` cycles without `en` after each with it."""
    dut, random = AluLane(), Random(1)

    async def check(ctx):
        for operation, x, y in cases:
            waits = operation in (AluOp.SHR, AluOp.MUL)        # x from the register, else behind the multiplexer
            inverted = ~y if operation in (AluOp.MIN, AluOp.MAX) else y
            ctx.set(dut.select, dict.fromkeys(SELECTED[operation], 1))
            ctx.set(dut.x, x if waits else random.randrange(MIN, MAX))
            ctx.set(dut.late_x, random.randrange(MIN, MAX) if waits else x)
            ctx.set(dut.y, random.randrange(MIN, MAX) if operation == AluOp.ADD else inverted)
            ctx.set(dut.addend, random.randrange(MIN, MAX) if waits else inverted)
            ctx.set(dut.left, y < 0 and y % 32 != 0)
            for phase in range(MUL_PHASES if operation == AluOp.MUL else 1):
                ctx.set(dut.phase, phase)
                if operation == AluOp.MUL and phase < MUL_PHASES - 1:
                    ctx.set(dut.en, 1)
                    await ctx.tick()
                    ctx.set(dut.en, 0)
                    for _ in range(gaps):
                        await ctx.tick()
            await ctx.delay(1e-9)
            result = y if ctx.get(dut.takes_y) else ctx.get(dut.result)
            assert result == expected(operation, x, y), f"{operation.name}({x}, {y})"
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("operation", LANE_OPS, ids=lambda operation: operation.name)
def test_corners_and_random_operands(operation):
    random = Random(operation)
    some = [low(random.getrandbits(32), 32) for _ in range(20)]
    lane([(operation, x, y) for x in CORNERS for y in CORNERS] + [(operation, x, y) for x in some for y in some],
         operate)


def test_every_shift_amount():
    """Right by y mod 32, left by -y mod 32; written out here, bit by bit, not with Python's shifts."""
    def shifted(_, x, y):
        bits = [x >> n & 1 for n in range(32)]
        for _ in range(abs(y) % 32):
            bits = [*bits[1:], bits[31]] if y > 0 else [0, *bits[:31]]
        value = sum(bit << n for n, bit in enumerate(bits))
        return value - (bits[31] << 32)
    amounts = [*range(-40, 41), MIN, MIN + 1, MIN + 31, MAX, MAX - 31, 1 << 16, -1 << 16]
    lane([(AluOp.SHR, x, y) for x in (*CORNERS, 0x5A5A1234) for y in amounts], shifted)


@pytest.mark.parametrize("gaps", [1, 2])
def test_product_survives_gaps(gaps):
    lane([(AluOp.MUL, x, y) for x in CORNERS[2:] for y in CORNERS[2:]], operate, gaps)
