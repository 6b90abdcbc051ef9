"""One line of an audit log: who did what, or was refused what, and when."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

import msgspec

from kite.errors import KiteError

Where = Literal["launcher", "registry", "event_hub"]
Outcome = Literal["done", "refused"]

FILE_NAME: Final = "audit.jsonl"
NOBODY: Final = "nobody"
"""Who speaks with no token, or one that means nobody: a name that no module can have counted on."""

REFUSALS: Final = frozenset(
    {
        "unauthorized",
        "bad_host",
        "bad_origin",
        "permission_denied",
        "session_token",
        "limit_reached",
        "too_many_connections",
        "too_many_open",
        "too_many_subscriptions",
    }
)
"""The codes that say: not you, not from there, or not so much. What is merely wrong is no refusal,
but where it is a control action."""

_MOST: Final = 300
"""Characters of a text that a client has chosen."""

_HEX = re.compile(r"[0-9A-Fa-f]{64,}")
_HIDDEN: Final = "(64 hex digits)"


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it stands in the file.

    Args:
        ts: RFC 3339.
        where: which process was asked.
        who: a module's name, `operator`, or `nobody`.
        what: what was to be done.
        outcome: whether it was (of what takes time: begun).
        life: of the module, where its token says so.
        target: the module that it was to be done to.
        code: why not, from `protocol/errors.json`.
        reason: the words of whoever asked; of a refusal what was wrong (the host, the origin).
        how: by what means, where it was no request (`SIGTERM`, `key q`).
        peer: the port of 127.0.0.1 that it came from.
        suppressed: this line stands for so many refusals of the same sort …
        seconds: … within so long.
    """

    ts: str
    where: Where
    who: str
    what: str
    outcome: Outcome
    life: int | None = None
    target: str | None = None
    code: str | None = None
    reason: str | None = None
    how: str | None = None
    peer: int | None = None
    suppressed: int | None = None
    seconds: float | None = None


def encode(line: Line) -> bytes:
    """The line with its line break. Whatever could be a token is taken out, and long texts are cut."""
    fields: dict[str, Any] = {
        name: plain(value) if isinstance(value, str) else value
        for name, value in msgspec.structs.asdict(line).items()
        if value is not None
    }
    return msgspec.json.encode(fields) + b"\n"


def plain(text: str) -> str:
    """A text of a client's as it may stand in a file: without what could be a token, cut, whole."""
    text = _HEX.sub(_HIDDEN, text)
    if len(text) > _MOST:
        text = text[:_MOST] + "…"
    return text.encode("utf-8", "backslashreplace").decode()


def why(error: KiteError) -> str | None:
    """What of a refusal is worth a word: which host it was, which page, what somebody may not do."""
    found = (error.params.get(name) for name in ("host", "origin", "what"))
    return next((str(each) for each in found if each), None)


def is_refusal(error: KiteError | str) -> bool:
    """Whether an error (or its code) is a refusal that stands in the audit log."""
    return (error if isinstance(error, str) else error.code) in REFUSALS
