"""Fakes around the Hub's pure classes: a socket of any appetite, and a shell that remembers."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from kite.event_hub.compiled import NotCompiled, load
from kite.event_hub.core.lane import PURE
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.session import Session
from kite.event_hub.core.streams.jobs import Job
from kite.event_hub.core.switch import Switch
from kite.event_hub.limits import Deduplication, HistoryConfig, HubConfig, Limits

FORMS = {"pure": PURE}
with contextlib.suppress(NotCompiled):
    FORMS["compiled"] = load()[0]


class FakeWire:
    """A socket that takes `appetite` bytes at a time (None: everything)."""

    def __init__(self, appetite: int | None = None) -> None:
        self.appetite = appetite
        self.taken = bytearray()
        self.pending = b""
        self.is_paused = False
        self.finished: tuple[int, str] | None = None

    def write(self, data: bytes) -> int:
        assert not self.pending, "nothing is written while something is outstanding"
        size = len(data) if self.appetite is None else min(self.appetite, len(data))
        self.taken += data[:size]
        self.pending = data[size:]
        if self.appetite is not None:
            self.appetite -= size
        return len(self.pending)

    def unsent(self) -> int:
        return len(self.pending)

    def take(self, size: int | None = None) -> bool:
        """The peer reads; True when nothing is outstanding any more and something was."""
        if size is None:
            self.appetite = None
            size = len(self.pending)
        was_pending = bool(self.pending)
        eaten = min(size, len(self.pending))
        self.taken += self.pending[:eaten]
        self.pending = self.pending[eaten:]
        if self.appetite is not None:
            self.appetite += size - eaten
        return was_pending and not self.pending

    def pause(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def finish(self, code: int, reason: str) -> None:
        self.finished = (code, reason)

    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in payloads(bytes(self.taken))]

    def events(self) -> list[dict[str, Any]]:
        return [frame for frame in self.messages() if frame["type"] == "event"]


def payloads(data: bytes) -> list[bytes]:
    """The payloads of whole server frames."""
    found, position = [], 0
    while position + 2 <= len(data):
        size, start = data[position + 1], position + 2
        if size == 126:
            size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
        elif size == 127:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if start + size > len(data):
            break
        found.append(data[start : start + size])
        position = start + size
    return found


class FakeShell:
    """`Effects`, written down."""

    def __init__(self) -> None:
        self.alarms: list[float] = []
        self.woken = 0
        self.granted: list[Session] = []
        self.jobs: list[Job] = []
        self.refusals: list[tuple[str, str, str]] = []

    def wake(self) -> None:
        self.woken += 1

    def alarm(self, at: float) -> None:
        self.alarms.append(at)

    def subscribed(self, session: Session) -> None:
        self.granted.append(session)

    def refused(self, session: Session, code: str, what: str) -> None:
        self.refusals.append((session.name, code, what))

    def store(self, job: Job) -> None:
        self.jobs.append(job)


class Bench:
    """A switch with its shell, and clients that are dictionaries of frames.

    The hot path has the form of `Bench.parts`, which `conftest.py` sets to each in turn.
    """

    parts = PURE

    def __init__(self, **limits: Any) -> None:
        self.shell = FakeShell()
        self.now = 1000.0
        self.wall = 1_800_000_000.0
        self._ids = 0
        streams = limits.pop("streams", {})
        window = limits.pop("deduplication", Deduplication())
        history = limits.pop("history", HistoryConfig())
        parts = limits.pop("parts", self.parts)
        instant = limits.pop("instant", lambda _: "2026-01-01T00:00:00.000Z")
        self.switch = Switch(
            HubConfig(
                limits=Limits(**limits), deduplication=window, history=history, streams=streams
            ),
            self.shell,
            epoch="e1",
            new_id=self._new_id,
            instant=lambda: str(instant(self.now)),
            parts=parts,
        )

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds
        self.switch.advance(self.now)

    def _new_id(self) -> str:
        self._ids += 1
        return f"made-{self._ids}"

    def client(self, module: str, *, appetite: int | None = None, **rights: Any) -> Client:
        return Client(self, Identity(module, **rights), FakeWire(appetite))


class Client:
    def __init__(self, bench: Bench, identity: Identity, wire: FakeWire) -> None:
        self.bench = bench
        self.wire = wire
        self.session = bench.switch.open(identity, wire, bench.now)
        self._seen = 0

    def send(self, *frames: dict[str, Any] | bytes) -> list[dict[str, Any]]:
        """Send frames in one batch, and return what this client got since the last time."""
        switch = self.bench.switch
        switch.begin(self.session, self.bench.now)
        for frame in frames:
            text = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
            if not self.session.lane.take(text):
                switch.receive(self.session, text)
        switch.end(self.session)
        switch.flush()
        return self.got()

    def got(self) -> list[dict[str, Any]]:
        messages = self.wire.messages()
        new = messages[self._seen :]
        self._seen = len(messages)
        return new

    def subscribe(self, *patterns: str, **options: Any) -> None:
        [ack, *_] = self.send({"type": "subscribe", "events": patterns, "id": "s", **options})
        assert ack == {"type": "ack", "id": "s"}

    def publish(self, subject: str, data: Any = None, **fields: Any) -> list[dict[str, Any]]:
        return self.send({"type": "event", "event": subject, "data": data, **fields})
