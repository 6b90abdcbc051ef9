"""What an HTTP interface tells the audit log: who was refused, and what was done for whom."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from kite.audit.entry import NOBODY, is_refusal, why
from kite.audit.trail import Trail
from kite.errors import KiteError

_MEANT, _TAKEN = "audit_meant", "audit_taken"


class Witness:
    """Writes into a trail.

    Args:
        trail: the audit log.
        acts: the methods of requests that change something here: whatever they are refused for is
            written, and not only for want of a right.
    """

    def __init__(self, trail: Trail, *, acts: Collection[str] = ()) -> None:
        self._trail = trail
        self._acts = frozenset(acts)

    def refused(self, scope: Scope, error: KiteError) -> None:
        """A request was refused."""
        state = scope.get("state") or {}
        identity = state.get("identity")
        is_act = identity is not None and scope["method"] in self._acts
        if state.get(_TAKEN) or not (is_act or is_refusal(error)):
            return
        what, target = state.get(_MEANT) or (f"{scope['method']} {scope['path']}", None)
        self._trail.refused(
            _name(identity),
            what,
            error.code,
            target=target,
            reason=why(error),
            **_origin(identity, scope),
        )

    def mean(self, request: Request, what: str, target: str | None = None) -> None:
        """Name what a request is for, before it is refused or taken."""
        request.scope.setdefault("state", {})[_MEANT] = (what, target)

    def taken(self, request: Request, *, reason: str | None = None) -> None:
        """What the request is for is being done; what comes of it does not change that."""
        scope = request.scope
        what, target = scope["state"][_MEANT]
        scope["state"][_TAKEN] = True
        identity = scope["state"]["identity"]
        self._trail.done(
            _name(identity), what, target=target, reason=reason, **_origin(identity, scope)
        )


def _name(identity: Any) -> str:
    return NOBODY if identity is None else str(identity.name)


def _origin(identity: Any, scope: Scope) -> dict[str, Any]:
    client = scope.get("client")
    return {"life": getattr(identity, "life", None), "peer": client[1] if client else None}
