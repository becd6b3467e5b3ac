"""Tuning, tilings files, and `vta tune`."""

import json

import pytest

from vta import cli
from vta.compiler import ops
from vta.compiler.ops.checks import OperatorError
from vta.compiler.ops.tilings import VARIABLE, TilingsFile
from vta.compiler.ops.tune import report, save, tune
from vta.hw.config import PRESETS

LAYER = ((1, 32, 8, 8), 32, 3)


def test_the_best_is_first_and_no_worse_than_the_default():
    seen = []
    found = tune(ops.conv2d, LAYER, {"pad": 1}, count=5, progress=lambda *each: seen.append(each[:2]))
    assert [each.predicted for each in found] == sorted(each.predicted for each in found)
    assert found[0].predicted <= ops.conv2d(*LAYER, pad=1).about.predicted
    assert seen[-1] == (len(found), len(found))
    assert any(line.startswith("bound by") for line in report(found[0]))


def test_tilings_file_is_used_where_it_is_named(tmp_path, monkeypatch):
    path = tmp_path / "tilings.json"
    found = tune(ops.conv2d, LAYER, {"pad": 1}, count=5)
    save(path, found[-1])                                    # the worst, to tell it from the default
    monkeypatch.setenv(VARIABLE, str(path))
    assert ops.conv2d(*LAYER, pad=1).about.tilings == (found[-1].tiling,)
    small = PRESETS["tiny"]
    about = found[0].operator.about
    assert TilingsFile(path).find(about.windows[0], about.post, small) is None
    (entry,) = json.loads(path.read_text())[f"{PRESETS['default'].hash:08x}"].values()
    assert entry["operator"] == "conv2d" and entry["predicted"] == found[-1].predicted


@pytest.mark.parametrize("text", ["[1]", "{", '{"00000000": {"p": {"tiling": {"rows": 1}}}}', '{"a": 3}',
                                  '{"00000000": {"p": {"tiling": {"rows": "a", "cols": 1, "outs": 1, "ins": 1}}}}',
                                  '{"00000000": {"p": {"tiling": {"rows": 0, "cols": 1, "outs": 1, "ins": 1}}}}',
                                  "[" * 100_000])
def test_bad_tilings_file(tmp_path, text):
    path = tmp_path / "tilings.json"
    path.write_text(text)
    with pytest.raises(OperatorError, match="is no file of tilings"):
        TilingsFile(path)


def test_nothing_to_tune():
    with pytest.raises(OperatorError, match="relu takes no tiling: nothing to tune"):
        tune(ops.relu, ((1, 16, 4, 4),), {})
    with pytest.raises(OperatorError, match="conv2d_transpose takes no tiling"):
        tune(ops.conv2d_transpose, ((1, 16, 4, 4), 16, 4), {"stride": 1})
    with pytest.raises(OperatorError, match="global_avg_pool takes no tiling"):
        tune(ops.global_avg_pool, ((1, 16, 4, 4),), {})


def test_command(tmp_path, capsys):
    path = tmp_path / "tilings.json"
    assert cli.main(["tune", "conv2d", "1x32x8x8", "outputs=32", "kernel=3", "pad=1", "clip=0,127", "--count", "3",
                     "--output", str(path)]) == 0
    assert "floor" in capsys.readouterr().out and path.exists()


def test_command_takes_names_and_uneven_padding(capsys):
    assert cli.main(["tune", "conv2d", "1x3x16x16", "outputs=16", "kernel=3", "stride=2", "pad=0x1,1x0", "fold=depth",
                     "--count", "2"]) == 0
    layer = ops.conv2d((1, 3, 16, 16), 16, 3, stride=2, pad=((0, 1), (1, 0)), fold="depth")
    said = capsys.readouterr().out
    assert "fold       depth" in said and f"{layer.about.floor} cycles" in said


def test_the_folded_problem_is_saved(tmp_path, monkeypatch):
    path = tmp_path / "tilings.json"
    layer = ((1, 3, 20, 20), 32, 7), {"stride": 2, "pad": 3, "fold": "depth"}
    found = tune(ops.conv2d, *layer, count=4)
    save(path, found[-1])
    monkeypatch.setenv(VARIABLE, str(path))
    assert ops.conv2d(*layer[0], **layer[1]).about.tilings == (found[-1].tiling,) != (found[0].tiling,)


@pytest.mark.parametrize(("arguments", "message"), [
    (["convolve", "1x2"], "'convolve'; there are conv2d, dense, depthwise_conv2d, group_conv2d, avg_pool2d\n"),
    (["conv2d", "1x2xx4"], "'1x2xx4' must be a number"),
    (["conv2d", "1x16x4x4", "outputs"], "'outputs' must be NAME=VALUE"),
    (["conv2d", "1x16x4x4", "outputs=16"], "missing a required argument: 'kernel'"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=3", "--count", "0"], "--count 0 must be at least 1"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=3", "kernel=1"], "kernel is given twice"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=3", "bias=1x2"], "bias must be True or False, not tuple"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=3", "--rtl", "-1"], "--rtl -1 must be at least 0"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=3", "--output", "nowhere/t.json"], "there is no folder nowhere"),
    (["conv2d", "1x16x4x4", "outputs=16", "kernel=9"], "kernel (9, 9) is larger"),
])
def test_command_refuses(arguments, message, capsys):
    assert cli.main(["tune", *arguments]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("vta: ") and message in said.err and said.err.count("\n") == 1
    assert said.out == ""                        # refused before the work
