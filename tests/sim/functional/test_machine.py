"""The functional simulator: every corner case of the semantics, and random programs against a literal reference."""


import numpy as np
import pytest
from golden_streams import COPY, GEMM, PADDED, SERIAL
from isa_cases import CASES, FAULTS, check
from slow_reference import Reference
from small_programs import CONFIGS, EXTENDED, Program, random_program

from vta.hw.counters import COUNTERS
from vta.hw.isa import LANE_OPS, AluOp, MemType, Opcode, Unit, pad_fields, parse_hex, to_words
from vta.hw.registers import ErrorCause
from vta.runtime.device import BusError, DeadlockError, DeviceError, open_device

OF_THE_BUS = ("read_beats", "read_bursts", "write_beats", "write_bursts")


@pytest.fixture(params=CONFIGS)
def device(request):
    with open_device("sim", CONFIGS[request.param], memory_size=1 << 20) as device:
        yield device


@pytest.mark.parametrize("name", CASES)
def test_semantics(device, name):
    program = Program(device)
    results = CASES[name](program)
    program.run()
    check(results)


def test_every_alu_operation_has_a_case():
    used = set()
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        for build in CASES.values():
            program = Program(device)
            build(program)
            used |= {fields["alu_opcode"] for fields, _ in program.insns if fields["opcode"] == Opcode.ALU}
    missing = [operation.name for operation in LANE_OPS if operation not in used]
    assert not missing, f"isa_compute_cases.py has no case of ALU {', '.join(missing)}"


@pytest.mark.parametrize("name", FAULTS)
def test_faults(device, name):
    build, cause, unit = FAULTS[name]
    program = Program(device)
    results = build(program)
    with pytest.raises(DeviceError) as error:
        program.run()
    check(results)
    assert (error.value.cause, error.value.unit) == (cause, unit)
    assert error.value.result.counters["compute_insns"] > 0
    assert program.insns[error.value.result.counters["fetch_insns"] - 1][0]["opcode"] == Opcode.FINISH


@pytest.mark.parametrize("config", ["tiny", "reads_src", "batch", *EXTENDED])
@pytest.mark.parametrize("seed", range(4))
def test_random_programs_equal_the_reference(config, seed):
    with open_device("sim", (CONFIGS | EXTENDED)[config], memory_size=1 << 20) as device:
        program = Program(device)
        random_program(program, np.random.default_rng(seed), 30)
        words = program.words()
        stream = program.data(words, np.uint64)
        reference = Reference(device.config, bytearray(device.memory.bytes.tobytes()))
        reference.run(words)
        try:
            device.run(stream.address, len(words))
        except DeviceError as error:
            assert error.cause == ErrorCause.INDEX
        pads = device.scratchpads()
        assert device.memory.bytes.tobytes() == bytes(reference.dram)
        assert pads["ACC"].tolist() == reference.acc
        assert pads["INP"].tolist() == reference.inp
        assert pads["WGT"].tolist() == reference.wgt
        assert pads["UOP"].ravel().tolist() == reference.uop
        assert pads["OUT"].tolist() == reference.out


def test_every_event_is_counted():
    """But those that depend on the hardware's memory interface."""
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        counted = set(Program(device).run().counters)
    events = {counter.name for counter in COUNTERS if counter.kind == "event" and counter.name not in OF_THE_BUS}
    assert counted == events, f"sim/functional/counts.py and hw/counters.py differ in {', '.join(counted ^ events)}"


def test_very_long_nest_is_split():
    """More steps than are held at once give the same result as many short nests."""
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        program = Program(device)
        program.uops((0, 0, 0))
        program.fill(MemType.INP, [1])
        program.fill(MemType.WGT, [1])
        program.gemm(reset=1)
        program.gemm(loop=(100, 16383))
        result = program.run()
        assert result.counters["gemm_steps"] == 100 * 16383
        assert (device.scratchpads()["ACC"][0] == 100 * 16383 * 4).all()


def run_golden(text, data):
    """Run a golden stream on DRAM that holds `data` {address: array}; the caller closes the device."""
    device = open_device("sim", memory_size=128 << 20)
    words = np.array([to_words(parse_hex(line.split()[0])) for line in text.split("\n") if line], np.uint64)
    for address, array in data.items():
        device.memory.write(address, array)
    device.memory.write(0x2003000, words)
    result = device.run(0x2003000, len(words))
    assert not any(result.tokens_left.values())
    return device


def test_golden_stream_copy():
    acc = np.random.default_rng(1).integers(-128, 128, (4, 16), np.int32)
    with run_golden(COPY, {0x1000: acc}) as device:
        assert (device.memory.read(0x2000, 64).view(np.int8) == acc.ravel()).all()


def test_golden_stream_serial():
    acc = np.random.default_rng(2).integers(-2**31, 2**31, (4, 16), np.int64).astype(np.int32)
    with run_golden(SERIAL, {0x1000: acc}) as device:
        expected = (acc << 3).astype(np.int8).ravel()
        assert (device.memory.read(0x2000, 64).view(np.int8) == expected).all()


def test_golden_stream_padding():
    acc = np.random.default_rng(3).integers(-128, 128, (2, 2, 16), np.int32)
    with run_golden(PADDED, {0x1000: acc}) as device:
        expected = np.pad(acc, ((1, 1), (1, 1), (0, 0))).ravel()
        assert (device.memory.read(0x4006000, 256).view(np.int8) == expected).all()


def test_golden_stream_gemm():
    rng = np.random.default_rng(4)
    inp, wgt = rng.integers(-128, 128, (4, 16), np.int8), rng.integers(-128, 128, (4, 16, 16), np.int8)
    with run_golden(GEMM, {0x4003000: inp, 0x4004000: wgt}) as device:
        sums = np.einsum("ik,wjk->iwj", inp.astype(np.int64), wgt.astype(np.int64))
        expected = np.clip(sums >> 8, 0, 127).astype(np.int8)
        assert (device.memory.read(0x4005000, 256).view(np.int8).reshape(4, 4, 16) == expected).all()


def test_tokens_live_from_run_to_run():
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        first = Program(device)
        first.serial = False
        first.emit(Opcode.STORE, push_prev=1)
        assert first.run().tokens_left == {"l2g": 0, "g2l": 0, "g2s": 0, "s2g": 1}
        second = Program(device)
        second.serial = False
        second.emit(Opcode.LOAD, mem_type=MemType.UOP, pop_next=1)
        assert not any(second.run().tokens_left.values())
        with pytest.raises(DeadlockError, match=r"compute waits at .* for a token from s2g"):
            second.run()
        device.set_tokens(s2g=2)
        assert second.run().tokens_left["s2g"] == 1
        device.reset()
        assert not any(device.tokens.values())


def test_units_overtake_each_other_where_tokens_allow():
    """The load that comes last in the stream must run first; program order alone would be stuck."""
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        program = Program(device)
        program.uops((0, 0, 0))
        program.serial = False
        program.gemm(reset=1, pop_prev=1)
        program.fill(MemType.INP, [1], push_next=1)
        result = program.run()
        assert result.counters["load_insns"] == 1 and result.counters["reset_steps"] == 1


def test_finish_ends_the_run():
    """Compute executes nothing after FINISH."""
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        program = Program(device)
        program.uops((0, 0))
        program.emit(Opcode.FINISH)
        program.alu(AluOp.ADD, 1)
        program.emit(Opcode.FINISH)
        assert program.run().counters["alu_steps"] == 0
        assert not device.scratchpads()["ACC"].any()


def test_deadlocks_are_explained():
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        program = Program(device)
        program.serial = False
        program.emit(Opcode.STORE, pop_prev=1)
        program.emit(Opcode.GEMM, pop_prev=1, pop_next=1)
        with pytest.raises(DeadlockError) as error:
            program.run()
        assert error.value.unit == Unit.COMPUTE and error.value.insn == 0
        words = str(error.value)
        assert "compute waits at its instruction 0 (1 of the stream) for a token from l2g and s2g" in words
        assert "store waits at its instruction 0 (0 of the stream) for a token from g2s" in words
        with pytest.raises(DeadlockError, match="there was no FINISH"):
            device.run_insns([[0x140, 0]])


@pytest.mark.parametrize("opcode, cause", [(Opcode.LOAD, ErrorCause.AXI_READ),
                                           (Opcode.STORE, ErrorCause.AXI_WRITE)])
def test_addresses_outside_of_dram(opcode, cause):
    """Tiles outside read zero or are not written; the others are unaffected."""
    with open_device("sim", "tiny", memory_size=1 << 20) as device:
        program = Program(device)
        program.fill(MemType.ACC, [1, 2, 3])
        mem = MemType.ACC if opcode == Opcode.LOAD else MemType.OUT
        last = (1 << 20) // device.config.tile_bytes[mem.name] - 1
        program.emit(opcode, mem_type=mem, dram_base=last, x_size=2, y_size=1, x_stride=2)
        stored = program.store(3)
        with pytest.raises(BusError, match="reaches outside of DRAM") as error:
            program.run()
        assert error.value.cause == cause
        assert stored[:, 0].tolist() == ([0, 0, 3] if opcode == Opcode.LOAD else [1, 2, 3])
        assert device.memory.bytes[-4:].tolist() == ([0] * 4 if opcode == Opcode.LOAD else [1] * 4)


def test_padding_with_a_byte_beyond_dram():
    """Only the padding has the byte: what lies outside reads zero, as in any LOAD."""
    with open_device("sim", EXTENDED["tiny extended"], memory_size=1 << 20) as device:
        program = Program(device)
        last = (1 << 20) // device.config.tile_bytes["INP"] - 1
        program.emit(Opcode.LOAD, mem_type=MemType.INP_PAD, dram_base=last, x_size=2, y_size=1, x_stride=2, x_pad_1=1,
                     **pad_fields(5))
        with pytest.raises(BusError, match="reaches outside of DRAM"):
            program.run()
        assert device.scratchpads()["INP"][:3, 0].tolist() == [0, 0, 5]


def test_unused_bits_are_ignored():
    """FINISH and GEMM with garbage in every bit that has no meaning."""
    with open_device("sim", CONFIGS["batch"], memory_size=1 << 20) as device:
        program = Program(device)
        program.uops((0, 0, 0))
        program.fill(MemType.ACC, [3])
        program.gemm(reset=1)
        words = program.words()
        words[-1] |= np.array([0xFFFF_FFFF_FFFF_FF80, 0xFFFF_FFFF_FFFF_FFFF], np.uint64)
        words[-2] |= np.array([1 << 63, 0xFF << 56], np.uint64)
        device.run_insns(words)
        assert not device.scratchpads()["ACC"].any()
