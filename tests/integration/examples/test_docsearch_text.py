"""What the index reads out of a file."""

from __future__ import annotations

import pytest
from text import count_words, decode, fold, joined_words, read_text, read_title, spread


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"plain", "plain"),
        ("grüße 你好".encode(), "grüße 你好"),
        ("\ufeffmark".encode(), "mark"),
        ("wide 宽".encode("utf-16"), "wide 宽"),
        ("中文文档的内容".encode("gb18030"), "中文文档的内容"),
        ("naïve café".encode("latin-1"), "naïve café"),
    ],
)
def test_decodes_what_people_have(content: bytes, text: str) -> None:
    assert decode(content) == text


def test_decoding_never_fails() -> None:
    for start in range(256):
        assert isinstance(decode(bytes((start + step) % 256 for step in range(64))), str)


def test_html_is_what_a_reader_sees() -> None:
    page = b"<html><head><title>T</title><style>p{}</style></head><body><p>one<p>two &amp; three"
    page += b"<script>if (a < b) hidden()</script><!-- hidden --></body>"
    text = read_text(page, "html")
    assert text.split() == ["one", "two", "&", "three"]


def test_lines_end_alike() -> None:
    assert read_text(b"a\r\nb\rc\0d", "text") == "a\nb\nc d"


@pytest.mark.parametrize(
    ("text", "kind", "title"),
    [
        ("# A *real* title #\ntext", "markdown", "A real title"),
        ("```sh\n# no title\n```\n## Title\n", "markdown", "Title"),
        ("---\ntitle: 'From the front'\nx: 1\n---\n# Other\n", "markdown", "From the front"),
        ("Under\n=====\n", "markdown", "Under"),
        ("[Link](x.md) only\n", "markdown", "file.x"),
        ("# [Linked](x.md)\n", "markdown", "Linked"),
        ("<title>\n Page &lt;1&gt; </title>", "html", "Page <1>"),
        ("<h1>Head <b>ing</b></h1>", "html", "Head ing"),
        ("# comment", "source", "file.x"),
        ("", "markdown", "file.x"),
    ],
)
def test_titles(text: str, kind: str, title: str) -> None:
    assert read_title(text.encode(), kind, text, "some/file.x") == title


def test_words_written_as_one_come_apart() -> None:
    assert spread("parseHTTPHeader HubConnection snake_case Plain ALLCAPS x2") == (
        "parse HTTP Header Hub Connection snake_case Plain ALLCAPS x2"
    )
    assert spread("看见 cat 안").split() == ["看", "见", "cat", "안"]
    assert joined_words("HubConnection, HubConnection, JavaScript") == "HubConnection JavaScript"
    assert joined_words("AbstractEventLoop") == "AbstractEventLoop EventLoop"


def test_folding_keeps_every_place() -> None:
    text = "Ärger İstanbul ﬁne CAFÉ 你 ẞ"
    assert len(fold(text)) == len(text)
    assert fold(text).startswith("arger istanbul")
    assert "cafe" in fold(text)


def test_counts_words_as_a_reader_does() -> None:
    assert count_words("one two\nthree") == 3
    assert count_words("两个字 and") == 4
