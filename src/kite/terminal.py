"""What a terminal can do and how wide text is on it. Pure; shared by the Launcher and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TextIO

# Escape sequences: CSI (colours among them), OSC and the other string sequences, two-byte escapes.
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]|\x1b", re.DOTALL
)
_COLOR = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
NAME_COLORS = ("cyan", "magenta", "blue", "green", "yellow")
"""What module names are painted with, by turns; red is kept for what went wrong."""


def wants_color(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to write colours to the stream.

    `NO_COLOR` (not empty) says no before everything else; `FORCE_COLOR` or `CLICOLOR_FORCE` (not
    empty, not `0`) says yes; otherwise a terminal that is not `TERM=dumb` gets them.
    """
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return can_move_cursor(stream, environ)


def can_move_cursor(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is a terminal on which lines can be drawn again."""
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


def paint(text: str, *styles: str, color: bool) -> str:
    """The text in the named styles (`bold`, `red` …), or as it is when `color` is off."""
    if not color or not styles or not text:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"


def name_color(name: str) -> str:
    """The colour of a module's name: the same in every run and every command."""
    return NAME_COLORS[sum(name.encode()) % len(NAME_COLORS)]


def clean(text: str, *, color: bool) -> str:
    """A program's output line without what could move the cursor, ring or rename the window.

    Colours stay when `color` is on, and are ended at the line's end. Of a line that was drawn
    over with carriage returns the last drawing stays.
    """
    text = text.rstrip("\r")
    if "\r" in text:
        text = text.rsplit("\r", 1)[1]
    if "\x1b" in text:
        kept = False

        def keep(match: re.Match[str]) -> str:
            nonlocal kept
            if color and _COLOR.fullmatch(match.group()):
                kept = True
                return match.group()
            return ""

        text = _SEQUENCE.sub(keep, text)
        if kept:
            text += "\x1b[0m"
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def quoted(lines: object, *, most: int, color: bool) -> list[str]:
    """The last `most` of the lines that a program printed, as they stand below what is said of it."""
    said = [str(line) for line in lines] if isinstance(lines, list | tuple) else []
    shown = [clean(line, color=color) for line in said if line.strip()]
    return [paint("| ", "dim", color=color) + line for line in shown[-most:]]


def width(text: str) -> int:
    """How many columns the text takes: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width  # noqa: PLC0415  (ASCII does not need it)

    return sum(
        0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        for character in text
    )


def pad(text: str, columns: int) -> str:
    """The text with spaces behind it up to `columns`."""
    return text + " " * (columns - width(text))


def fit(text: str, columns: int) -> str:
    """The text cut to `columns`, with `…` where something is missing. For text without colours."""
    if width(text) <= columns:
        return text
    room, kept = columns - 1, []
    for character in text:
        room -= width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""
