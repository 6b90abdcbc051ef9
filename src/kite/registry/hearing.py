"""Leases that follow what the Event Hub hears: who is heard needs no heartbeats."""

from __future__ import annotations

from collections.abc import Callable

from kite.clock import Clock
from kite.registry.config import RegistryConfig
from kite.registry.core.catalog import Catalog
from kite.registry.core.presence import Key, Presence


class Hearing:
    """What the Hub tells of lives, and what it means for their entries.

    Args:
        catalog: the entries.
        config: lease times.
        clock: the time.
        before: called before anything is changed: what is over is taken out.
        after: called afterwards: deadlines may be others.
    """

    def __init__(
        self,
        catalog: Catalog,
        config: RegistryConfig,
        clock: Clock,
        *,
        before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:
        self._catalog = catalog
        self._config = config
        self._clock = clock
        self._before = before
        self._after = after
        self._presence = Presence(config.ttl)

    def hub_hears(
        self, module_id: str, life: int | None, *, answering: int, silent: int, within: float
    ) -> None:
        """The Hub has told of a life.

        Who is heard has the longest lease there is. When it is heard no more, what is left is what
        an ordinary lease from the last sign of life has left.

        Args:
            answering: how many of its connections are known to answer pings.
            silent: how many of these owe an answer.
            within: seconds from a last sign of life to the Hub's word of it, at most.
        """
        self._before()
        key = (module_id, life)
        if self._presence.told(key, answering=answering, silent=silent, within=within):
            self._relet(key, within if silent else 0.0)
            self._after()

    def hub_lost(self) -> None:
        """Nobody tells who is heard. Who was is not asked to say so itself, and keeps its lease."""
        self._presence.forget()

    def hub_told(self) -> None:
        """The Hub has told who is there: whoever else had a lease of those who are heard has an
        ordinary one from now on."""
        self._before()
        for entry in self._catalog.entries():
            if not entry.is_fixed and entry.ttl != self.lease(*entry.key):
                self._relet(entry.key, 0.0)
        self._after()

    def lease(self, module_id: str, life: int | None) -> float:
        """Seconds of a lease for which nothing was asked."""
        heard = self._presence.hears((module_id, life))
        return self._config.max_ttl if heard else self._config.ttl

    def _relet(self, key: Key, silent: float) -> None:
        ttl = self.lease(*key)
        now = self._clock.monotonic()
        self._catalog.relet(key, ttl, now=now, left=max(ttl - silent, 0.0))
