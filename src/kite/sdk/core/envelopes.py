"""Events made cheaply: ids that are unique without asking anybody, instants without formatting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from kite.clock import rfc3339
from kite.wire.frame import Event
from kite.wire.subject import check_subject

_REMEMBERED_SUBJECTS = 4096


class Envelopes:
    """Makes one module's events.

    Args:
        source: the module's name.
        prefix: random text that no other process of any life has; ids are `<prefix>-<number>`.
    """

    def __init__(self, source: str, prefix: str) -> None:
        self.source = source
        self.prefix = prefix
        self._replies = f"_reply.{source}.{prefix}."
        self._number = 0
        self._second = -1
        self._second_text = ""
        self._valid: set[str] = set()

    def make(
        self,
        subject: str,
        data: Any,
        now: float,
        *,
        headers: Mapping[str, str] | None = None,
        ack: bool = False,
    ) -> Event:
        """An event that the Hub passes on as it is.

        Args:
            data: any JSON value.
            now: seconds since 1970-01-01 UTC.

        Raises:
            RequestError: `invalid_subject`.
        """
        self._check(subject)
        return Event(
            event=subject,
            event_id=self._next_id(),
            source=self.source,
            timestamp=self._instant(now),
            headers=dict(headers) if headers else UNSET,
            ack=ack,
            data=data,
        )

    def make_request(
        self,
        subject: str,
        data: Any,
        now: float,
        *,
        timeout: float,
        headers: Mapping[str, str] | None,
    ) -> Event:
        """A request: its answer goes to a subject that says which request it belongs to.

        Its header `kite-deadline` tells the instant from which on nobody waits for the answer.

        Raises:
            RequestError: `invalid_subject`.
        """
        self._check(subject)
        event_id = self._next_id()
        return Event(
            event=subject,
            event_id=event_id,
            source=self.source,
            timestamp=self._instant(now),
            reply_to=self._replies + event_id[len(self.prefix) + 1 :],
            headers={**(headers or {}), "kite-deadline": rfc3339(now + timeout)},
            data=data,
        )

    @property
    def replies(self) -> str:
        """The pattern of the subjects on which answers to this process arrive."""
        return f"{self._replies}*"

    def request_of(self, subject: str) -> str | None:
        """The `event_id` of the request that an answer on this subject belongs to, or None."""
        if not subject.startswith(self._replies):
            return None
        return f"{self.prefix}-{subject[len(self._replies) :]}"

    def is_own(self, event: Event) -> bool:
        """Whether this process has published it."""
        return (
            event.source == self.source
            and isinstance(event.event_id, str)
            and event.event_id.startswith(self.prefix + "-")
        )

    def _next_id(self) -> str:
        self._number += 1
        return f"{self.prefix}-{self._number:x}"

    def _instant(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._second_text = rfc3339(second)[:-4]
        # Half a microsecond: what was a whole millisecond before it became a float still is one.
        milliseconds = min(int((now - second) * 1000 + 0.0005), 999)
        return f"{self._second_text}{milliseconds:03d}Z"

    def _check(self, subject: str) -> None:
        if subject in self._valid:
            return
        check_subject(subject)
        if len(self._valid) >= _REMEMBERED_SUBJECTS:
            self._valid.clear()
        self._valid.add(subject)
