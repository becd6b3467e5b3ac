"""`vta bench`: what its table sums up, and when it may be written."""

import re

from vta import benchmark
from vta.cli import main
from vta.hw.config import PRESETS
from vta.suite import LAYERS, RESNET18_CONVOLUTIONS


def test_a_part_of_the_benchmark_is_not_the_table(tmp_path, capsys):
    (tmp_path / "page.md").write_text(2 * "<!-- vta:bench -->")
    assert main(["bench", "--only", "resnet*", "--write", str(tmp_path / "page.md")]) == 1
    assert "--only resnet* --write" in capsys.readouterr().err
    rows = {name: benchmark.Row(name, 1, 1, 1, 1, 1, 1.0, None, 1, 1, 1) for name in (benchmark.BY_HAND, *LAYERS)}
    for names, sums in ((["resnet18_C1", "resnet18_C10", "resnet18_C11"], ["all"]),
                        (RESNET18_CONVOLUTIONS, ["ResNet-18's ten convolutions", "all"]),
                        (rows, ["ResNet-18's ten convolutions", "layers of our compiler", "all"])):
        text = benchmark.table([rows[name] for name in names if name in rows], PRESETS["default"], 16)
        assert re.findall(r"sum: ([^*]*)", text) == sums
