"""What the benchmark needs of a registry."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path

from bench.registry.connection import Connection, Operation, Request
from bench.registry.watcher import Watcher
from bench.server import Server

LEASE_SECONDS = 3600
"""Longer than any benchmark: nothing expires beside what is measured."""

_MEMORY = Path("/dev/shm")


class Peer(Server):
    """A registry whose files lie in memory, so that nobody waits for a disk: etcd asks for one at each change."""

    def __init__(self) -> None:
        super().__init__(_MEMORY if _MEMORY.is_dir() else None)

    @abstractmethod
    def know(self, module_ids: Iterable[str]) -> None:
        """Whoever registers these will be let in."""

    @abstractmethod
    def connect(self) -> Connection:
        """A client's connection."""

    @abstractmethod
    def registration(self, module_id: str, count: int, *, ttl: int = LEASE_SECONDS) -> Operation:
        """What a module asks to be there with a lease.

        Args:
            count: which change of the record it is.
            ttl: seconds of the lease.
        """

    @abstractmethod
    def change(self, module_id: str, count: int) -> Request:
        """The cheapest way to change a record that is there."""

    @abstractmethod
    def question(self, module_id: str) -> Request:
        """Asks for one record."""

    @abstractmethod
    def watch(self, prefix: str) -> Watcher:
        """Follow the records of the modules with a prefix, from now on."""

    def fill(self, module_ids: Iterable[str]) -> None:
        """Register these."""
        wanted = list(module_ids)
        self.know(wanted)
        connection = self.connect()
        try:
            for module_id in wanted:
                for request in self.registration(module_id, 0):
                    connection.ask(request)
        finally:
            connection.close()
