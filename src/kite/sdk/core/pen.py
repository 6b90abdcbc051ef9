"""Writes plain events as frames, and numbers their ids: what `Envelopes` does for each that is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kite.wire.frame import encode

REMEMBERED_SUBJECTS = 4096


class Writes(Protocol):
    """What a pen does; the compiled one of `kite.sdk.compiled` does the same."""

    def next_id(self) -> str: ...

    def write(
        self, subject: str, data: Any, now: float, headers: Mapping[str, str] | None
    ) -> tuple[str, bytes]: ...


MakePen = Callable[[str, Callable[[str], bytes], Callable[[float], bytes]], Writes]


class Pen:
    """Puts the parts of a frame together; most of them were the same in the one before.

    Args:
        prefix: of the ids, which are `<prefix>-<number>`.
        head: what of a frame stands before its event's id, for a subject; may refuse it.
        middle: what stands behind the id: the same within a millisecond.
    """

    def __init__(
        self, prefix: str, head: Callable[[str], bytes], middle: Callable[[float], bytes]
    ) -> None:
        self._prefix = prefix
        self._head = head
        self._middle = middle
        self._number = 0
        self._heads: dict[str, bytes] = {}
        self._millisecond = -1
        self._present = b""

    def next_id(self) -> str:
        """The id of another event."""
        self._number += 1
        return f"{self._prefix}-{self._number:x}"

    def write(
        self, subject: str, data: Any, now: float, headers: Mapping[str, str] | None
    ) -> tuple[str, bytes]:
        """An event with an id of its own, and the frame; see `Envelopes.write`."""
        head = self._heads.get(subject)
        if head is None:
            head = self._head(subject)
            if len(self._heads) >= REMEMBERED_SUBJECTS:
                self._heads.clear()
            self._heads[subject] = head
        if (millisecond := millisecond_of(now)) != self._millisecond:
            self._present = self._middle(now)
            self._millisecond = millisecond
        more = b',"headers":%b' % encode(dict(headers)) if headers else b""
        content = b"" if data is None else b',"data":%b' % encode(data)
        event_id = self.next_id()
        return event_id, b"".join((head, event_id.encode(), self._present, more, content, b"}"))


def millisecond_of(now: float) -> int:
    """Of an instant in seconds: what was a whole millisecond before it became a float still is one."""
    return int(now * 1000 + 0.0005)
