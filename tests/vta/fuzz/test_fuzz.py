"""Random programs are sound and varied, both devices agree, and a failure is found and shrunk."""

import contextlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from vta.cli import main
from vta.compiler.check.checker import check
from vta.compiler.stream.assembler import assemble
from vta.fuzz.campaign import Campaign
from vta.fuzz.case import DRAM_BYTES, DUMP
from vta.fuzz.compare import Pair
from vta.fuzz.configs import VARIANTS, fuzz_configs
from vta.fuzz.coverage import Coverage
from vta.fuzz.dump import Dump
from vta.fuzz.generator import generate
from vta.fuzz.shrink import FATAL, sound
from vta.hw.columns import Columns
from vta.hw.config import PRESETS
from vta.hw.isa import INSN_BYTES, TOKEN_MASK, AluOp, MemType
from vta.runtime.functional import FunctionalDevice

TINY = PRESETS["tiny"]
ALL = fuzz_configs(["all"])


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.name)
def test_programs_depend_on_no_timing(config):
    """The checker, which is independent of the generator, finds no race, deadlock or extra token."""
    for seed in range(8):
        assert sound(generate(config, seed)), f"seed {seed}"


def test_shallow_token_queues(tmp_path):
    """Two units may each have pushed all that fits, popped by the other but not known to be: one place is kept back."""
    [config] = fuzz_configs(["bus512"])
    for seed in (1456804938, *range(300)):
        generate(config, seed)
    (tmp_path / "shallow.json").write_text('{"token_depth": 2}')
    with pytest.raises(ValueError, match="'shallow': token_depth = 2: random programs need 4 at least"):
        fuzz_configs(["tiny", str(tmp_path / "shallow.json")])


def test_a_case_follows_from_its_seed():
    first, second, other = generate(TINY, 5), generate(TINY, 5), generate(TINY, 6)
    assert first.text() == second.text() != other.text()
    assert np.array_equal(first.dram(), second.dram())


def test_programs_contain_everything():
    coverage = Coverage()
    for seed in range(200):
        coverage.add(generate(TINY, seed))
    wanted = [f"ALU {operation.name} {kind}" for operation in AluOp.of(TINY) for kind in ("imm", "tensor")]
    wanted += [f"LOAD {mem.name}" for mem in MemType.of(TINY) if mem != MemType.OUT]
    wanted += [f"LOAD {mem} {pad}" for mem in ("INP", "WGT", "ACC", "ACC_8BIT", "UOP")
               for pad in ("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1")]
    wanted += [f"LOAD {mem} stride {word} x_size" for mem in ("INP", "WGT", "ACC", "ACC_8BIT") for word in "<>"]
    wanted += [f"LOAD UOP from {a} to {b}" for a in ("odd", "even") for b in ("odd", "even")]
    wanted += [f"virtual threads: {n}" for n in (1, 2, 3, 4)]
    wanted += [f"dst again after {n}" for n in range(1, 7)] + [f"src is dst of {n} before" for n in range(1, 7)]
    wanted += [f"NOP of {unit}" for unit in ("load", "compute", "store")]
    wanted += ["STORE of rows side by side", "GEMM reset", "trip count 0", "empty micro-op range", "tokens before",
               "token left by load or store", "ALU SHR to the left", "ALU SHR by more than 31",
               "instructions behind FINISH", "LOAD of what STORE may have written", "cases of several launches"]
    wanted += [f"hostile: {what}" for what in (
        "unknown opcode", "LOAD of an unknown memory", "STORE of another memory than OUT", "unknown ALU operation",
        "LOAD beyond its memory", "STORE beyond its memory", "LOAD UOP beyond its memory",
        "micro-op range beyond its memory", "GEMM index beyond its memory", "ALU index beyond its memory",
        "token flag without a queue", "STORE with padding", "stuck for want of a token", "no FINISH")]
    assert not [name for name in wanted if not coverage.counts[name]]
    table = coverage.table()
    assert any(line.split() == ["cases", "200"] for line in table) and len(table) >= len(wanted)


# the dump: whatever differs in a scratchpad shows in DRAM
@pytest.fixture
def pair():
    with contextlib.closing(Pair(*(FunctionalDevice(TINY, memory_size=DRAM_BYTES) for _ in range(2)))) as opened:
        yield opened


@pytest.mark.parametrize("memory", ["uop", "inp", "wgt", "acc"])
@pytest.mark.parametrize("entry", [0, 1, 59, 127])
def test_dump_shows_every_entry(memory, entry, pair):
    assert entry < TINY.depth[memory.upper()]
    rng = np.random.default_rng(entry)
    for name in ("inp", "wgt", "acc"):
        numbers = rng.integers(-100, 100, getattr(pair.device._simulator, name).shape)
        for device in (pair.reference, pair.device):
            getattr(device._simulator, name)[:] = numbers
    assert pair.dump(3) == []
    seed = next(seed for seed in range(4, 9) if Dump(TINY, seed).spent[memory.upper()] != entry)
    changed = getattr(pair.device._simulator, memory)[entry]
    changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(7))
    found = pair.dump(seed)
    assert found and found[0].startswith("scratchpads: ")


def test_pair_recovers_from_a_difference(pair):
    for name in ("uop", "inp", "wgt", "acc"):
        scratch = getattr(pair.device._simulator, name)
        scratch[:] = np.random.default_rng(1).integers(0, 100, scratch.shape)
    assert pair.dump(0) and pair.recover() and not pair.dump(1)


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.name)
def test_dump_is_a_sound_program(config):
    dump = Dump(config, 1)
    memory = np.zeros(DRAM_BYTES, np.uint8)
    memory[DUMP:DUMP + len(dump.image)] = dump.image
    report = check(dump.insns, config, memory=lambda at, n: memory[at:at + n])
    assert not [fault for fault in report.faults if fault.kind in FATAL]
    assert not any(report.tokens_left.values())


# a device that is wrong on purpose: found, shrunk, saved
class Wrong(FunctionalDevice):
    """A program that multiplies by an immediate adds one to accumulator tile 0."""

    def _run(self, insn_address, insn_count, watchdog, progress):
        insns = self.memory.view(insn_address, INSN_BYTES * insn_count).view(np.uint64).reshape(-1, 2)
        get = Columns(insns, self.config)
        wrong = get.is_alu & (get.alu["alu_opcode"] == AluOp.MUL) & (get.alu["use_imm"] == 1)
        self._simulator.acc[0, 0] += (wrong & (get.steps > 0)).any()
        return super()._run(insn_address, insn_count, watchdog, progress)


def _wrong_pair():
    return Pair(FunctionalDevice(TINY, memory_size=DRAM_BYTES), Wrong(TINY, memory_size=DRAM_BYTES))


def test_failure_is_shrunk_and_written(tmp_path):
    with Campaign(TINY, first=40, pair=_wrong_pair, folder=tmp_path, shrink_seconds=20) as campaign:
        failure = campaign.run(30)
    assert failure is not None and failure.path.parent == tmp_path
    small, full = failure.case, generate(TINY, failure.seed)
    assert sum(len(launch.insns) for launch in small.launches) < sum(len(launch.insns) for launch in full.launches)
    assert sound(small)
    text = failure.path.read_text()
    assert f"seed {failure.seed}" in text and "ALU MUL" in text
    insns, _ = assemble(text, TINY)
    assert np.array_equal(insns, np.concatenate([launch.insns for launch in small.launches]))


def test_shrinking_never_makes_a_race():
    case = next(case for case in map(partial(generate, TINY), range(9)) if case.launches[0].ends)
    insns = case.launches[0].insns.copy()
    insns[:, 0] &= ~np.uint64(TOKEN_MASK)
    assert sound(case) and not sound(case.with_launch(0, insns=insns))


def test_differences_name_what_differs():
    with contextlib.closing(_wrong_pair()) as pair:
        assert pair.run(replace(generate(TINY, 0), launches=()), dump=False) == ([], 0)
        pair.device._simulator.acc[5] += 1
        assert "OUT, result 5" in pair.dump(0)[0]


# the two devices
@pytest.mark.rtl
@pytest.mark.parametrize(("name", "count"), [("tiny", 70), ("features", 70), ("default", 30)])
def test_rtl_equals_functional_simulator(name, count):
    config, = fuzz_configs([name])
    with Campaign(config, first=1_000) as campaign:
        failure = campaign.run(count)
    assert failure is None, f"{failure}\n{failure.case.text()}"
    assert campaign.cycles > 1_000 * count


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_rtl_equals_functional_simulator_in_variants(name):
    config, = fuzz_configs([name])
    with Campaign(config, first=5_000) as campaign:
        failure = campaign.run(100)
    assert failure is None, f"{failure}\n{failure.case.text()}"


@pytest.mark.rtl
def test_command(capsys):
    assert main(["fuzz", "--count", "5", "--seed", "7", "--coverage", "--jobs", "2", "--config", "tiny", "tiny"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["tiny: 3 programs from seed 7 on", "tiny: 2 programs from seed 10 on"]
    assert sum(line.startswith("tiny: equal") for line in out) == 2 and ["cases", "5"] in map(str.split, out)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--config", "huge"], "no configuration 'huge'"), (["--count", "-3"], "positive number"),
    (["--count", "0"], "positive number"), (["--seed", "-3"], "whole number"),
    (["--out", __file__], "test_fuzz.py: it is no folder")])
def test_command_refuses(arguments, words, capsys):
    try:
        code = main(["fuzz", *arguments])
    except SystemExit as error:
        code = error.code
    captured = capsys.readouterr()
    assert code and words in captured.err and captured.err.count("\n") == 1
