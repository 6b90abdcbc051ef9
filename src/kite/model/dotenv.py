"""The text of an `.env` file: variables, one a line, read strictly and without a shell.

    NAME=value              # up to the end of the line or to a blank and '#', without blanks around
    export NAME="value"     # \\n \\r \\t \\" \\\\ \\$ are what they are in C; may go over several lines
    NAME='value'            # as it stands; may go over several lines

`${NAME}` in a bare or double-quoted value is a variable of a line above, else one that is `known`;
`${NAME:-text}` is `text` where it is not set or empty. A dollar without a brace is a dollar. Messages
name the line and never show what stands in it, which may be a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kite.errors import ConfigError, Location
from kite.model import phrases

RESERVED = ("KITE_", "LISTEN_")
"""How names begin that are Kite's own."""

_SKIPPED = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:#[^\n]*)?")
_NAME = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*?(?=[ \t]+#|[ \t]*(?:\n|\Z))")
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_PIECE = re.compile(r"\\(.)|\$\{([^}]*)(\}?)", re.DOTALL)
_REFERENCE = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)(?::-(.*))?", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


def parse_dotenv(text: str, file: str, *, known: Mapping[str, str]) -> dict[str, str]:
    """The variables of a text, in its order; of a name that stands twice the last counts.

    Args:
        text: what the file holds.
        file: how messages name it.
        known: what `${NAME}` may mean besides the lines above.

    Raises:
        ConfigError: `env_file_wrong`, `env_file_unknown_variable` or `env_file_reserved`.
    """
    return _Reader(text.replace("\r\n", "\n"), file, known).read()


class _Reader:
    def __init__(self, text: str, file: str, known: Mapping[str, str]) -> None:
        self._text = text
        self._file = file
        self._known = known
        self._at = 0
        self._found: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        if (nul := self._text.find("\0")) >= 0:
            self._at = nul
            raise self._wrong(phrases.ENV_NO_NUL)
        while True:
            self._take(_SKIPPED)
            if self._at >= len(self._text):
                return self._found
            begin = self._at
            named = self._take(_NAME)
            if named is None:
                raise self._wrong(phrases.ENV_LINE)
            name = named[1]
            if name.startswith(RESERVED):
                raise self._error("env_file_reserved", begin, name=name)
            value = self._value()
            if self._take(_REST) is None:
                raise self._wrong(phrases.ENV_LINE_END)
            self._found[name] = value

    def _value(self) -> str:
        begin = self._at
        match self._text[begin : begin + 1]:
            case "'":
                if (quoted := self._take(_SINGLE)) is None:
                    raise self._wrong(phrases.ENV_QUOTE)
                return quoted[1]
            case '"':
                if (quoted := self._take(_DOUBLE)) is None:
                    raise self._wrong(phrases.ENV_QUOTE)
                return self._expand(quoted[1], begin + 1, escapes=True)
            case _:
                bare = self._take(_BARE)
                return self._expand(bare[0] if bare else "", begin, escapes=False)

    def _expand(self, text: str, begin: int, *, escapes: bool) -> str:
        def piece(found: re.Match[str]) -> str:
            escaped, reference, closed = found.groups()
            if escaped is not None:
                return _ESCAPES.get(escaped, found[0]) if escapes else found[0]
            wanted = _REFERENCE.fullmatch(reference) if closed else None
            if wanted is None:
                raise self._wrong(phrases.ENV_REFERENCE, begin + found.start())
            name, instead = wanted.groups()
            value = self._found.get(name, self._known.get(name))
            if not value and instead is not None:
                return instead
            if value is None:
                at = begin + found.start()
                raise self._error("env_file_unknown_variable", at, name=name)
            return value

        return _PIECE.sub(piece, text)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _wrong(self, expected: str, at: int | None = None) -> ConfigError:
        return self._error("env_file_wrong", self._at if at is None else at, expected=expected)

    def _error(self, code: str, at: int, **params: str) -> ConfigError:
        line = self._text.count("\n", 0, at) + 1
        place = Location(file=self._file, line=line)
        return ConfigError(code, location=place, path=self._file, line=line, **params)
