"""What the Event Hub's port offers to HTTP: one row for each path (`protocol/openapi/event_hub.json`).

What is said after the upgrade is no HTTP: `protocol/schemas/frame-*.schema.json` and `kite spec asyncapi`
tell that.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from kite.http.interface import ANY_TOKEN, HEALTH, Answer, Interface, Operation, metrics


class DoorQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The query of `GET /ws`.

    Args:
        token: for clients that can set no header; it is never logged.
        events: with the subprotocol `cloudevents.json`: a pattern to be subscribed to; any number of
            times.
    """

    token: str | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET


INTERFACE: Final = Interface(
    name="event_hub",
    title="Kite Event Hub",
    description=(
        "The HTTP of the Event Hub's port: a connection carries one request, and `/ws` becomes a"
        " WebSocket (RFC 6455). Every error is a problem document with a code."
    ),
    codes=(
        "bad_host",
        "bad_origin",
        "bad_request",
        "head_too_large",
        "too_many_connections",
    ),
    token_codes=("unauthorized", "not_ready"),
    query_codes=(),
    operations=(
        Operation(
            method="GET",
            path="/ws",
            id="ws",
            summary="The WebSocket",
            who=ANY_TOKEN,
            more=(
                "The token as a bearer, as the parameter `token`, or as the subprotocols `kite.v1`"
                " and `kite.token.<hex>`."
            ),
            query=DoorQuery,
            answers=(Answer(what="frames from here on", status=101, headers=("Upgrade",)),),
            codes=("upgrade_required",),
        ),
        HEALTH,
        metrics(),
    ),
)
