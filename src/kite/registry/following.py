"""Who follows the Registry: what is told of a change, how many may follow, and when that ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

from kite.errors import RequestError
from kite.registry.core.catalog import Catalog, Entry
from kite.registry.core.changes import Changes, Follower
from kite.registry.core.posted import Grant
from kite.registry.core.tokens import TokenTable

MOST_READERS: Final = 1024
MOST_OF_ONE: Final = 64
"""Streams that are open at a time: all of them, and those of one module."""

_PART: Final = 128 << 10
"""Bytes that are sent in one go, about."""


class Reader:
    """One stream: what is here, unless it goes on where another ended, and then what changes.

    Args:
        following: what is read.
        prefix: of the ids of the modules that are followed.
        grant: of the token that it was opened with; None: the Launcher's.

    Attributes:
        ended: set when it is to end.
    """

    def __init__(self, following: Following, prefix: str, grant: Grant | None) -> None:
        self.grant = grant
        self.ended = asyncio.Event()
        self._following = following
        self._stirred = asyncio.Event()
        self.follower = Follower(prefix, self._stirred.set)

    @property
    def name(self) -> str:
        """Who reads."""
        return "launcher" if self.grant is None else self.grant.name

    async def parts(self, *, since: int | None, is_known: bool) -> AsyncIterator[bytes]:
        """What is sent.

        Args:
            since: the revision after which to go on; None: begin with everything.
            is_known: whether that is a revision of this epoch.
        """
        following, changes = self._following, self._following.changes
        if since is None:
            changes.follow(self.follower, changes.revision)
            parts = following.everything(self.follower.prefix)
        elif is_known and changes.follow(self.follower, since):
            parts = iter((*self._due(), following.synced()))
        else:
            changes.follow(self.follower, changes.revision)
            parts = following.everything(self.follower.prefix, is_compacted=True)
        while True:
            for part in parts:
                yield part
            self._stirred.clear()
            if self.follower.due is None:
                await self._stirred.wait()
            parts = self._due()

    def _due(self) -> Iterator[bytes]:
        following = self._following
        while self.follower.due is not None:
            taken = following.changes.take(self.follower, _PART)
            if taken is None:
                yield from following.everything(self.follower.prefix, is_compacted=True)
            else:
                yield b"".join(taken)


class Following:
    """The changes of the Registry, and who reads them.

    Args:
        epoch: names this life of the Registry.
        catalog: what is here.
        tokens: who may read.
    """

    def __init__(self, epoch: str, catalog: Catalog, tokens: TokenTable) -> None:
        self.epoch = epoch
        self.changes = Changes()
        self._catalog = catalog
        self._tokens = tokens
        self._readers: set[Reader] = set()

    def __len__(self) -> int:
        return len(self._readers)

    def position(self) -> dict[str, Any]:
        """Which state this is: `epoch` and `revision`."""
        return {"epoch": self.epoch, "revision": self.changes.revision}

    def changed(self, kind: str, entry: Entry) -> None:
        """An entry was `registered`, `deregistered` or `expired`."""
        record = self._catalog.lasting(entry.module_id)

        def write(revision: int) -> bytes:
            data = {"module_id": entry.module_id, "life": entry.life, "record": record}
            return self._event(kind, {"revision": revision, **data}, revision)

        self.changes.add(entry.module_id, write)

    def open(self, prefix: str, grant: Grant | None) -> Reader:
        """A new stream.

        Raises:
            RequestError: `limit_reached`.
        """
        reader = Reader(self, prefix, grant)
        if len(self._readers) >= MOST_READERS:
            raise RequestError("limit_reached", what="streams of changes", limit=MOST_READERS)
        if sum(each.name == reader.name for each in self._readers) >= MOST_OF_ONE:
            what = f"streams of changes for {reader.name}"
            raise RequestError("limit_reached", what=what, limit=MOST_OF_ONE)
        self._readers.add(reader)
        return reader

    def close(self, reader: Reader) -> None:
        """Its client is gone."""
        self._readers.discard(reader)
        self.changes.leave(reader.follower)

    def review(self) -> None:
        """Tokens have changed: what was opened with a dead one ends."""
        for reader in self._readers:
            if reader.grant is not None and self._tokens.grant_of(reader.grant.digest) is None:
                reader.ended.set()

    def end(self) -> None:
        """End all streams."""
        for reader in self._readers:
            reader.ended.set()

    def everything(self, prefix: str, *, is_compacted: bool = False) -> Iterator[bytes]:
        """What is here, and then that it was all.

        Args:
            is_compacted: something was missed, and what was known before is to be forgotten.
        """
        revision = self.changes.revision
        part = bytearray()
        if is_compacted:
            data = {**self.position(), "oldest": self.changes.oldest}
            part += self._event("compacted", data)
        for module_id in self._catalog.names():
            if not module_id.startswith(prefix):
                continue
            # It is sent in parts: what has gone meanwhile is a change that comes afterwards.
            if (record := self._catalog.lasting(module_id)) is not None:
                part += self._event("present", {"module_id": module_id, "record": record})
            if len(part) >= _PART:
                yield bytes(part)
                part.clear()
        yield bytes(part) + self.synced(revision)

    def synced(self, revision: int | None = None) -> bytes:
        """The word that a reader knows everything up to a revision; None: the last."""
        if revision is None:
            revision = self.changes.revision
        return self._event("synced", {"epoch": self.epoch, "revision": revision}, revision)

    def _event(self, kind: str, data: dict[str, Any], revision: int | None = None) -> bytes:
        """A server-sent event; JSON has no line breaks."""
        name = b"" if revision is None else f"id: {self.epoch}:{revision}\n".encode()
        return b"%sevent: %s\ndata: %s\n\n" % (name, kind.encode(), msgspec.json.encode(data))
