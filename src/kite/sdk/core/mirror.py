"""A copy of the Registry, kept from its stream of changes (`GET /watch`), and what it answers. Pure.

Records are handed out as they are kept: whoever changes one changes it for all who ask later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kite.errors import PeerError, RequestError
from kite.wire.lookup import matching, resolve
from kite.wire.tool import Tool, offered

_REMEMBERED: Final = 256
"""Look-ups whose answers are kept until something changes: lists, of all records perhaps."""

_REMEMBERED_PATHS: Final = 4096
"""The same of dotted paths, whose answers are parts of records."""

_MOST_BYTES: Final = 32 << 20
"""Of one event."""


class Place(msgspec.Struct, frozen=True):
    """How far a copy has come: the epoch of the Registry, and its last change in it."""

    epoch: str
    revision: int


class Mirror:
    """The copy.

    Attributes:
        is_synced: whether it holds everything that the Registry knew a moment ago.
        place: where the next stream is to go on; None: nothing is known yet.
    """

    def __init__(self) -> None:
        self.is_synced = False
        self.place: Place | None = None
        self._records: dict[str, dict[str, Any]] = {}
        self._answers: dict[object, Any] = {}
        self._found: dict[str, Any] = {}
        self._rest = bytearray()

    def begin(self) -> None:
        """Another stream begins, from `place` on."""
        self.is_synced = False
        self._rest.clear()
        if self.place is None:
            self._forget()

    def feed(self, text: bytes) -> None:
        """What has come of the stream.

        Raises:
            PeerError: `bad_response`: it is no stream of the Registry's.
        """
        *events, rest = (bytes(self._rest) + text).split(b"\n\n")
        self._rest = bytearray(rest)
        if len(rest) > _MOST_BYTES:
            raise PeerError("bad_response", url="/watch", detail="an event is too long")
        for event in events:
            try:
                self._heard(event)
            except (msgspec.DecodeError, KeyError, TypeError, ValueError) as wrong:
                raise PeerError("bad_response", url="/watch", detail=str(wrong)) from None

    def end(self) -> None:
        """The stream has ended: until the next one nobody knows what has changed."""
        self.is_synced = False

    # ── what it answers ─────────────────────────────────────────────────────────────────────

    def module(self, module_id: str) -> dict[str, Any]:
        """One module's record. Raises `not_found`."""
        try:
            return self._records[module_id]
        except KeyError:
            raise RequestError("not_found", path=module_id) from None

    def get(self, path: str) -> Any:
        """What stands at a dotted path. Raises `not_found`."""
        known = self._found
        if path in known:
            return known[path]
        module_id, *rest = path.split(".")
        try:
            found = resolve(self._records[module_id], rest)
        except (KeyError, RequestError):
            raise RequestError("not_found", path=path) from None
        if len(known) >= _REMEMBERED_PATHS:
            known.clear()
        known[path] = found
        return found

    def lookup(self, fields: Mapping[str, str]) -> list[dict[str, Any]]:
        """The records that match every field and glob, by name."""
        query = tuple(fields.items())
        found = self._answers.get(query)
        if found is None:
            found = matching((self._records[name] for name in sorted(self._records)), query)
            self._remember(query, found)
        return list(found)

    def tools(self) -> list[Tool]:
        """What all modules offer to be called."""
        found = self._answers.get(Tool)
        if found is None:
            records = (self._records[name] for name in sorted(self._records))
            found = [tool for record in records for tool in offered(record)]
            self._remember(Tool, found)
        return list(found)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _remember(self, asked: object, found: Any) -> None:
        if len(self._answers) >= _REMEMBERED:
            self._answers.clear()  # of what is dropped one by one at its front, a dictionary is slow
        self._answers[asked] = found

    def _forget(self) -> None:
        self._records.clear()
        self._answers.clear()
        self._found.clear()

    def _heard(self, event: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in event.split(b"\n"))
        data = msgspec.json.decode(fields[b"data"])
        match fields[b"event"]:
            case b"compacted":
                self.is_synced = False
                self._forget()
            case b"synced":
                self.place = Place(data["epoch"], data["revision"])
                self.is_synced = True
            case _:
                self._changed(data["module_id"], data["record"])
        if b"id" in fields:
            epoch, _, revision = fields[b"id"].decode().rpartition(":")
            self.place = Place(epoch, int(revision))

    def _changed(self, module_id: str, record: dict[str, Any] | None) -> None:
        self._answers.clear()
        self._found.clear()
        if record is None:
            self._records.pop(module_id, None)
        else:
            self._records[module_id] = record
