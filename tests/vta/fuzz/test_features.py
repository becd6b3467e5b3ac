"""Random programs use the features where the configuration has them, and leave nothing of what they do unseen."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from slow_reference import Reference

from vta.fuzz.case import DRAM_BYTES, QUEUES
from vta.fuzz.compare import Pair
from vta.fuzz.configs import VARIANTS, fuzz_configs
from vta.fuzz.coverage import Coverage
from vta.fuzz.generator import generate
from vta.fuzz.parameters import SETS, TILES, parameter_tiles
from vta.hw.features import FEATURES, Feature
from vta.hw.isa import AluOp, MemType, Opcode
from vta.hw.requantisation import PARAMETER_S, Rounding
from vta.runtime.functional import FunctionalDevice

FULL, = fuzz_configs(["features"])
PADS = ("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")
# what programs for machines with a feature must contain
WANTED = {
    Feature.REQUANTISE: [
        *(f"ALU {operation} {kind}" for operation in ("PAR", "REQ") for kind in ("imm", "tensor")),
        *(f"GEMM{fresh} requantised{several}" for fresh in ("", " fresh") for several in ("", ", several micro-ops")),
        "ALU REQ narrow", "ALU REQ wide", "PAR with negative bounds", "PAR with equal bounds",
        *(f"{second} right behind {first}" for first, second in (
            ("requantised", "plain"), ("plain", "requantised"), ("requantised", "PAR"), ("PAR", "requantised"),
            ("requantised", "requantised"), ("PAR", "PAR"))),
        "requantised, and pushes a token to store", "hostile: PAR of tiles beyond its memory",
        *(f"hostile: {name} index beyond its memory" for name in ("PAR", "REQ", "requantised GEMM"))],
    Feature.PAD_VALUE: ["LOAD INP_PAD", *(f"LOAD INP_PAD {pad}" for pad in PADS), "padding with a negative byte"],
    Feature.DIAGONAL: ["LOAD WGT_DIAG", *(f"LOAD WGT_DIAG {pad}" for pad in PADS),
                       *(f"LOAD WGT_DIAG stride {word} x_size" for word in "<>")],
    Feature.WINDOW: ["WINDOW", "WINDOW fresh", "hostile: WINDOW index beyond its memory"],
}
# ... and for those without it: the codes must be reported, the bit has no meaning
UNKNOWN = {
    Feature.REQUANTISE: ["GEMM with bit 63", *(f"hostile: ALU operation {op}" for op in (AluOp.PAR, AluOp.REQ))],
    Feature.PAD_VALUE: [f"hostile: LOAD of memory type {MemType.INP_PAD}"],
    Feature.DIAGONAL: [f"hostile: LOAD of memory type {MemType.WGT_DIAG}"],
    Feature.WINDOW: [f"hostile: opcode {Opcode.WINDOW}"],
}


def coverage_of(config, count):
    coverage = Coverage()
    for seed in range(count):
        coverage.add(generate(config, seed))
    return coverage.counts


@pytest.mark.parametrize(("name", "count"), [("tiny", 400), ("features", 400), *(
    (f"only_{name}", 60) for name in FEATURES)])
def test_programs_contain_what_the_machine_has(name, count):
    config, = fuzz_configs([name])
    counts = coverage_of(config, count)
    wanted = [line for feature in Feature for line in (WANTED if config.has(feature) else UNKNOWN)[feature]]
    if config.has(Feature.REQUANTISE) and config.has(Feature.WINDOW):
        wanted += ["WINDOW requantised", "WINDOW fresh requantised"]
    if count < 100:
        wanted = [line for line in wanted if not line.startswith("hostile: ")]          # too few programs for them
    assert not [line for line in wanted if not counts[line]]
    other = [line for feature in Feature for line in (UNKNOWN if config.has(feature) else WANTED)[feature]]
    assert not [line for line in other if counts[line]]


def test_single_features_have_variants():
    assert {frozenset([name]) for name in FEATURES} <= {fields.get("features") for fields in VARIANTS.values()}
    assert sum(fields.get("features") == frozenset(FEATURES) for fields in VARIANTS.values()) > 1


@pytest.mark.parametrize("name", ["only_requantise", "only_window", "features", "features_reads_src"])
def test_programs_in_program_order(name):
    """The functional simulator against the literal one."""
    config, = fuzz_configs([name])
    cases = [generate(config, seed) for seed in range(12)]
    cases = [case for case in cases if all(launch.ends and not launch.faulty for launch in case.launches)]
    assert len(cases) > 5
    for case in cases:
        with contextlib.closing(FunctionalDevice(config, memory_size=DRAM_BYTES)) as device:
            device.memory.bytes[:] = case.dram()
            device.set_tokens(**{queue: case.tokens.get(queue, 0) for queue in QUEUES})
            reference = Reference(config, bytearray(case.dram()))
            for launch in case.launches:
                device.memory.write(launch.address, launch.insns)
                reference.dram[launch.address:launch.address + launch.insns.nbytes] = launch.insns.tobytes()
                device.run(launch.address, len(launch.insns))
                reference.run(launch.insns)
            pads = device.scratchpads()
            assert device.memory.bytes.tobytes() == bytes(reference.dram), case.text()
            assert pads["ACC"].tolist() == reference.acc and pads["OUT"].tolist() == reference.out, case.text()


def test_parameters_are_varied():
    tiles = parameter_tiles(FULL, 3).reshape(SETS, TILES, FULL.lanes)
    assert tiles.shape == (SETS, TILES, FULL.lanes) and tiles.dtype == np.int32
    multiplier, _, word = (tiles[:, n].ravel() for n in range(TILES))
    fields = {name: set((word >> field.offset & (1 << field.width) - 1).tolist()) for name, field in PARAMETER_S}
    assert fields["rounding"] == set(Rounding) and fields["early"] == fields["raw"] == {0, 1}
    assert len(fields["shift"]) > 20 and len(fields["zero_point"]) > 10
    assert (multiplier < 0).any() and (multiplier >= 1 << 30).sum() > 20
    assert ((multiplier > 0) & (multiplier & multiplier - 1 == 0)).sum() > 20          # results between two integers
    assert not np.array_equal(tiles[0, 0], tiles[3, 0])


# the dump
@pytest.fixture
def pair():
    with contextlib.closing(Pair(*(FunctionalDevice(FULL, memory_size=DRAM_BYTES) for _ in range(2)))) as opened:
        assert opened.recover()
        yield opened


@pytest.mark.parametrize("entry", [0, 59, 127])
def test_dump_shows_outputs_and_what_they_hide(entry, pair):
    for device in (pair.reference, pair.device):
        simulator = device._simulator
        simulator.requantised(slice(None), np.arange(simulator.out.size, dtype=np.int8).reshape(simulator.out.shape))
    states = [(device._simulator.acc.copy(), device._simulator.parameters) for device in (pair.reference, pair.device)]
    pair.device._simulator.out[entry, 1] ^= 4
    assert "OUT, result" in pair.dump(1)[0]
    for device, (acc, parameters) in zip((pair.reference, pair.device), states, strict=True):
        device._simulator.acc[:], device._simulator.parameters = acc, parameters
        device._simulator.requantised(slice(None), 7)
    pair.device._simulator.acc[entry, 2] ^= 1               # the low byte, which is not in OUT
    assert "byte 0 of ACC, result" in pair.dump(2)[0]


@pytest.mark.parametrize(("name", "change"), [
    ("multiplier", 1 << 20), ("bias", 1 << 16), ("shift", 1), ("zero_point", 3), ("high", -1), ("low", 1)])
def test_dump_shows_parameters(name, change, pair):
    lanes = FULL.lanes
    plain = dict(multiplier=1 << 30, bias=5, shift=15, rounding=0, zero_point=0, early=0, raw=0)
    for device in (pair.reference, pair.device):
        simulator = device._simulator
        simulator.parameters = replace(simulator.parameters, low=-128, high=127,
                                       **{key: np.full(lanes, value) for key, value in plain.items()})
    simulator.parameters = replace(simulator.parameters, **{name: getattr(simulator.parameters, name) + change})
    assert "requantised, result" in pair.dump(1)[0]


def test_recovery_sets_parameters(pair):
    pair.device._simulator.parameters = replace(pair.device._simulator.parameters, low=5, high=5)
    assert pair.dump(0) and pair.recover() and not pair.dump(1)
