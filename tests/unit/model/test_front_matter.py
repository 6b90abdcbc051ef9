"""Taking a `module.md` apart, and reading files that are not what they should be."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.model.front_matter import (
    MAX_FILE_BYTES,
    parse_front_matter,
    read_text,
    split_front_matter,
)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_front_matter_is_found(newline: str, mark: str) -> None:
    text = mark + newline.join(["---", "name: a", "---", "# Body", "--- not the end", ""])
    parts = split_front_matter(text, "module.md")
    assert parts.yaml == f"name: a{newline}"
    assert parts.body == f"# Body{newline}--- not the end{newline}"
    assert parse_front_matter(text, "module.md").plain == {"name": "a"}


@given(st.text("-\n\r ab:\ufeff\u2028", max_size=40))
def test_the_parts_are_the_whole(text: str) -> None:
    with suppress(ConfigError):
        parts = split_front_matter(text, "f")
        assert parts.head + parts.yaml + parts.tail == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "front_matter_missing"),
        ("# Title\n---\nname: a\n---\n", "front_matter_missing"),
        ("\n---\nname: a\n---\n", "front_matter_missing"),
        ("---- \nname: a\n---\n", "front_matter_missing"),
        ("---\nname: a\n", "front_matter_open"),
        ("---", "front_matter_open"),
        ("---\n---\n", "front_matter_empty"),
        ("---\n# only a comment\n---\n", "front_matter_empty"),
        ("---\n- a\n---\n", "not_a_mapping"),
        ("---\njust words\n---\n", "not_a_mapping"),
    ],
)
def test_each_way_of_having_none_has_a_word(text: str, code: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_front_matter(text, "modules/a/module.md")
    assert raised.value.code == code
    assert str(raised.value).startswith("modules/a/module.md:")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "module.md"
    file.write_bytes("---\nname: ü".encode() + b"\xff\n---\n")
    with pytest.raises(ConfigError) as raised:
        read_text(file)
    assert raised.value.code == "file_not_utf8"
    assert raised.value.location is not None
    assert raised.value.location.line == 2
    assert "0xFF" in raised.value.message


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "large").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    codes = {}
    for name in ("pipe", "folder", "loop", "large", "missing"):
        with pytest.raises(ConfigError) as raised:
            read_text(tmp_path / name)
        codes[name] = raised.value.code
    assert codes == {
        "pipe": "file_not_regular",
        "folder": "file_not_regular",
        "loop": "file_unreadable",
        "large": "file_too_large",
        "missing": "file_missing",
    }


def test_a_largest_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "module.md"
    file.write_bytes(b"x" * MAX_FILE_BYTES)
    assert len(read_text(file)) == MAX_FILE_BYTES
