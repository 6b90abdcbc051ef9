"""The table of token digests: who a token stands for, as the Registry said last."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from kite.event_hub.core.rights import Identity


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row as the Registry sends it. Unknown keys are ignored."""

    digest: str
    module_id: str
    publish: list[str] | None = None
    subscribe: list[str] | None = None
    scopes: list[str] = []
    life: int | None = None
    replica: int | None = None
    parent: str | None = None
    expires_at: str | None = None


class Digests(msgspec.Struct, frozen=True, kw_only=True):
    """The Registry's answer to `GET /tokens/digests`: always the whole table.

    Args:
        ports: of the live modules' registered endpoints, whose pages may connect.
    """

    epoch: str
    revision: int
    tokens: list[Entry]
    ports: list[int] = []


decode_digests = msgspec.json.Decoder(Digests).decode


def identity_of(entry: Entry) -> Identity:
    """The row as an identity."""
    return Identity(
        entry.module_id,
        digest=entry.digest,
        publish=entry.publish,
        subscribe=entry.subscribe,
        scopes=entry.scopes,
        life=entry.life,
        replica=entry.replica,
        is_session=entry.parent is not None,
        expires_at=None
        if entry.expires_at is None
        else datetime.fromisoformat(entry.expires_at).timestamp(),
    )


def identity_of_verified(digest: str, answer: dict[str, Any]) -> Identity:
    """The Registry's answer to `POST /verify` as an identity.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return identity_of(msgspec.convert({**answer, "digest": digest}, Entry))


class TokenTable:
    """What is known of tokens. `replace` takes the Registry's whole table."""

    def __init__(self) -> None:
        self._identities: dict[str, Identity] = {}
        self.ports: frozenset[int] = frozenset()
        self.epoch = ""
        self.revision = 0

    def __len__(self) -> int:
        return len(self._identities)

    def find(self, digest: str, now: float) -> Identity | None:
        """The identity of a token that is in the table and has not expired.

        Args:
            now: seconds since 1970.
        """
        found = self._identities.get(digest)
        if found is not None and found.expires_at is not None and found.expires_at <= now:
            return None
        return found

    def replace(self, digests: Digests) -> None:
        """Take a new table. An identity that did not change stays the same object."""
        former = self._identities
        table: dict[str, Identity] = {}
        for entry in digests.tokens:
            identity = identity_of(entry)
            known = former.get(entry.digest)
            same = known is not None and known.says_the_same(identity)
            table[entry.digest] = known if same and known is not None else identity
        self._identities = table
        self.ports = frozenset(digests.ports)
        self.epoch = digests.epoch
        self.revision = digests.revision
