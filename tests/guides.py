"""The Markdown pages that people read, and the code in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for page in DOCS.rglob("*.md") if not {"gallery", "_build"} & {*page.parts}),
    ]
)

_FENCE = re.compile(r"^(`{3,})(.*?)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def code_of(page):
    """Give the code of a page of ``docs/`` that runs, from top to bottom."""
    return python_blocks((DOCS / page).read_text(encoding="utf-8"))


def python_blocks(text):
    return [block for _, language, block in _FENCE.findall(text) if language == "python"]


def fragments(text):
    """Give the Python blocks that do not run, each with the line before it."""
    return [
        (text[: fence.start()].rstrip("\n").rpartition("\n")[2], fence[3])
        for fence in _FENCE.finditer(text)
        if "python" in fence[2] and fence[2] != "python"
    ]


def prose(text):
    """Give a page without its fenced blocks and its code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def anchors(text):
    """Give what a link may name behind ``#``: headings as GitHub and MyST spell them."""
    headings = re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
