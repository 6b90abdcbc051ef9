"""Which files are documents, on a real folder with everything in it that spoils a walk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tree import (
    MAX_BYTES,
    Document,
    Known,
    Problem,
    is_within_skipped,
    kind_of,
    look,
    relative,
    scan,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.md", "markdown"),
        ("A.MD", "markdown"),
        ("notes.txt", "text"),
        ("page.HTML", "html"),
        ("x.py", "source"),
        ("Makefile", "source"),
        ("README", "text"),
        ("a.png", None),
        ("a.pyc", None),
        (".hidden.md", None),
        ("noending", None),
        ("md", None),
    ],
)
def test_kinds(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def scanned(root: Path) -> tuple[set[str], dict[str, str]]:
    found = [one for one in scan(str(root)) if one is not None]
    return (
        {one.path for one in found if isinstance(one, Document)},
        {one.path: one.reason for one in found if isinstance(one, Problem)},
    )


def write(root: Path, *paths: str, text: str = "text") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def test_finds_documents_and_skips_the_rest(tmp_path: Path) -> None:
    wanted = {"a.md", "deep/er/b.txt", "deep/c.py", "中文.md"}
    write(tmp_path, *wanted)
    write(
        tmp_path,
        ".hidden/x.md",
        ".x.md",
        "node_modules/p/readme.md",
        "build/x.md",
        "pkg/__pycache__/x.py",
        "made/x.md",
        "made/CACHEDIR.TAG",
        "myenv/x.py",
        "myenv/pyvenv.cfg",
    )
    (tmp_path / "binary.txt").write_bytes(b"PK\0\1")
    (tmp_path / "large.md").write_bytes(b"x" * (MAX_BYTES + 1))
    (tmp_path / "just.md").write_bytes(b"x" * MAX_BYTES)
    (tmp_path / "wide.txt").write_text("wide", encoding="utf-16")
    os.mkfifo(tmp_path / "pipe.md")
    assert scanned(tmp_path) == (wanted | {"just.md", "wide.txt"}, {})


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, "secret.md")
    root = tmp_path / "root"
    write(root, "a/x.md")
    (root / "a" / "loop").symlink_to(root)
    (root / "out").symlink_to(outside)
    (root / "secret.md").symlink_to(outside / "secret.md")
    (root / "dead.md").symlink_to(root / "nowhere")
    assert scanned(root) == ({"a/x.md"}, {})


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "closed/b.md", "c.md")
    (tmp_path / "a.md").chmod(0)
    (tmp_path / "closed").chmod(0)
    try:
        found, problems = scanned(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert found == {"c.md"}
    assert set(problems) == {"a.md", "closed"}


def test_a_name_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.md")).write_text("text")
    found, problems = scanned(tmp_path)
    assert not found
    assert list(problems.values()) == ["its name is not UTF-8"]


def test_a_missing_folder_is_empty(tmp_path: Path) -> None:
    assert scanned(tmp_path / "nowhere") == (set(), {})


def test_every_change_of_a_file_changes_its_version(tmp_path: Path) -> None:
    known = Known()
    write(tmp_path, "a.md", text="one")
    first = look(str(tmp_path), "a.md")
    assert isinstance(first, Document)
    assert known.see(first) == first
    assert known.see(first) is None
    # Same size, same time of change as far as programs can set it: the inode's own time tells.
    status = (tmp_path / "a.md").stat()
    write(tmp_path, "a.md", text="two")
    os.utime(tmp_path / "a.md", ns=(status.st_atime_ns, status.st_mtime_ns))
    second = look(str(tmp_path), "a.md")
    assert isinstance(second, Document)
    assert known.see(second) == second


def test_a_lost_folder_takes_its_documents_along(tmp_path: Path) -> None:
    known = Known()
    write(tmp_path, "d/a.md", "d/e/b.md", "dd/c.md")
    for found in scan(str(tmp_path)):
        if found:
            known.see(found)
    assert sorted(known.lose("d")) == ["d/a.md", "d/e/b.md"]
    assert known.lose("d") == []
    assert set(known.documents) == {"dd/c.md"}


def test_pages_hold_every_document_once(tmp_path: Path) -> None:
    known = Known()
    names = [f"{number:03}{'x' * (number % 7) * 20}.md" for number in range(100)]
    write(tmp_path, *names)
    for found in scan(str(tmp_path)):
        if found:
            known.see(found)
    collected: list[str] = []
    after: str | None = ""
    while after is not None:
        rows, after = known.page(after, limit=30, max_bytes=2000)
        assert 0 < len(rows) <= 30
        collected += [row[0] for row in rows]
    assert collected == sorted(names)
    assert known.page("zzz", limit=5, max_bytes=100) == ([], None)


def test_paths_are_relative_to_the_folder() -> None:
    assert relative("/root/a/b.md", "/root") == "a/b.md"
    assert relative("/root", "/root") == ""
    assert relative("/rooted/a", "/root") is None
    assert relative("/root/..a", "/root") == "..a"
    assert is_within_skipped("a/node_modules/x.md")
    assert is_within_skipped(".git/x.md")
    assert not is_within_skipped("a/.b.md")
