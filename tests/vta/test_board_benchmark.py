"""`vta bench --boards`: who shares a column, what the table says, when it is written, and one layer on the RTL."""

from dataclasses import replace

import pytest

from vta import board_benchmark
from vta.board_benchmark import LAYERS, Cost, groups, memory, table
from vta.cli import main
from vta.hw.boards import BOARDS
from vta.suite import RESNET18_CONVOLUTIONS


def names(group):
    return [board.name for board in group]


def test_boards_that_are_alike_are_measured_once():
    found = [names(group) for group in groups(BOARDS.values())]
    assert found == [["pynq-z1", "pynq-z2"], ["ultra96-v2"], ["zcu104", "kv260"]]
    kv260 = BOARDS["kv260"]
    for change in (dict(clock_mhz=99), dict(preset="pynq"), dict(dram=replace(kv260.dram, commands=4))):
        assert len(groups([kv260, replace(kv260, **change)])) == 2


def test_latency_is_in_cycles_of_the_clock():
    board = BOARDS["pynq-z2"]
    assert memory(board) == {"latency": 32, "outstanding": 8, "bandwidth": 0.75}
    assert memory(replace(board, clock_mhz=50))["latency"] == 16


def test_table():
    first, second, third = groups(BOARDS.values())
    costs = [Cost(name, 1000, 1100) for name in LAYERS]
    lines = table([(first, costs), (second, costs[:1]), (third, [])]).splitlines()
    assert lines[0] == ("- `pynq-z1`, `pynq-z2`: 100 MHz, latency 32 cycles (320 ns), 8 commands accepted, 75% of the "
                        "cycles; configuration `pynq`")
    assert len({line.count("|") for line in lines[4:]}) == 1, "every row has every column"
    assert lines[6] == "| conv2d_by_hand | 1,000 | 1,100 (+10.0%) | 0.011 | 1,000 | 1,100 (+10.0%) | 0.007 |  | |  |"
    total = len(RESNET18_CONVOLUTIONS) * 1000
    assert lines[-1].startswith(f"| **sum: ResNet-18's ten convolutions** | {total:,} | "
                                f"{total * 11 // 10:,} (+10.0%) |")
    assert "sum:" not in table([(first, costs[:3])])


def fake_measure(group, pattern, folder):
    return [Cost(group[0].name, 100, 150)] if pattern != "nothing" else []


def test_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(board_benchmark, "measure", fake_measure)
    page = tmp_path / "page.md"
    page.write_text("a <!-- vta:boards -->old<!-- vta:boards --> b")
    assert main(["bench", "--boards", "--write", str(page)]) == 0
    assert page.read_text().count("(+50.0%)") == 3 and "old" not in page.read_text()
    assert main(["bench", "--board", "kv260"]) == 0
    assert capsys.readouterr().out.count("(+50.0%)") == 4


@pytest.mark.parametrize("arguments, message", [
    (["--board", "nonesuch"], "no board 'nonesuch'; there are pynq-z1"),
    (["--boards", "--latency", "32"], "a board has its own memory: no --latency"),
    (["--boards", "--only", "nothing"], "no row of the benchmark matches 'nothing'"),
    (["--boards", "--only", "x", "--write", "PAGE"], "--only x --write"),
    (["--board", "kv260", "--write", "PAGE"], "--board kv260 --write"),
    (["--boards", "--write", "PAGE"], "must hold the line <!-- vta:boards --> twice"),
    (["--boards", "--config", "pynq"], "not allowed with argument")])
def test_refusals(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(board_benchmark, "measure", fake_measure)
    (tmp_path / "page.md").write_text("no marks")
    try:
        code = main(["bench", *(argument.replace("PAGE", str(tmp_path / "page.md")) for argument in arguments)])
    except SystemExit as stop:
        code = stop.code
    assert code and message in capsys.readouterr().err


@pytest.mark.rtl
def test_a_layer_on_the_rtl():
    """The board's memory takes longer than the ideal one, and as long each time."""
    group = groups([BOARDS["pynq-z2"]])[0]
    cost, again = (next(iter(board_benchmark.measure(group, "resnet18_dense"))) for _ in range(2))
    assert cost == again and 1.2 < cost.cycles / cost.reference < 1.6, "the memory bounds this layer: 1 / 75 %"
