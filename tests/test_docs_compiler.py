"""The examples in docs/compiler.md run."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "compiler.md"


def test_examples_run():
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
