"""Somebody who follows the records under a prefix."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass

from bench.registry.entry import MARK


@dataclass(frozen=True, slots=True)
class Seen:
    """A change as a watcher has it.

    Args:
        kind: the server's word for it.
        count: of the record; 0 where there is none any more.
    """

    kind: str
    module_id: str
    count: int
    revision: int


class Watcher(ABC):
    """What has come is counted at once and understood later, so that a fast server is not held up.

    Attributes:
        socket: blocking; `read` takes what is there.
        reads: how often something has come.
        marks: how many records have come.
        is_compacted: the server has said that changes are missing.
    """

    is_compacted = False

    def __init__(self) -> None:
        self.reads = 0
        self.marks = 0
        self._tail = b""

    @property
    @abstractmethod
    def socket(self) -> socket.socket: ...

    @abstractmethod
    def read(self) -> int:
        """Read once; how many records that were."""

    @abstractmethod
    def take(self) -> list[Seen]:
        """The changes that have come since the last time."""

    def close(self) -> None:
        """Follow no longer."""
        self.socket.close()

    def _count(self, payload: bytes) -> int:
        """Count the records in what has come; a mark may be cut anywhere."""
        self.reads += 1
        text = self._tail + payload
        self._tail = text[-(len(MARK) - 1) :]
        found = text.count(MARK)
        self.marks += found
        return found
