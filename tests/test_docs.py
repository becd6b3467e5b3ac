"""The Python in the documentation runs."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("page", ["runtime"])
def test_page_runs(page):
    text = (DOCS / f"{page}.md").read_text()
    names = {}
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.S | re.M):
        line = text[:block.start()].count("\n") + 1
        exec(compile("\n" * line + block.group(1), str(DOCS / f"{page}.md"), "exec"), names)


def links():
    for page in sorted(DOCS.rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not target.startswith("http"):
                yield page, target


def test_links_lead_somewhere():
    found = list(links())
    assert found
    missing = [f"{page.relative_to(DOCS)}: {target}" for page, target in found
               if not (page.parent / target).exists()]
    assert not missing
