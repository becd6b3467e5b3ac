"""Runs the tutorials and renders them as pages: `python examples/render.py` writes docs/tutorials/*.md.

A tutorial is a script: a comment block between empty lines is text, all else is code, and the output of the code is
shown right below it. A test compares the committed pages with new ones.
"""

import contextlib
import io
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent / "docs" / "tutorials"
TUTORIALS = ("get_started", "matmul", "matmul_opt", "conv2d")


def cells(source):
    """(text, code) pairs of a script: a comment block followed by an empty line is text."""
    blocks = re.split(r"\n\n+(?=# |#\n)", "\n\n" + source.strip() + "\n")
    found = []
    for block in blocks:
        match = re.match(r"((?:#[^\n]*\n)+)\n(.*)", block + "\n\n", re.DOTALL)
        if match:
            found.append([re.sub(r"(?m)^# ?", "", match[1]), match[2]])
        elif block.strip():
            if not found:
                found.append(["", ""])
            found[-1][1] += "\n" + block + "\n"
    return [(text.strip(), code.strip()) for text, code in found]


def render(name):
    """The page of one tutorial: text, code and output alternate."""
    names, parts = {"__name__": name}, []
    arguments, sys.argv = sys.argv, [name]
    try:
        for text, code in cells((HERE / f"{name}.py").read_text()):
            parts.append(_indent_pictures(text))
            if code:
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(code, f"{name}.py", "exec"), names)
                parts.append(f"```python\n{code}\n```")
                if printed.getvalue():
                    parts.append(f"```text\n{printed.getvalue().strip()}\n```")
    finally:
        sys.argv = arguments
    parts.append(f"The complete script is `examples/{name}.py`; `python examples/{name}.py tsim` runs it on the RTL.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _indent_pictures(text):
    return "\n".join(line.rstrip() for line in text.splitlines())


if __name__ == "__main__":
    PAGES.mkdir(parents=True, exist_ok=True)
    for tutorial in TUTORIALS:
        (PAGES / f"{tutorial}.md").write_text(render(tutorial))
        print(PAGES / f"{tutorial}.md")
