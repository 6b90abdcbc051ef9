"""Who is here: the entries of modules, each with a lease.

Pure: `now` is monotonic seconds (for leases), `wall` seconds since 1970 (for what people read).

A module has one entry for each of its lives that registered itself; mostly that is one. Its record
is the entry that registered last. What is registered without a life stands for the module as a
whole and replaces all. Entries of core modules never expire and are never removed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from kite.clock import rfc3339
from kite.errors import RequestError
from kite.registry.core.leases import Leases
from kite.registry.core.registration import Registration
from kite.wire.endpoint import loopback_port

CORE: Final = frozenset({"launcher", "registry", "event_hub"})
"""Modules whose entries stay while Kite runs."""

Key = tuple[str, int | None]
"""A module and one of its lives; None: the module as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a catalogue may hold.

    Args:
        entries: number of them.
        size: bytes of all of them as JSON.
    """

    entries: int = 4096
    size: int = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One registration.

    Args:
        registered_at: seconds since 1970.
        ttl: seconds of its lease.
        size: bytes as JSON.
        is_own: the module registered it, not the Launcher on its behalf.
        is_fixed: its lease is as long as was asked for; else that depends on whether the Hub hears it.
        ports: on this machine, that it has registered as its endpoints.
    """

    module_id: str
    life: int | None
    registration: Registration
    registered_at: float
    ttl: float
    size: int
    is_own: bool
    is_fixed: bool = True
    ports: frozenset[int] = frozenset()

    @property
    def key(self) -> Key:
        return (self.module_id, self.life)


class Catalog:
    """The entries, by module and life.

    Duties: an entry is there from its registration until it is deregistered, replaced, or its
    lease has ended; a refused registration changes nothing; core entries stay.
    """

    def __init__(self, *, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._entries: dict[str, dict[int | None, Entry]] = {}
        self._leases: Leases[Key] = Leases()
        self._count = 0
        self._size = 0
        # Counted as they change: a change would else cost as much as there are entries.
        self._uses: Counter[int] = Counter()
        self._ports: frozenset[int] | None = frozenset()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """Bytes of all entries as JSON."""
        return self._size

    def register(
        self,
        module_id: str,
        life: int | None,
        registration: Registration,
        *,
        ttl: float,
        now: float,
        wall: float,
        is_own: bool = True,
        is_fixed: bool = True,
    ) -> Entry:
        """Put an entry in; it replaces the life's former one, and without a life all of them.

        Raises:
            RequestError: `limit_reached`.
        """
        if module_id in CORE:
            life = None
        size = len(msgspec.json.encode(registration)) + len(module_id)
        entry = Entry(
            module_id=module_id,
            life=life,
            registration=registration,
            registered_at=wall,
            ttl=ttl,
            size=size,
            is_own=is_own,
            is_fixed=is_fixed,
            ports=frozenset(_ports(registration)),
        )
        self._check_limits(entry)
        self._use(entry.ports)  # first, so that those of one that is replaced are never away
        for former in self._meant(*entry.key):
            self._remove(former)
        self._entries.setdefault(module_id, {})[life] = entry
        self._count += 1
        self._size += size
        self._leases.grant(entry.key, None if module_id in CORE else now + ttl)
        return entry

    def renew(
        self, module_id: str, life: int | None, *, now: float, ttl: float | None = None
    ) -> float:
        """Give the life's entry another lease (without a life: all of the module's), and return
        its seconds. An entry for the module as a whole may be renewed by any of its lives.

        Args:
            ttl: seconds of those leases that are not fixed; None: as long as before.

        Raises:
            RequestError: `not_registered`.
        """
        renewed = self._meant(module_id, life)
        if not renewed:
            raise RequestError("not_registered", module_id=module_id)
        if ttl is not None:
            renewed = [entry if entry.is_fixed else self._relet(entry, ttl) for entry in renewed]
        if module_id not in CORE:
            for entry in renewed:
                self._leases.grant(entry.key, now + entry.ttl)
        return renewed[0].ttl

    def relet(self, key: Key, ttl: float, *, now: float, left: float) -> bool:
        """Give an entry whose lease is not fixed one of `ttl` seconds, of which some are left;
        False where there is none."""
        entry = self._entries.get(key[0], {}).get(key[1])
        if entry is None or entry.is_fixed:
            return False
        self._relet(entry, ttl)
        self._leases.grant(key, now + left)
        return True

    def deregister(self, module_id: str, life: int | None) -> list[Entry]:
        """Take out the life's entry (without a life: all of the module's); no error when gone."""
        if module_id in CORE:
            return []
        gone = self._meant(module_id, life)
        for entry in gone:
            self._remove(entry)
        return gone

    def take_out(self, module_id: str, life: int | None) -> None:
        """Take out this entry and no other; no error when gone."""
        entry = self._entries.get(module_id, {}).get(life)
        if entry is not None and module_id not in CORE:
            self._remove(entry)

    def keep_lives(self, module_id: str, lives: frozenset[int]) -> list[Entry]:
        """Take out the entries of lives that are over. What stands for the module as a whole
        stays."""
        over = [
            entry
            for life, entry in self._entries.get(module_id, {}).items()
            if life is not None and life not in lives
        ]
        for entry in over:
            self._remove(entry)
        return over

    def expire(self, now: float) -> list[Entry]:
        """Take out the entries whose lease has ended, the earliest first."""
        gone = []
        for module_id, life in self._leases.due(now):
            entry = self._entries[module_id][life]
            self._remove(entry)
            gone.append(entry)
        return gone

    def next_deadline(self) -> float | None:
        """When the next lease ends."""
        return self._leases.next_deadline()

    def renew_all(self, now: float) -> None:
        """Give every entry a full lease: after a time in which nobody could be heard."""
        for entry in self.entries():
            if entry.module_id not in CORE:
                self._leases.grant(entry.key, now + entry.ttl)

    def entries(self) -> list[Entry]:
        """All entries, of all lives."""
        return [entry for lives in self._entries.values() for entry in lives.values()]

    def has_own(self, module_id: str, life: int | None) -> bool:
        """Whether the module itself registered what stands for this life (without a life: any)."""
        return any(entry.is_own for entry in self._meant(module_id, life))

    def has(self, module_id: str) -> bool:
        """Whether there is a record."""
        return module_id in self._entries

    def record(self, module_id: str, *, now: float, wall: float) -> dict[str, Any]:
        """The record of a module: its fields, `module_id`, `registered_at`, `expires_at`.

        Raises:
            RequestError: `not_found`.
        """
        record = self.lasting(module_id)
        if record is None:
            raise RequestError("not_found", path=module_id)
        deadline = self._leases.deadline(self._shown(module_id).key)
        record["expires_at"] = None if deadline is None else rfc3339(wall + deadline - now)
        return record

    def lasting(self, module_id: str) -> dict[str, Any] | None:
        """The record without `expires_at`, which each heartbeat changes; None: there is none."""
        if module_id not in self._entries:
            return None
        entry = self._shown(module_id)
        record = {"module_id": module_id, **entry.registration.fields()}
        if entry.life is not None:
            record["life"] = entry.life
        record["registered_at"] = rfc3339(entry.registered_at)
        return record

    def names(self) -> list[str]:
        """Of which modules there are records, in order."""
        return sorted(self._entries)

    def records(self, *, now: float, wall: float) -> list[dict[str, Any]]:
        """All records, by name."""
        return [self.record(module_id, now=now, wall=wall) for module_id in self.names()]

    def ports(self) -> frozenset[int]:
        """The ports that live modules have registered; the same object until they are others."""
        if self._ports is None:
            self._ports = frozenset(self._uses)
        return self._ports

    def _shown(self, module_id: str) -> Entry:
        """Of several lives the one that registered last."""
        return next(reversed(self._entries[module_id].values()))

    def _relet(self, entry: Entry, ttl: float) -> Entry:
        relet = replace(entry, ttl=ttl)
        self._entries[entry.module_id][entry.life] = relet
        return relet

    def _meant(self, module_id: str, life: int | None) -> list[Entry]:
        """What stands for the life: its own entry and the module's as a whole; without one, all."""
        lives = self._entries.get(module_id, {})
        if life is None or module_id in CORE:
            return list(lives.values())
        return [lives[each] for each in (life, None) if each in lives]

    def _check_limits(self, entry: Entry) -> None:
        replaced = self._meant(*entry.key)
        if self._count - len(replaced) + 1 > self._limits.entries:
            raise RequestError("limit_reached", what="entries", limit=self._limits.entries)
        if self._size - sum(each.size for each in replaced) + entry.size > self._limits.size:
            raise RequestError("limit_reached", what="bytes of entries", limit=self._limits.size)

    def _remove(self, entry: Entry) -> None:
        lives = self._entries[entry.module_id]
        del lives[entry.life]
        if not lives:
            del self._entries[entry.module_id]
        self._leases.drop(entry.key)
        self._count -= 1
        self._size -= entry.size
        for port in entry.ports:
            self._uses[port] -= 1
            if not self._uses[port]:
                del self._uses[port]
                self._ports = None

    def _use(self, ports: frozenset[int]) -> None:
        if not self._uses.keys() >= ports:
            self._ports = None
        self._uses.update(ports)


def _ports(said: Registration) -> Iterator[int]:
    """The ports on this machine that are registered as endpoints."""
    metadata = said.metadata or {}
    named = [value for key, value in metadata.items() if key.endswith("endpoint")]
    for each in (said.api_endpoint, said.health_endpoint, *named):
        if (port := loopback_port(each)) is not None:
            yield port
