"""Events made cheaply: ids that are unique without asking anybody, instants without formatting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from kite.sdk.core.instants import Instants
from kite.sdk.core.pen import REMEMBERED_SUBJECTS, MakePen, Pen
from kite.wire.frame import Event, encode
from kite.wire.subject import check_subject


class Envelopes:
    """Makes one module's events.

    Args:
        source: the module's name.
        prefix: random text that no other process of any life has; ids are `<prefix>-<number>`.
        make_pen: of what writes and numbers events.
    """

    def __init__(self, source: str, prefix: str, make_pen: MakePen = Pen) -> None:
        self.source = source
        self.prefix = prefix
        self._replies = f"_reply.{source}.{prefix}."
        self.pen = make_pen(prefix, self._head, self._middle)
        self._next_id = self.pen.next_id
        self._instants = Instants()
        self._deadlines = Instants()
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
            timestamp=self._instants.text(now),
            headers=dict(headers) if headers else UNSET,
            ack=ack,
            data=data,
        )

    def write(
        self, subject: str, data: Any, now: float, headers: Mapping[str, str] | None = None
    ) -> tuple[str, bytes]:
        """What `make` makes, written as a frame without the detour over a value.

        Returns:
            Its `event_id`, and the frame.

        Raises:
            RequestError: `invalid_subject`.
            TypeError: `data` has something that JSON has not.
        """
        return self.pen.write(subject, data, now, headers)

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
            timestamp=self._instants.text(now),
            reply_to=self._replies + event_id[len(self.prefix) + 1 :],
            headers={**(headers or {}), "kite-deadline": self._deadlines.text(now + timeout)},
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

    def _head(self, subject: str) -> bytes:
        """Everything of a frame that stands before its event's id."""
        self._check(subject)
        return b'{"type":"event","event":%b,"event_id":"' % encode(subject)

    def _middle(self, now: float) -> bytes:
        """And what stands behind the id."""
        return f'","source":"{self.source}","timestamp":"{self._instants.text(now)}"'.encode()

    def _check(self, subject: str) -> None:
        if subject in self._valid:
            return
        check_subject(subject)
        if len(self._valid) >= REMEMBERED_SUBJECTS:
            self._valid.clear()
        self._valid.add(subject)
