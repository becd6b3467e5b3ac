"""What commands share."""

import pytest
from repository import DOCS

from vta.commands._common import replace_between


def test_the_table_is_replaced(tmp_path):
    page, mark = tmp_path / "area.md", "<!-- vta:area -->"
    page.write_text(f"before\n{mark}\nold\n{mark}\nafter\n")
    replace_between(page, "area", "| new |")
    assert page.read_text() == f"before\n{mark}\n\n| new |\n\n{mark}\nafter\n"
    page.write_text(mark)
    for text in (None, "| new |"):
        with pytest.raises(ValueError, match=f"area.md must hold the line {mark} twice: the table goes between"):
            replace_between(page, "area", text)


@pytest.mark.parametrize("page, name", [("area.md", "area"), ("performance.md", "bench")])
def test_the_pages_have_marks_for_their_tables(page, name):
    replace_between(DOCS / page, name)
