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

from text import fold

WIDTH = 180
"""A snippet has about this many characters."""

_SCANNED_FIRST = 1 << 18
_MAX_HITS = 100

Hit = tuple[int, int, int]  # start, end, which pattern


def find_hits(text: str, patterns: Sequence[re.Pattern[str]]) -> list[Hit]:
    """Where the patterns match, in order of place.

    Matches at the beginning of a word are preferred to such within one.
    """
    folded = fold(text)
    hits: list[Hit] = []
    for number, pattern in enumerate(patterns):
        found: list[Hit] = []
        inner: list[Hit] = []
        for match in pattern.finditer(folded):
            start, end = match.span()
            (found if _begins_word(text, start) else inner).append((start, end, number))
            if len(found) == _MAX_HITS:
                break
        hits += found or inner[:_MAX_HITS]
    return sorted(hits)


def _begins_word(text: str, at: int) -> bool:
    if at == 0:
        return True
    before, here = text[at - 1], text[at]
    if not before.isalnum() or not here.isascii():
        return True
    return not before.isascii() or (here.isupper() and before.islower()) or _ends_capitals(text, at)


def _ends_capitals(text: str, at: int) -> bool:
    return text[at].isupper() and text[at - 1].isupper() and text[at + 1 : at + 2].islower()


def snippets(
    text: str, patterns: Sequence[re.Pattern[str]], count: int = 2
) -> list[dict[str, Any]]:
    """The best places of the text, in order of place; the beginning where nothing matches.

    Args:
        text: the document.
        patterns: what to look for, see `query.highlights`.
        count: how many at most.
    """
    head = text[:_SCANNED_FIRST]
    hits = find_hits(head, patterns)
    if not hits and len(text) > len(head):
        hits = find_hits(text, patterns)
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


def mark(text: str, patterns: Sequence[re.Pattern[str]]) -> list[str]:
    """A short text whole (a title, a path) in parts, every second a hit."""
    parts: list[str] = []
    at = 0
    for start, end, _ in find_hits(text, patterns):
        if start >= at:
            parts += [text[at:start], text[start:end]]
            at = end
    return [*parts, text[at:]]
