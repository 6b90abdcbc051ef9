"""The lines of a document that show why it was found.

A snippet is `{"line": n, "parts": [plain, hit, plain, hit, …]}`: every second part is a hit. There
are no markers inside the text that a document could imitate, and no offsets that languages count
differently.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from query import Highlight
from text import CJK_RUN, fold

WIDTH = 180
"""A snippet has about this many characters."""

_SCANNED_FIRST = 1 << 16
_MAX_HITS = 100

Hit = tuple[int, int, int]  # start, end, which pattern


def find_hits(text: str, marks: Sequence[Highlight]) -> list[Hit]:
    """Where something is to be marked, in order of place.

    Whole words count before parts of words.
    """
    folded = fold(text)
    hits: list[Hit] = []
    for number, mark in enumerate(marks):
        words: list[Hit] = []
        parts: list[Hit] = []
        for match in mark.pattern.finditer(folded):
            start, end = match.span()
            is_word = _is_edge(text, start) and (not mark.is_whole or _is_edge(text, end))
            (words if is_word else parts).append((start, end, number))
            if len(words) == _MAX_HITS:
                break
        hits += words or parts[:_MAX_HITS]
    return sorted(hits)


def _is_edge(text: str, at: int) -> bool:
    """Whether a word begins or ends between this character and the one before it."""
    if at in (0, len(text)):
        return True
    before, here = text[at - 1], text[at]
    if not (before.isalnum() and here.isalnum()):
        return True
    if before.isascii() != here.isascii() or not here.isascii():
        return CJK_RUN.fullmatch(before) is not None or CJK_RUN.fullmatch(here) is not None
    if not here.isupper():
        return False
    # camelCase, and HTTPHeader before its H
    return not before.isupper() or text[at + 1 : at + 2].islower()


def snippets(text: str, marks: Sequence[Highlight], count: int = 2) -> list[dict[str, Any]]:
    """The best places of the text, in order of place; the beginning where nothing matches.

    Args:
        text: the document.
        marks: what to look for, see `query.highlights`.
        count: how many at most.
    """
    head = text[:_SCANNED_FIRST]
    hits = find_hits(head, marks)
    if not hits and len(text) > len(head):
        hits = find_hits(text, marks)
    if not hits:
        return [_cut(text, _first_text(text), [])] if text.strip() else []
    chosen: list[int] = []
    seen: set[int] = set()
    everything = {number for _, _, number in hits}
    for start in sorted((start for start, _, _ in hits), key=lambda at: _worth(hits, at)):
        new = _near(hits, start)
        if not new <= seen and all(abs(start - other) >= WIDTH for other in chosen):
            chosen.append(start)
            seen |= new
            if len(chosen) == count or seen >= everything:
                break
    return [_cut(text, start, hits) for start in sorted(chosen)]


def _near(hits: list[Hit], start: int) -> set[int]:
    """Which patterns match in a snippet that begins here."""
    first = bisect_left(hits, (start, 0, 0))
    return {number for at, _, number in hits[first : first + 40] if at < start + WIDTH}


def _worth(hits: list[Hit], start: int) -> tuple[int, int]:
    """The smaller the better: many different terms near each other, then early."""
    return (-len(_near(hits, start)), start)


def _first_text(text: str) -> int:
    return len(text) - len(text.lstrip())


def _cut(text: str, start: int, hits: list[Hit]) -> dict[str, Any]:
    """The piece of text around a place, cut at the edges of lines or words."""
    begin = max(start - WIDTH // 4, 0)
    line_begin = text.rfind("\n", begin, start) + 1
    if line_begin:
        begin = line_begin
    elif begin and (space := text.find(" ", begin, start)) >= 0:
        begin = space + 1
    end = min(begin + WIDTH, len(text))
    if (
        end < len(text)
        and (space := max(text.rfind(" ", start + 20, end), text.rfind("\n", start + 20, end))) > 0
    ):
        end = space
    parts: list[str] = []
    at = begin
    for hit_start, hit_end, _ in hits:
        if hit_start < at or hit_start >= end:
            continue
        parts += [_flat(text[at:hit_start]), _flat(text[hit_start : min(hit_end, end)])]
        at = min(hit_end, end)
    parts.append(_flat(text[at:end]))
    if begin and text[begin - 1] != "\n":
        parts[0] = "… " + parts[0]
    if end < len(text):
        parts[-1] = parts[-1].rstrip() + " …"
    parts[0] = parts[0].lstrip()
    return {"line": text.count("\n", 0, start) + 1, "parts": parts}


def _flat(text: str) -> str:
    """On one line."""
    return re.sub(r"\s+", " ", text)


def mark(text: str, marks: Sequence[Highlight]) -> list[str]:
    """A short text whole (a title, a path) in parts, every second a hit."""
    parts: list[str] = []
    at = 0
    for start, end, _ in find_hits(text, marks):
        if start >= at:
            parts += [text[at:start], text[start:end]]
            at = end
    return [*parts, text[at:]]
