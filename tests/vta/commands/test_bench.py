"""`vta bench`: what its table sums up, and when it may be written."""

import re

from vta import benchmark
from vta.benchmark import BY_HAND
from vta.cli import main
from vta.hw.config import PRESETS
from vta.suite import LAYERS, REQUANTISED_LAYERS, REQUANTISED_RESNET18, RESNET18_CONVOLUTIONS


def test_a_part_of_the_benchmark_is_not_the_table(tmp_path, capsys):
    (tmp_path / "page.md").write_text(2 * "<!-- vta:bench -->")
    assert main(["bench", "--only", "resnet*", "--write", str(tmp_path / "page.md")]) == 1
    assert "--only resnet* --write" in capsys.readouterr().err
    stock, every = (BY_HAND, *LAYERS), (BY_HAND, *LAYERS, *REQUANTISED_LAYERS)
    ten, blocks = "ResNet-18's ten convolutions", "ResNet-18's conv2_x to conv5_x, requantised, with residuals"
    for config, names, sums in (
            ("default", ["resnet18_C1", "resnet18_C10", "resnet18_C11"], ["all"]),
            ("default", RESNET18_CONVOLUTIONS, [ten, "all"]), ("default", REQUANTISED_RESNET18, [blocks, "all"]),
            ("default", stock, [ten, "all"]), ("stock", stock, [ten, "layers of our compiler", "all"]),
            ("default", every, [ten, blocks, "layers of our compiler", "all"])):
        rows = [benchmark.Row(name, 1, 1, 1, 1, 1, 1.0, None, 1, 1, 1) for name in names]
        text = benchmark.table(rows, PRESETS[config], 16)
        assert re.findall(r"sum: ([^*]*)", text) == sums
