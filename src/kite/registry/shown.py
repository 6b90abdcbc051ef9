"""How entries and tokens are shown to others: in events, to the Event Hub, in answers."""

from __future__ import annotations

from typing import Any

from kite.clock import rfc3339
from kite.registry.core.catalog import Entry
from kite.registry.core.posted import Grant

_TOLD = ("module_type", "name", "api_endpoint", "health_endpoint")


def told_entry(entry: Entry) -> dict[str, Any]:
    """What an event says about an entry."""
    fields = entry.registration.fields()
    said: dict[str, Any] = {"module_id": entry.module_id}
    if entry.life is not None:
        said["life"] = entry.life
    return said | {key: fields[key] for key in _TOLD if key in fields}


def listed_grant(grant: Grant) -> dict[str, Any]:
    """A row of the table that the Event Hub fetches."""
    return {
        "digest": grant.digest,
        "module_id": grant.name,
        "publish": grant.publish,
        "subscribe": grant.subscribe,
        "scopes": grant.scopes,
        "life": grant.life,
        "replica": grant.replica,
        "parent": grant.parent,
        "expires_at": None if grant.expires_at is None else rfc3339(grant.expires_at),
    }


def verified_grant(grant: Grant) -> dict[str, Any]:
    """What `POST /verify` answers."""
    return {key: value for key, value in listed_grant(grant).items() if key != "digest"}
