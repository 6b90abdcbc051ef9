"""Who has which token: the table that the Registry is told. It does no I/O.

Every life gets a token of its own; only a full restart changes the kite token.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec

from kite.wire.limits import TOKEN_HEX_DIGITS
from kite.wire.token import same

OPERATOR = "operator"


def new_token() -> str:
    """64 hex digits that nobody can guess."""
    return secrets.token_hex(TOKEN_HEX_DIGITS // 2)


class Grant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A live token and what it may do; `None` lists bound nothing."""

    token: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    life: int | None = None
    replica: int | None = None


class Authority:
    """The live tokens by name and life.

    Attributes:
        kite_token: the Registry's boot token; it stands for the Launcher.
        operator_token: the person's at the command line; the same for the whole run, unless it is
            changed by request.
        version: counts changes of the table.
        issued: by name, the version in which its newest token came.
    """

    def __init__(self) -> None:
        self.kite_token = new_token()
        self.operator_token = new_token()
        self.version = 0
        self._last_operator = 0
        self.issued: dict[str, int] = {}
        self._grants: dict[str, dict[int, Grant]] = {}
        self.start_over(self.kite_token)

    def offer_operator(self) -> str:
        """A fresh token for the operator, good beside the present one until `settle_operator`."""
        token = new_token()
        self._last_operator += 1
        self._grants[OPERATOR][self._last_operator] = Grant(token=token)
        self.version += 1
        self.issued[OPERATOR] = self.version
        return token

    def settle_operator(self, token: str) -> None:
        """From now on the operator has this token alone."""
        self.operator_token = token
        self._grants[OPERATOR] = {self._last_operator: Grant(token=token)}
        self.version += 1

    def start_over(self, kite_token: str | None = None) -> None:
        """Forget every life's token and take a new kite token; the operator's stays."""
        self.kite_token = kite_token or new_token()
        self._grants = {OPERATOR: {self._last_operator: Grant(token=self.operator_token)}}
        self.version += 1
        self.issued = {OPERATOR: self.version}

    def issue(
        self,
        name: str,
        life: int,
        *,
        publish: Sequence[str] | None = None,
        subscribe: Sequence[str] | None = None,
        scopes: Sequence[str] = (),
        replica: int = 0,
    ) -> str:
        """A fresh token for a life; those of other lives of the name live until they are revoked."""
        token = new_token()
        grant = Grant(
            token=token,
            publish=None if publish is None else tuple(publish),
            subscribe=None if subscribe is None else tuple(subscribe),
            scopes=tuple(scopes),
            life=life,
            replica=replica or None,
        )
        self._grants.setdefault(name, {})[life] = grant
        self.version += 1
        self.issued[name] = self.version
        return token

    def revoke(self, name: str, life: int) -> None:
        """The life has ended."""
        if self._grants.get(name, {}).pop(life, None) is not None:
            self.version += 1

    def find(self, token: str) -> tuple[str, Grant] | None:
        """Whose living token this is, and what it may do."""
        found = None
        for name, grants in self._grants.items():
            for grant in grants.values():
                if same(grant.token, token):
                    found = (name, grant)
        return found

    def everybody(self) -> dict[str, Any]:
        """The body of a `POST /tokens`: every name that had a token since `start_over`."""
        return {name: self._value(name) for name in self._grants}

    def _value(self, name: str) -> Any:
        grants = [msgspec.to_builtins(grant) for grant in self._grants.get(name, {}).values()]
        if not grants:
            return None
        return grants[0] if len(grants) == 1 else grants
