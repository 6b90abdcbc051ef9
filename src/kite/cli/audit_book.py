"""The audit logs of an instance, read as one: the Launcher's, the Registry's and the Event Hub's."""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from kite.audit.entry import FILE_NAME

WRITERS = ("launcher", "registry", "event_hub")
_MOST_OLDER = 9

Said = dict[str, Any]
"""A line as an object; keys that are not known are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which lines are wanted.

    Args:
        since: RFC 3339; empty: all.
        who: names; none: everybody.
        only_refused: only what was refused.
    """

    since: str = ""
    who: frozenset[str] = frozenset()
    only_refused: bool = False

    def takes(self, line: Said) -> bool:
        """Whether this is one of them."""
        if self.since and line["ts"] < self.since:
            return False
        if self.who and line["who"] not in self.who:
            return False
        return not self.only_refused or line["outcome"] == "refused"


class AuditTail:
    """One audit log: what is in it and its older files, and then what is added.

    Args:
        folder: where it lies; neither it nor the file needs to be there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._file: BinaryIO | None = None

    def past(self) -> Iterator[Said]:
        """What was written until now, the oldest first."""
        for number in range(_MOST_OLDER, 0, -1):
            older = self._path.with_name(f"{FILE_NAME}.{number}")
            with contextlib.suppress(FileNotFoundError), older.open("rb") as file:
                yield from _lines(file)
        yield from self.new()

    def new(self) -> Iterator[Said]:
        """What was added since, also to a file that has been put aside meanwhile."""
        if self._file is not None:
            yield from _lines(self._file)
        if self._is_present():
            return
        self.close()
        with contextlib.suppress(FileNotFoundError):
            self._file = self._path.open("rb")
            yield from _lines(self._file)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_present(self) -> bool:
        if self._file is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return True  # nothing has taken its place yet


def _lines(file: BinaryIO) -> Iterator[Said]:
    """The whole lines from where the file stands; a line that is being written stays for later."""
    while line := file.readline():
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        with contextlib.suppress(msgspec.DecodeError):  # somebody has written into it by hand
            said = msgspec.json.decode(line, type=Said)
            if all(isinstance(said.get(key), str) for key in ("ts", "who", "what", "outcome")):
                yield said


def merged(tails: Iterable[AuditTail], choice: Choice) -> Iterator[Said]:
    """What is wanted of all, by time."""
    pasts = (filter(choice.takes, tail.past()) for tail in tails)
    return heapq.merge(*pasts, key=lambda line: str(line["ts"]))
