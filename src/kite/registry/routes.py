"""The Registry over HTTP: from requests to the service and back (CONTRACT, section 6)."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final

from msgspec import UNSET
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kite.clock import rfc3339
from kite.errors import RequestError
from kite.http.application import application, reply
from kite.http.body import read_json
from kite.http.guard import Guard
from kite.http.metrics import Family, exposition
from kite.http.query import read_query
from kite.http.stream import Stream
from kite.http.witness import Witness
from kite.registry.announcer import Announcer
from kite.registry.core.posted import Grant, parse_posted
from kite.registry.core.registration import ModulesRequest
from kite.registry.interface import EVENT_STREAM, MAX_FIELDS
from kite.registry.requests import (
    DigestsQuery,
    SessionRequest,
    TokensTold,
    VerifyRequest,
    WatchQuery,
)
from kite.registry.service import Registry
from kite.registry.shown import verified_grant
from kite.registry.speaker import Speaker
from kite.version import __version__

MAX_WAIT: Final = 300.0
"""Seconds a `GET /tokens/digests` waits at most."""

HUB: Final = "event_hub"

_REVISION: Final = re.compile(r"[0-9]{1,15}")


def registry_app(
    registry: Registry,
    announcer: Announcer,
    *,
    port: int,
    life: int = 1,
    witness: Witness | None = None,
) -> Starlette:
    """The application.

    Args:
        registry: the service.
        announcer: told where the Hub is whenever that may have changed.
        port: where it listens.
        life: which process of the Registry this is, if its token does not say so.
        witness: told of what is refused.
    """
    return application(
        _Routes(registry, announcer, life).routes(),
        authenticate=registry.authenticate,
        guard=Guard(
            port=port, ports=lambda: registry.ports, origins=tuple(registry.config.origins)
        ),
        witness=witness,
    )


class _Routes:
    def __init__(self, registry: Registry, announcer: Announcer, life: int) -> None:
        self._registry = registry
        self._life = life
        self._announcer = announcer

    def routes(self) -> list[Route]:
        return [
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            Route("/modules", self.post_modules, methods=["POST"]),
            Route("/modules", self.modules),
            Route("/modules/{module_id}", self.module),
            Route("/lookup", self.lookup),
            Route("/tools", self.tools),
            Route("/get/{path:path}", self.get),
            Route("/watch", self.watch),
            Route("/tokens", self.tokens, methods=["POST"]),
            Route("/tokens/session", self.session, methods=["POST"]),
            Route("/tokens/digests", self.digests),
            Route("/verify", self.verify, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        return reply({"status": "ok", "version": __version__})

    async def post_modules(self, request: Request) -> Response:
        body = await read_json(request, ModulesRequest)
        body.check()
        answer = await self._registry.handle(body, _speaker(request))
        if body.module_id == HUB:
            self._tell_announcer()
        return reply(answer)

    async def modules(self, _request: Request) -> Response:
        return self._read({"modules": self._registry.records()})

    async def module(self, request: Request) -> Response:
        return self._read(self._registry.record(request.path_params["module_id"]))

    async def lookup(self, request: Request) -> Response:
        return self._read({"modules": self._registry.records(_fields(request))})

    async def tools(self, request: Request) -> Response:
        return self._read({"tools": self._registry.tools(_fields(request))})

    async def get(self, request: Request) -> Response:
        return self._read(self._registry.get(request.path_params["path"]))

    async def watch(self, request: Request) -> Response:
        """What is here, and then each change, as server-sent events."""
        following = self._registry.following
        if request.method == "HEAD":
            return Response(media_type=EVENT_STREAM)
        query = read_query(request, WatchQuery)
        epoch, since = _position(query, request.headers.get("last-event-id"), following.epoch)
        reader = following.open(query.prefix, _speaker(request).grant)
        return Stream(
            reader.parts(since=since, is_known=epoch == following.epoch),
            media_type=EVENT_STREAM,
            until=reader.ended,
            at_end=partial(following.close, reader),
        )

    def _read(self, value: Any) -> Response:
        """An answer that says which state it is of, so that a reader may follow from there."""
        position = self._registry.following.position()
        return reply(value, headers={f"kite-{name}": str(at) for name, at in position.items()})

    async def tokens(self, request: Request) -> Response:
        _speaker(request).must_be_launcher("say who has which token")
        body = await read_json(request, dict[str, Any])
        posted = parse_posted(body)
        await self._registry.post_tokens(posted, _token_of(body.get("registry")))
        self._tell_announcer()
        return reply(TokensTold(revision=self._registry.revision.number))

    async def session(self, request: Request) -> Response:
        grant = _speaker(request).module("ask for a session token, being no module")
        body = await read_json(request, SessionRequest)
        publish, subscribe = body.check()
        token, session = await self._registry.open_session(
            grant,
            publish=publish,
            subscribe=subscribe,
            ttl=body.ttl,
        )
        assert session.expires_at is not None
        return reply({"token": token, "expires_at": rfc3339(session.expires_at)})

    async def digests(self, request: Request) -> Response:
        _speaker(request).may_see_digests()
        query = read_query(request, DigestsQuery)
        table = await self._registry.digests(
            epoch=query.epoch or None, revision=query.revision, wait=min(query.wait, MAX_WAIT)
        )
        return reply(table)

    async def verify(self, request: Request) -> Response:
        _speaker(request).must_be_launcher_or_hub("ask whose a token is")
        body = await read_json(request, VerifyRequest)
        grant: Grant = self._registry.verify(body.token)
        return reply(verified_grant(grant))

    async def metrics(self, _request: Request) -> Response:
        registry, backlog = self._registry, self._announcer.backlog
        tokens = registry.tokens.count()
        return exposition(
            [
                _one("kite_registry_entries", "modules that are registered", len(registry.catalog)),
                _one("kite_registry_entry_bytes", "size of all entries", registry.catalog.size),
                _one("kite_registry_tokens", "live tokens without sessions", tokens["tokens"]),
                _one("kite_registry_sessions", "live session tokens", tokens["sessions"]),
                _one("kite_registry_streams", "open streams of changes", len(registry.following)),
                _one("kite_registry_kept_events", "events not published yet", len(backlog)),
                _one(
                    "kite_registry_hub_connected",
                    "1 while connected to the Event Hub",
                    int(self._announcer.is_connected),
                ),
                Family(
                    name="kite_registry_changes",
                    help="what has been done, by kind",
                    kind="counter",
                    samples={(("kind", kind),): n for kind, n in registry.counts.items()},
                ),
            ]
        )

    def _tell_announcer(self) -> None:
        """Where the Hub is and who the Registry is there may be different now."""
        token, life = self._registry.own_token or (None, None)
        self._announcer.set_hub(self._registry.hub_endpoint(), token, life or self._life)


def _fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a look-up, each with its glob."""
    query = request.query_params.multi_items()
    if len(query) > MAX_FIELDS:
        detail = f"expected at most {MAX_FIELDS} fields, got {len(query)}"
        raise RequestError("bad_query", name=query[MAX_FIELDS][0], detail=detail)
    return query


def _position(query: WatchQuery, last: str | None, epoch: str) -> tuple[str, int | None]:
    """After which change a stream is to go on: what the query says, or the `Last-Event-ID` of a
    browser that reconnects; (…, None): nothing was said."""
    if query.since is not UNSET:
        return (epoch if query.epoch is UNSET else query.epoch), query.since
    if last is None:
        return epoch, None
    seen, _, revision = last.rpartition(":")
    return (seen, int(revision)) if _REVISION.fullmatch(revision) else ("", 0)


def _speaker(request: Request) -> Speaker:
    speaker = request.state.identity
    assert isinstance(speaker, Speaker)
    return speaker


def _token_of(value: Any) -> str | None:
    """The Registry's own token in the body of `POST /tokens`: of several the last."""
    if isinstance(value, list):
        value = value[-1] if value else None
    if isinstance(value, dict):
        value = value.get("token")
    return value if isinstance(value, str) else None


def _one(name: str, text: str, value: float) -> Family:
    return Family(name=name, help=text, samples={(): value})
