"""What a handler gets: an event, or a request that waits for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kite.wire import frame

_NOTHING: Mapping[str, Any] = {}


class Event:
    """One event as a handler sees it. Do not change `data` if other handlers get it too.

    Attributes:
        subject: its name, `docs.file.changed`.
        data: what the publisher sent, as Python objects.
        id: unique per source; a subscriber that must not act twice remembers it.
        source: the module that published it, or `operator`.
        timestamp: when, RFC 3339 UTC.
        headers: names and values that travel along.
        reply_to: the subject on which an answer is expected, or None.
        seq: its number in its stream, where it comes through a durable subscription; else None.
        attempt: the how many-th delivery of it that is, from 1.
    """

    __slots__ = ("_frame", "data", "subject")

    def __init__(self, received: frame.Event) -> None:
        self._frame = received
        self.subject: str = received.event
        self.data: Any = received.data

    @property
    def id(self) -> str:
        return _text(self._frame.event_id)

    @property
    def source(self) -> str:
        return _text(self._frame.source)

    @property
    def timestamp(self) -> str:
        return _text(self._frame.timestamp)

    @property
    def headers(self) -> Mapping[str, Any]:
        headers = self._frame.headers
        return headers if isinstance(headers, dict) else _NOTHING

    @property
    def reply_to(self) -> str | None:
        return _text(self._frame.reply_to) or None

    @property
    def seq(self) -> int | None:
        return self._frame.seq if isinstance(self._frame.seq, int) else None

    @property
    def attempt(self) -> int:
        return self._frame.attempt if isinstance(self._frame.attempt, int) else 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.subject} {self.id} from {self.source}>"


class Request(Event):
    """An event whose publisher waits for the handler's answer.

    Attributes:
        deadline: seconds since 1970-01-01 UTC from which on nobody waits any more, or None.
    """

    __slots__ = ()

    @property
    def deadline(self) -> float | None:
        return deadline_of(self.headers)


def deadline_of(headers: Mapping[str, Any]) -> float | None:
    """The instant in the header `kite-deadline` (RFC 3339), in seconds since 1970-01-01 UTC.

    None where there is no such header, or one that is no instant.
    """
    text = headers.get("kite-deadline")
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant.timestamp() if instant.tzinfo is not None else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
