"""The error tree: one base class, and under it who is at fault.

    KiteError
    ├── ConfigError     a file or an argument that a person wrote is wrong
    ├── RequestError    the caller asked for something that cannot be done
    ├── PeerError       the other side of a connection broke the protocol or refused
    ├── ModuleError     a module's own program failed
    ├── Unavailable     not now; try again
    └── InternalError   Kite itself is wrong

Every error has a `code` that stands once in `protocol/errors.json`, with the template of its
message, the hint (what to do next) and the HTTP status it travels with. The template's
placeholders are filled from the keyword arguments, so that a program reads `code` and `params`
and a person reads the sentence in their own language.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from kite.locale import translate

ERRORS_FILE = Path(__file__).parent / "protocol" / "errors.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorKind:
    """One entry of `protocol/errors.json`.

    `message` and `hint` are English templates with `{placeholders}`; `status` is the HTTP status
    the error travels with; `exit` is the exit status of a command that ends with it.
    """

    message: str
    hint: str = ""
    status: int = 500
    exit: int = 1


@cache
def error_kinds() -> dict[str, ErrorKind]:
    """All error codes, read once from `protocol/errors.json`."""
    entries = json.loads(ERRORS_FILE.read_text(encoding="utf-8"))
    return {code: ErrorKind(**entry) for code, entry in entries.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place in a file that a person wrote. `line` and `column` count from 1; 0 is unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class KiteError(Exception):
    """Base of all errors that Kite raises on purpose.

    Args:
        code: a key of `protocol/errors.json`.
        location: the place in a file, where there is one.
        **params: what fills the placeholders of the message and the hint.
    """

    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self, code: str | None = None, *, location: Location | None = None, **params: Any
    ) -> None:
        self.code = code or self.default_code
        self.location = location
        self.params = params
        super().__init__(self.code)

    @property
    def kind(self) -> ErrorKind:
        """The entry of the error's code; an unknown code (a newer peer's) has a plain one."""
        known = error_kinds().get(self.code)
        if known is not None:
            return known
        said = str(self.params.get("detail") or self.code)
        # These are somebody's words, not a template: what stands in braces means itself.
        return ErrorKind(message=said.replace("{", "{{").replace("}", "}}"))

    @property
    def message(self) -> str:
        """What happened, in the language of this process."""
        return render(self.kind.message, self.params)

    @property
    def english(self) -> str:
        """What happened, in English whatever the language of this process: what travels."""
        return self.kind.message.format_map(_Lenient(self.params))

    @property
    def hint(self) -> str:
        """What to do next, in the language of this process; may be empty."""
        return render(self.kind.hint, self.params)

    @property
    def english_hint(self) -> str:
        """What to do next, in English whatever the language of this process."""
        return self.kind.hint.format_map(_Lenient(self.params))

    @property
    def status(self) -> int:
        """The HTTP status the error travels with."""
        return self.kind.status

    def __str__(self) -> str:
        text = f"{self.location}: {self.message}" if self.location else self.message
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(KiteError):
    """A file or an argument that a person wrote is wrong."""


class RequestError(KiteError):
    """The caller asked for something that cannot be done."""


class PeerError(KiteError):
    """The other side of a connection broke the protocol or refused."""


class ModuleError(KiteError):
    """A module's own program failed."""


class Unavailable(KiteError):  # noqa: N818  (a state of the world, not a mistake)
    """Not now; the same call may succeed later."""

    default_code = "not_ready"


class InternalError(KiteError):
    """Kite itself is wrong: please report it."""


def render(template: str, params: dict[str, Any]) -> str:
    """Fill a template of `protocol/errors.json` in the language of this process.

    A placeholder without a value stays as it is written: a message that lacks a detail is better
    than an error about the error. `expected` and `detail` are translated too where they are phrases
    of the catalogue, so that an error can travel in English and be read in another language.
    """
    if not template:
        return ""
    values = _Lenient(params)
    for name in ("expected", "detail"):
        if isinstance(phrase := values.get(name), str):
            values[name] = translate(phrase)
    return translate(template).format_map(values)


class _Lenient(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
