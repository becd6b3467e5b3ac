"""hw/rtl/decode.py and hw/rtl/compute_decoder.py: every instruction as the golden model decodes it."""

import dataclasses
from random import Random

import decoded
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from load_model import load, load_fields, word
from stream_bench import unpack

from vta.hw.config import PRESETS
from vta.hw.features import FEATURES
from vta.hw.isa import LANE_OPS, MEMORY, AluOp, MemType, Opcode, encode, layouts
from vta.hw.rtl.compute_decoder import ComputeDecoder, Kind
from vta.hw.rtl.decode import PadDecoder, TransferDecoder

TINY = PRESETS["tiny"]
CONFIGS = {"tiny": TINY, "default": PRESETS["default"],
           "wide": dataclasses.replace(PRESETS["default"], axi_addr_width=64, axi_data_width=256, max_burst=16)}
DRAM = 1 << 20


def decode(dut, words, ports=(), of=None):
    """What the two stages make of each word, as a list of plain values; `ports`: (port, value) pairs, set before.

    `of`: the output, instead of `o`."""
    seen, output = [], dut.o if of is None else of

    async def feed(ctx):
        for port, value in ports:
            ctx.set(port, value)
        for insn in words:
            ctx.set(dut.raw, insn)
            await ctx.tick()
            ctx.set(dut.move, 1)
            await ctx.tick()
            ctx.set(dut.move, 0)
            ctx.set(dut.raw, (1 << 128) - 1)               # must hold whatever comes next
            await ctx.tick()
            seen.append(unpack(output.shape(), ctx.get(Value.cast(output))))
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed)
    simulator.run()
    return seen


def known(got, expected):
    """Compare what `expected` says, field by field; None: it means nothing."""
    for name, value in expected.items():
        if isinstance(value, dict):
            known(got[name], value)
        else:
            assert value is None or got[name] == value, name


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("names", [
    ("INP", "WGT"), ("INP", "WGT", "INP_PAD", "WGT_DIAG"), ("OUT",), ("ACC", "ACC_8BIT", "UOP")], ids="-".join)
def test_transfers(config, names):
    random, pointers = Random(len(names)), [0x1000 * (n + 1) for n in range(len(names))]
    dut = TransferDecoder(config, *names)
    loads = [load_fields(random, config, random.choice(names), DRAM, x=30, y=9) for _ in range(100)]
    loads += [load(name, x, y, dram=7) for name in names for x, y in ((0, 3), (3, 0), (1, 1), (255, 255))]
    got = decode(dut, [word(fields) for fields in loads], zip(dut.pointers, pointers, strict=True))
    for fields, value in zip(loads, got, strict=True):
        about = decoded.transfer(config, names, fields, pointers[names.index(MemType(fields["mem_type"]).name)])
        known(value, about)


def test_another_memory_type_is_no_work():
    assert not decode(TransferDecoder(TINY, "OUT"), [word(load("INP", 3))])[0]["work"]


def test_padding():
    random = Random(5)
    loads = [load_fields(random, TINY, "INP", DRAM, x=200, y=9) for _ in range(100)]
    loads += [load("INP", x, y, pads=pads) for x in (0, 1, 65535) for y in (0, 2)
              for pads in ((0, 0, 0, 0), (15, 0, 15, 15), (0, 15, 0, 1), (0, 0, 3, 0), (15, 15, 15, 15))]
    for fields, value in zip(loads, decode(PadDecoder(), [word(fields) for fields in loads]), strict=True):
        assert value == decoded.pads(fields)


def test_padding_with_any_byte():
    """The byte of INP_PAD does not count as part of its sram_base, nor do the same bits of others as a byte."""
    config, random = dataclasses.replace(TINY, features=frozenset(FEATURES)), Random(6)
    loads = [load_fields(random, config, random.choice(["INP", "INP_PAD"]), DRAM, beyond=True) for _ in range(100)]
    dut = PadDecoder(any_byte=True)
    for fields, value in zip(loads, decode(dut, [word(fields) for fields in loads]), strict=True):
        assert value == decoded.pads(fields)
    bytes_ = decode(dut, [word(fields) for fields in loads], of=dut.byte)
    assert bytes_ == [decoded.pad_byte(config, fields)["pad_byte"] for fields in loads]


def instruction(random, config):
    """A random instruction of compute: its word, its kind, and what is expected besides."""
    formats = layouts(config)
    opcode = random.choice([code for code in Opcode.of(config) if code in (Opcode.GEMM, Opcode.ALU, Opcode.WINDOW)])
    bgn = random.randrange(8)
    fields = {"opcode": opcode, "uop_bgn": bgn, "uop_end": bgn + random.choice([0, 1, 2, 5]),
              "iter_out": random.choice([0, 1, 1, 7]), "iter_in": random.choice([1, 1, 9])}
    for name, (_, width, _, _) in formats.of(opcode).ranges.items():
        if "factor" in name:
            fields[name] = random.randrange(1 << width)
    if opcode == Opcode.ALU:
        fields |= {"alu_opcode": random.choice(AluOp.of(config)), "use_imm": random.randint(0, 1),
                   "imm": random.randrange(-1 << 15, 1 << 15)}
    fields |= {name: random.randint(0, 1) for name in ("reset", "requantise") if name in formats.of(opcode).ranges}
    steps = fields["uop_end"] > bgn and fields["iter_out"]
    factors = {f"wgt_factor_{loop}": 0 for loop in ("out", "in")} if opcode == Opcode.ALU else {}
    about = {"nest": decoded.nest(fields, opcode) | factors} if steps else {}
    unused = {} if opcode == Opcode.ALU else {"use_imm": None, "imm": None}
    meaningless = 0 if opcode != Opcode.ALU else random.getrandbits(1) << 63      # GEMM has `requantise` there
    return encode(formats.of(opcode), fields) | meaningless, Kind.STEPS if steps else Kind.NOTHING, about | {
        "shared": decoded.shared(config, fields, opcode) | unused}


@pytest.mark.parametrize("config", [
    TINY, *(dataclasses.replace(TINY, features=frozenset(names)) for names in (["requantise"], ["window"], FEATURES)),
    dataclasses.replace(TINY, features=frozenset(FEATURES), log_acc_buff_size=8),      # 16 tiles
    dataclasses.replace(TINY, features=frozenset(FEATURES), alu_imm_reads_src=True)],
    ids=["stock", "requantise", "window", "all", "few tiles", "imm reads src"])
def test_steps(config):
    random = Random(3)
    insns = [instruction(random, config) for _ in range(600)]
    got = decode(ComputeDecoder(config), [word for word, *_ in insns])
    for (_, kind, about), value in zip(insns, got, strict=True):
        assert value["kind"] == kind.value and not value["bad_opcode"]
        known(value, about)


def test_kinds_and_errors():
    """What compute executes, what it only handles tokens of, and what it cannot execute."""
    alu = {"uop_end": 1, "iter_out": 1, "iter_in": 1}
    expected = [
        (word(load("UOP", 2)), Kind.UOPS, {}), (word(load("UOP", 0)), Kind.NOTHING, {}),
        (word(load("ACC", 2)), Kind.TILES, {}), (word(load("ACC_8BIT", 2, y=0)), Kind.TILES, {}),
        *((word(load(name, 1)), Kind.NOTHING, {"bad_memory": 1}) for name in ("INP", "WGT", "OUT")),
        *((encode(layouts(TINY).alu, alu | {"opcode": Opcode.ALU, "alu_opcode": n}), Kind.NOTHING, {"bad_opcode": 1})
          for n in range(max(LANE_OPS) + 1, 8)),
        *((encode(MEMORY, {"opcode": n}), Kind.NOTHING, {"bad_opcode": 1}) for n in {*range(8)} - set(Opcode.of(TINY))),
        (encode(MEMORY, {"opcode": Opcode.FINISH}), Kind.NOTHING, {"finish": 1})]
    flags = dict.fromkeys(("bad_opcode", "bad_memory", "finish"), 0)
    for (insn, kind, about), value in zip(
            expected, decode(ComputeDecoder(TINY), [insn for insn, *_ in expected]), strict=True):
        assert value["kind"] == kind.value and {name: value[name] for name in flags} == flags | about, f"{insn:#x}"


@pytest.mark.parametrize("sram, x, y, pads, expected", [
    (3, 4, 1, (0, 0, 0, 0), (3, 7)), (0, 1, 2, (0, 0, 0, 0), None), (0, 1, 1, (0, 0, 0, 1), None),
    (TINY.depth["UOP"] - 2, 2, 1, (0, 0, 0, 0), (TINY.depth["UOP"] - 2, TINY.depth["UOP"])),
    (TINY.depth["UOP"] - 2, 3, 1, (0, 0, 0, 0), None)])
def test_the_range_of_a_load_uop(sram, x, y, pads, expected):
    value = decode(ComputeDecoder(TINY), [word(load("UOP", x, y, sram=sram, pads=pads))])[0]
    assert (value["bgn"], value["end"]) == (expected or (0, (1 << 17) - 1))
