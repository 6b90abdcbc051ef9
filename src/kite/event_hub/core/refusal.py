"""Error frames: what is said when something is refused, or cannot be done any more."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from kite.errors import KiteError
from kite.wire.frame import Error


def error(
    code: str,
    *,
    id: str | int | UnsetType = UNSET,  # noqa: A002  (the wire's word)
    event_id: str | UnsetType = UNSET,
    **params: Any,
) -> Error:
    """An error frame, in English as everything on the wire."""
    missed = params.get("missed", UNSET)
    message = KiteError(code, **params).english
    return Error(code=code, message=message, id=id, event_id=event_id, missed=missed)
