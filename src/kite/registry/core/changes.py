"""What has changed lately, with its revisions, and who follows it. Pure.

All followers share one memory; each keeps only where it has to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

MOST_CHANGES: Final = 10_000
MOST_BYTES: Final = 32 << 20
"""What is remembered at most."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """One change.

    Args:
        module_id: whose record it is.
        text: what is sent to who follows.
    """

    module_id: str
    text: bytes


class Follower:
    """Who is told of the changes of some modules.

    Args:
        prefix: of the ids of these modules.
        wake: called when there is something to take, once until it is taken.

    Attributes:
        due: the revision of the first change that concerns it and was not taken; None: there is
            none.
    """

    __slots__ = ("due", "prefix", "wake")

    def __init__(self, prefix: str, wake: Callable[[], None]) -> None:
        self.prefix = prefix
        self.wake = wake
        self.due: int | None = None


class Changes:
    """The memory.

    Attributes:
        revision: of the last change; 0 before the first.
    """

    def __init__(self, most: int = MOST_CHANGES, most_bytes: int = MOST_BYTES) -> None:
        self.revision = 0
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[int, Change] = {}
        self._bytes = 0
        self._followers: dict[str, set[Follower]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def oldest(self) -> int:
        """The revision from which on everything is remembered."""
        return self.revision - len(self._kept) + 1

    @property
    def size(self) -> int:
        """Bytes that are remembered."""
        return self._bytes

    def add(self, module_id: str, write: Callable[[int], bytes]) -> int:
        """Something has changed; returns its revision.

        Args:
            write: makes what is sent, from the revision.
        """
        self.revision += 1
        change = Change(module_id, write(self.revision))
        self._kept[self.revision] = change
        self._bytes += len(change.text)
        while self._kept and (len(self._kept) > self._most or self._bytes > self._most_bytes):
            self._bytes -= len(self._kept.pop(self.oldest).text)
        for prefix, followers in self._followers.items():
            if module_id.startswith(prefix):
                for follower in followers:
                    if follower.due is None:
                        follower.due = self.revision
                        follower.wake()
        return self.revision

    def follow(self, follower: Follower, since: int) -> bool:
        """Tell a follower of all changes after `since`; False where that cannot be, because some
        are forgotten, or never were: it is told of those from now on."""
        self._followers.setdefault(follower.prefix, set()).add(follower)
        follower.due = None
        if not self.oldest - 1 <= since <= self.revision:
            return False
        follower.due = self._next(follower.prefix, since + 1)
        return True

    def leave(self, follower: Follower) -> None:
        """Tell it no more."""
        followers = self._followers.get(follower.prefix, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(follower.prefix, None)

    def take(self, follower: Follower, most_bytes: int) -> list[bytes] | None:
        """What is due, in order, about so many bytes at most; None where some of it is forgotten,
        and from now on it is told of what comes."""
        if follower.due is None:
            return []
        if follower.due < self.oldest:
            follower.due = None
            return None
        taken: list[bytes] = []
        size = 0
        at: int | None = follower.due
        while at is not None and size < most_bytes:
            text = self._kept[at].text
            taken.append(text)
            size += len(text)
            at = self._next(follower.prefix, at + 1)
        follower.due = at
        return taken

    def _next(self, prefix: str, at: int) -> int | None:
        """The first change from this revision on that has the prefix."""
        kept = self._kept
        for revision in range(at, self.revision + 1):
            if kept[revision].module_id.startswith(prefix):
                return revision
        return None
