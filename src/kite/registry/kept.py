"""What survives when the Registry alone is restarted, as its file holds it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kite.registry.core.catalog import Entry
from kite.registry.core.posted import Grant
from kite.registry.core.registration import Registration

FORMAT: Final = 2


class KeptEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as the file holds it."""

    module_id: str
    registration: Registration
    registered_at: float
    ttl: float
    life: int | None = None
    is_own: bool = True
    is_fixed: bool = True

    @classmethod
    def of(cls, entry: Entry) -> KeptEntry:
        return cls(
            module_id=entry.module_id,
            registration=entry.registration,
            registered_at=entry.registered_at,
            ttl=entry.ttl,
            life=entry.life,
            is_own=entry.is_own,
            is_fixed=entry.is_fixed,
        )

    def arguments(self) -> dict[str, Any]:
        """Those of `Catalog.register` that it stands for."""
        return {
            "module_id": self.module_id,
            "life": self.life,
            "registration": self.registration,
            "ttl": self.ttl,
            "wall": self.registered_at,
            "is_own": self.is_own,
            "is_fixed": self.is_fixed,
        }


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change after that; one of both.

    Args:
        put: an entry has been registered.
        out: an entry has been taken out: of which module and life.
    """

    put: KeptEntry | None = None
    out: tuple[str, int | None] | None = None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment.

    Args:
        kite: digest of the kite token.
    """

    kite: str
    format: int = FORMAT
    entries: list[KeptEntry] = []
    sessions: list[Grant] = []

    @classmethod
    def of(cls, kite_digest: str, entries: list[Entry], sessions: list[Grant]) -> Kept:
        kept = [KeptEntry.of(each) for each in entries]
        return cls(kite=kite_digest, entries=kept, sessions=sessions)
