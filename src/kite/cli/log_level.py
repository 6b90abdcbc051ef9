"""How bad a line of a log is, found in the line itself, whatever wrote it. Pure.

{"level":"warn","msg":"…"}   JSON: pino, bunyan, zap, zerolog, slog, structlog, ECS, GCP …
level=warn msg=…             logfmt
2026-01-31 09:05:07,123 - app - WARNING - …   Python, Go, Java, Rust's env_logger, nginx …
warning: …                   compilers and tools
<4>…                         as for journald
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """From the least to the worst; the numbers are those of pino and bunyan."""

    TRACE = 10
    DEBUG = 20
    INFO = 30
    WARN = 40
    ERROR = 50
    FATAL = 60

    @property
    def word(self) -> str:
        """As the command line writes it."""
        return self.name.lower()


_WORDS = {
    Level.TRACE: "trace trc finest finer verbose silly",
    Level.DEBUG: "debug dbg debu fine",
    Level.INFO: "info inf information notice log default success http",
    Level.WARN: "warn warning wrn",
    Level.ERROR: "error err erro eror severe fail",
    Level.FATAL: "fatal ftl critical crit alert emerg emergency panic pnc dpanic fault",
}
LEVELS = {word: level for level, words in _WORDS.items() for word in words.split()}
"""What programs call them, in lower case."""

_KEYS = ("level", "severity", "lvl", "levelname", "log.level", "loglevel", "@l", "log_level")
_NUMBERS = ("level", "lvl", "severity")
_HEAD = 160  # characters in which a line says its level

_PRIORITY = re.compile(r"<([0-7])>")
_PRIORITIES = (Level.FATAL,) * 3 + (Level.ERROR, Level.WARN, Level.INFO, Level.INFO, Level.DEBUG)
_LOGFMT = re.compile(r"""\b(?:level|lvl|severity|loglevel)=["']?([A-Za-z]+)""")
_GLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+")
_GLOG_LEVELS = {"I": Level.INFO, "W": Level.WARN, "E": Level.ERROR, "F": Level.FATAL}
# `[warn]`, `[WARNING ]`, `(error)`: alone between brackets, in any case.
_BRACKETED = re.compile(r"[\[(<]\s*([A-Za-z]{3,11})\s*[\])>]")
# ` ERROR `, `ERROR:`, `|WARN|`, `-INFO-`, `INF`, `[2026-… WARN app]`: a word in capitals, alone.
_CAPITALS = re.compile(r"[A-Z]{3,8}(?![\w/.'\"=])")
_NOT_BEFORE = re.compile(r"[\w/.'\"=-]")
_CAPITAL_LEVELS = {
    word.upper(): level for word, level in LEVELS.items() if word not in ("http", "success", "fail")
}
# `info     module.started`: as Kite's SDK for Python writes it.
_PADDED = re.compile(
    r"(trace|debug|info|warn|warning|error|fatal|critical(?= ))(?: {2,}|\t|(?<=critical) )"
)
_FIRST = re.compile(
    r"(?:\S+: )?(error|warning|warn|info|note|debug|fatal|panic|critical)(?:\[\w+\])?(?:: |:$)",
    re.IGNORECASE,
)
# Uncaught exceptions and panics, which name no level.
_UNCAUGHT = (
    "Traceback (most recent call last):",
    *("Uncaught ", "Unhandled ", "Exception in thread ", "Segmentation fault", "Aborted"),
)
_ERROR_NAMES = ("Error", "Exception", "Interrupt")
_ERROR_NAMES_FIRST = tuple(f"{name}:" for name in _ERROR_NAMES)
_TRACEBACK = "Traceback (most recent call last):"
_CONTINUED = re.compile(
    r"[}\])]|Caused by:|During handling of the above|The above exception|\.\.\. \d+ more"
    r"|goroutine \d+|note: run with|stack backtrace:"
)
_EXCEPTION = re.compile(r"(?:[\w$<>]+\.)*\w+(?::|$)")


def level_of(text: str) -> Level | None:
    """The level that a line says it has, or None.

    Args:
        text: without escape sequences.
    """
    if text.startswith("{"):
        return _in_json(text)
    head = text[:_HEAD]
    said = _marked(head) or _named(head)
    return said or (Level.ERROR if _is_uncaught(head) else None)


def _is_uncaught(head: str) -> bool:
    """Whether an exception that nobody caught is told: `app.OutOfPaperError: no more`, a panic."""
    if head.startswith(_UNCAUGHT):
        return True
    first, space, _ = head.partition(" ")
    if first.endswith(_ERROR_NAMES_FIRST) or (not space and first.endswith(_ERROR_NAMES)):
        return True
    return first == "thread" and " panicked at" in head


def _marked(head: str) -> Level | None:
    """By a form of its own: a priority, a letter of glog's, a key of logfmt's."""
    if head[:1] == "<" and (found := _PRIORITY.match(head)):
        return _PRIORITIES[int(found[1])]
    if found := _GLOG.match(head):
        return _GLOG_LEVELS[found[1]]
    if "l=" in head or "y=" in head:  # most lines have neither, and this is soon known
        found = _LOGFMT.search(head)
        return LEVELS.get(found[1].lower()) if found else None
    return None


def _named(head: str) -> Level | None:
    """By the first word that stands where levels stand."""
    level, end = None, len(head)
    for found in _CAPITALS.finditer(head):
        start = found.start()
        level = _CAPITAL_LEVELS.get(found[0])
        if level and not (start and _NOT_BEFORE.match(head, start - 1)):
            end = start
            break
        level = None
    if any(bracket in head for bracket in "[(<"):
        for found in _BRACKETED.finditer(head, 0, end):
            if bracketed := LEVELS.get(found[1].lower()):
                return bracketed
    if level is None and (padded := _PADDED.match(head)):
        return LEVELS[padded[1]]
    if level or ":" not in head:
        return level
    first = _FIRST.match(head)
    return LEVELS.get(first[1].lower(), Level.INFO) if first else None


def _in_json(text: str) -> Level | None:
    import msgspec

    try:
        fields = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    for key in _KEYS:
        if (level := _from_value(key, fields.get(key))) is not None:
            return level
    nested = fields.get("log")
    return _from_value("log.level", nested.get("level")) if isinstance(nested, dict) else None


def _from_value(key: str, value: Any) -> Level | None:
    if isinstance(value, str):  # slog says INFO+2
        word = re.match(r"[A-Za-z]*", value)
        return LEVELS.get(word[0].lower()) if word else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or key not in _NUMBERS:
        return None
    reached = [level for level in Level if level <= value]
    return reached[-1] if reached else Level.TRACE


class LevelReader:
    """Levels of the lines of one stream, in their order: what continues a line has that line's."""

    def __init__(self) -> None:
        self._last: Level | None = None
        self._in_traceback = False

    def read(self, text: str) -> Level | None:
        """The level of the next line, or None when nothing tells."""
        if text.startswith(_TRACEBACK):
            self._in_traceback = True
            self._last = max(self._last or Level.ERROR, Level.ERROR)
        elif not self._continues(text):
            self._last = level_of(text)
        return self._last

    def _continues(self, text: str) -> bool:
        if self._in_traceback:
            if text[:1] in ("", " ", "\t"):
                return True
            self._in_traceback = False
            if _EXCEPTION.match(text):  # its last line
                return True
        return self._last is not None and continues(text)


def continues(text: str) -> bool:
    """Whether a line looks like one that belongs to the line before."""
    if not text:
        return True
    if text[0].isspace():
        # Some programs pad their levels: `  INFO app > listening`.
        own = text.lstrip()
        word = _CAPITALS.match(own) or _BRACKETED.match(own)
        return word is None or _named(word[0]) is None
    return _CONTINUED.match(text) is not None
