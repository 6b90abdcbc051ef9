"""Every page is played: its files written, its commands typed, its outputs compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .page import Command, File, steps, unmet
from .reader import Reader

REPOSITORY = Path(__file__).resolve().parents[3]
DOCS = REPOSITORY / "docs"
PAGES = [
    REPOSITORY / "README.md",
    DOCS / "README.md",
    *sorted((DOCS / "tutorial").glob("*.md")),
    *sorted((DOCS / "how-to").glob("*.md")),
    *sorted((DOCS / "explanation").glob("*.md")),
]
PLAYED = [page for page in PAGES if page.name != "docsearch.md" and steps(page)]


@pytest.mark.parametrize("page", PLAYED, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    """Who does what the page says, in its order, sees what the page shows."""
    reader = Reader(home=tmp_path, folder=tmp_path / "shop")
    try:
        for step in steps(page):
            reader.does(step)
    finally:
        reader.leaves()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """A link between pages leads to a file that is there."""
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)"', text)
    for target in targets:
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_a_page_is_read_as_a_reader_would(tmp_path: Path) -> None:
    """Files, dialogues, continued lines and what is left out are told apart."""
    page = tmp_path / "page.md"
    page.write_text(
        "Write `a/b.py`:\n\n```python\nx = 1\n```\n\n"
        "```console\n$ first\nout 1\n$ second \\\n> more\n```\n\n"
        "<!-- not played: no network -->\n```console\n$ third\n```\n\n```python\ny\n```\n"
    )
    assert steps(page) == [
        File(line=4, path="a/b.py", text="x = 1\n"),
        Command(line=8, text="first", expected=("out 1",)),
        Command(line=10, text="second \\\nmore"),
    ]


def test_output_is_compared_as_a_reader_would() -> None:
    """Numbers and dots stand for others, lines may be left out, but none may be made up."""
    output = "NAME  STATE  PID\nshop  running  812\ntill  started in 1.2 s, pid 9\n"
    assert not unmet(("shop running 4711", "…", "till … in 80 ms, pid 1"), output)
    assert unmet(("till  started in 80 ms, pid 1", "shop  running  1"), output)
    assert unmet(("shop  stopped  1",), output) == "shop  stopped  1"
