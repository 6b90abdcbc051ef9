"""What the hot path consists of, and its pure form: the run of events that is being gathered, and
the lane on which a session's plain events may pass the full path by.

The compiled form (`kite.event_hub.compiled`) has the same classes. The pure lane takes nothing, so
that everything goes the full way, which is right by definition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from kite.event_hub.core.dedup import Recent
from kite.event_hub.core.websocket import text_header


class Run(Protocol):
    """Consecutive events for the same connections, as the frames that each of them gets.

    Attributes:
        fanout: whose they are; None where the run is empty.
        events: how many they are.
    """

    fanout: Any

    @property
    def events(self) -> int: ...

    def add(self, payload: bytes) -> None:
        """Append one event."""
        ...

    def take(self) -> bytes:
        """The frames; the run is empty afterwards."""
        ...


class Lane(Protocol):
    """One session's way past the full path.

    Attributes:
        received, published, duplicates: frames that passed here and are not counted elsewhere yet.
        is_open: whether frames may pass: within a batch, once the full path has seen its first.
        version: the router's, to which what was admitted belongs.
    """

    received: int
    published: int
    duplicates: int
    is_open: bool
    version: int

    def admit(self, subject: str, fanout: Any) -> None:
        """Events of this session on the subject may pass, to these connections."""
        ...

    def forget(self) -> None:
        """Nothing is admitted any more."""
        ...

    def take(self, payload: bytes) -> bool:
        """Whether the event has passed; if not, nothing has happened."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Which form the hot path has.

    Args:
        name: `pure` or `compiled`.
        recent: makes the ids of a source, from seconds and a count.
        run: makes the run of a hub.
        lane: makes the lane of a session, from the hub's run, its module's name and ids.
    """

    name: str
    recent: Callable[[float, int], Any]
    run: Callable[[], Run]
    lane: Callable[[Any, str, Any], Lane]


class PureRun:
    """A run as a list of headers and payloads in turn."""

    __slots__ = ("_pieces", "fanout")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.fanout: Any = None

    @property
    def events(self) -> int:
        return len(self._pieces) >> 1

    def add(self, payload: bytes) -> None:
        self._pieces.append(text_header(len(payload)))
        self._pieces.append(payload)

    def take(self) -> bytes:
        chunk = b"".join(self._pieces)
        self._pieces.clear()
        self.fanout = None
        return chunk


class ClosedLane:
    """A lane that nothing passes."""

    __slots__ = ("duplicates", "is_open", "published", "received", "version")

    def __init__(self, run: Run, module: str, recent: Recent) -> None:  # noqa: ARG002
        self.received = self.published = self.duplicates = 0
        self.is_open = False
        self.version = 0

    def admit(self, subject: str, fanout: Any) -> None:
        """Nothing is remembered."""

    def forget(self) -> None:
        """Nothing was remembered."""

    def take(self, payload: bytes) -> bool:  # noqa: ARG002
        return False


PURE = Parts(name="pure", recent=Recent, run=PureRun, lane=ClosedLane)
