"""What the Registry offers over HTTP: one row for each route (`protocol/openapi/registry.json`)."""

from __future__ import annotations

from typing import Final

from kite.http.interface import ANY_TOKEN, HEALTH, Answer, Interface, Operation, metrics
from kite.registry.core.registration import ModulesRequest
from kite.registry.requests import (
    DigestsQuery,
    SessionRequest,
    StreamEvent,
    TokensTold,
    VerifyRequest,
    WatchQuery,
)

EVENT_STREAM: Final = "text/event-stream"
MAX_FIELDS: Final = 32
"""A look-up may name this many fields."""

_LAUNCHER: Final = ("launcher",)
_CORE: Final = ("launcher", "event_hub")
_POSITION: Final = ("Kite-Epoch", "Kite-Revision")


def _records(what: str) -> tuple[Answer, ...]:
    return (Answer(what=what, shape="registry-records", headers=_POSITION),)


INTERFACE: Final = Interface(
    name="registry",
    title="Kite Registry",
    description=(
        "Who is here, where, offering what; and the authority on tokens. JSON in and out, whatever"
        " a request's content type says; unknown keys and parameters are ignored. Each GET may be"
        " asked as HEAD too. Every error is a problem document with a code."
    ),
    token_codes=("unauthorized", "not_ready", "session_token", "going_away", "limit_reached"),
    operations=(
        HEALTH,
        metrics(),
        Operation(
            method="POST",
            path="/modules",
            id="post_modules",
            summary="Register, renew the lease, deregister",
            who=("launcher", "module"),
            more=(
                "A module speaks for itself alone, the Launcher for anybody. A registration"
                " replaces what was there. To deregister what is gone is no error."
            ),
            body=ModulesRequest,
            answers=(Answer(what="done", shape="registry-answer"),),
            codes=("permission_denied", "not_registered", "limit_reached"),
        ),
        Operation(
            method="GET",
            path="/modules",
            id="modules",
            summary="All records",
            who=ANY_TOKEN,
            answers=_records("by name"),
        ),
        Operation(
            method="GET",
            path="/modules/{module_id}",
            id="module",
            summary="One record",
            who=ANY_TOKEN,
            answers=(Answer(what="it", shape="registry-record", headers=_POSITION),),
            parameters={"module_id": "the module's name"},
        ),
        Operation(
            method="GET",
            path="/lookup",
            id="lookup",
            summary="The records that match",
            who=ANY_TOKEN,
            free_query=(
                "each parameter is a field (dotted; of a list any element) and the glob (`*`, `?`)"
                f" that it must match; {MAX_FIELDS} at most"
            ),
            answers=_records("those that match every field"),
        ),
        Operation(
            method="GET",
            path="/tools",
            id="tools",
            summary="The tools that match",
            who=ANY_TOKEN,
            free_query=(
                "each parameter is a field of a tool (dotted) and the glob (`*`, `?`) that it must"
                f" match; {MAX_FIELDS} at most"
            ),
            answers=(
                Answer(
                    what="what modules offer to be called",
                    shape="registry-tools",
                    headers=_POSITION,
                ),
            ),
        ),
        Operation(
            method="GET",
            path="/get/{path:path}",
            id="get",
            summary="The value at a dotted path",
            who=ANY_TOKEN,
            more="Such as `event_hub.metadata.ws_endpoint`; elements of lists by number.",
            answers=(Answer(what="the value itself", headers=_POSITION),),
            parameters={"path": "a module's name, and the way from there"},
        ),
        Operation(
            method="GET",
            path="/watch",
            id="watch",
            summary="What is here, and then each change",
            who=ANY_TOKEN,
            more=(
                "Server-sent events for as long as the connection stays: `present`, `synced`,"
                " `registered`, `deregistered`, `expired`, `compacted` (see"
                " `protocol/registry.md`). A browser's `Last-Event-ID` does what `since` and"
                " `epoch` do."
            ),
            query=WatchQuery,
            answers=(
                Answer(what="events without an end", media_type=EVENT_STREAM, shape=StreamEvent),
            ),
            codes=("limit_reached",),
        ),
        Operation(
            method="POST",
            path="/tokens",
            id="tokens",
            summary="Who is who",
            who=_LAUNCHER,
            more="Names that are not mentioned stay as they are; null revokes.",
            body="registry-tokens",
            answers=(Answer(what="it holds from now on", shape=TokensTold),),
            codes=("permission_denied",),
        ),
        Operation(
            method="POST",
            path="/tokens/session",
            id="session",
            summary="A narrower token for a module's web pages",
            who=("module",),
            body=SessionRequest,
            answers=(Answer(what="the token", shape="registry-session-answer"),),
            codes=("permission_denied", "limit_reached"),
        ),
        Operation(
            method="GET",
            path="/tokens/digests",
            id="digests",
            summary="The table of tokens, by their digests",
            who=(*_CORE, "operator"),
            more="At once where it is another than the one that is known, else when it changes.",
            query=DigestsQuery,
            answers=(Answer(what="the whole table", shape="registry-digests"),),
            codes=("permission_denied",),
        ),
        Operation(
            method="POST",
            path="/verify",
            id="verify",
            summary="Whose a token is",
            who=_CORE,
            body=VerifyRequest,
            answers=(Answer(what="its owner and rights", shape="registry-verified"),),
            codes=("permission_denied", "unknown_token"),
        ),
    ),
)
