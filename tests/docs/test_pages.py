"""The documentation: its Python runs, its links resolve, its commands exist, its index is complete."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
from repository import DOCS, ROOT

from vta import ops
from vta.cli import main
from vta.hw.config import Config
from vta.runtime.device import open_device

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def shown(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    """The Python blocks of a page, each with as many empty lines before it as make line numbers right."""
    text = page.read_text()
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield "\n" * (text[:block.start()].count("\n") + 1) + block.group(1)


PYTHON = [page for page in PAGES if page.parent.name != "tutorials" and list(blocks(page))]   # see tests/examples


@pytest.mark.parametrize("page", [page for page in PYTHON if page.name != "boards.md"], ids=shown)
def test_page_runs(page):
    names = {}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), names)


def test_boards_runs(monkeypatch):
    """The page assumes a program with an input `data`, arrays, and remote devices."""
    page, image = DOCS / "boards.md", np.zeros((1, 16, 4, 4), np.int8)
    layer = ops.avg_pool2d(image.shape, 2)
    image = layer.pack(image)["data"]
    with open_device("sim") as device:
        monkeypatch.setattr("vta.device", lambda name: nullcontext(device))
        names = dict(device=device, program=layer.program, array=image, images=[image, image])
        for block in blocks(page):
            exec(compile(block, str(page), "exec"), names)
        assert len(names["results"]) == 2


def test_pages_with_python():
    assert {"README.md", "docs/runtime.md", "docs/compiler.md", "docs/boards.md"} <= set(map(shown, PYTHON))


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists() and there.is_relative_to(ROOT), f"{target} is not there"
        assert not anchor or anchor in anchors(there), f"{target}: no such heading"


def test_links_are_found():
    assert sum(len(re.findall(r"\]\(", page.read_text())) for page in PAGES) > 30


def test_index_has_every_page():
    index = (DOCS / "README.md").read_text()
    missing = [page.name for page in DOCS.rglob("*.md")
               if page != DOCS / "README.md" and f"]({page.relative_to(DOCS)})" not in index]
    assert not missing, f"docs/README.md does not name {missing}"


def commands():
    """(page, command, arguments) of every `vta COMMAND ...` and `make TARGET` in the pages."""
    for page in PAGES:
        code = re.findall(r"^    (.+)$|^```(?!python)\w*\n(.*?)^```|`([^`\n]+)`", page.read_text(),
                          re.DOTALL | re.MULTILINE)
        for line in "\n".join("".join(part) for part in code).splitlines():
            words = re.split(r"\s+(?:#|\.\.\.)", line)[0].split()
            if len(words) > 1 and words[0] in ("vta", "make") and re.fullmatch("[a-z]+", words[1]):
                yield shown(page), words[0], words[1:]


@pytest.mark.parametrize("name", sorted({words[0] for _, tool, words in commands() if tool == "vta"}))
def test_commands_know_their_options(name, capsys):
    """Each command that a page shows exists, with every option shown."""
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    known = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", capsys.readouterr().out))
    for page, tool, words in commands():
        if (tool, words[0]) == ("vta", name):
            used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert used <= known, f"{page}: vta {name} has no {used - known}"


def test_block_diagram_has_the_sizes_of_the_default_configuration():
    words = re.findall(r">([^<]+)</text>", (DOCS / "pictures" / "block-diagram.svg").read_text())
    config = Config()
    for memory in ("INP", "WGT", "UOP", "ACC", "OUT"):
        size = config.depth[memory] * config.tile_bytes[memory] // 1024
        assert words[words.index(memory) + 1].startswith(f"{size} KiB")
    assert f"{config.block} x {config.block} int8 MACs" in words and f"{config.lanes} lanes of int32" in words


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {words[0] for _, tool, words in commands() if tool == "make"}
    assert "sim" in used and used <= targets
