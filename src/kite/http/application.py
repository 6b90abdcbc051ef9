"""What every HTTP interface of Kite does around its routes, once.

In this order: `Host` and `Origin`, a browser's preflight, the token, the route; and whatever goes
wrong becomes a problem document. Routes raise `KiteError`s and return `reply(value)`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kite.errors import InternalError, KiteError, PeerError, RequestError, Unavailable
from kite.http.guard import Guard
from kite.http.open_requests import OpenRequests
from kite.http.problem import problem_bytes, problem_headers
from kite.http.witness import Witness

Authenticate = Callable[[str], Awaitable[Any]]
"""From a token to who speaks, for `request.state.identity`. Raises `PeerError("unauthorized")` for
a token that means nobody and `Unavailable("not_ready")` when that cannot be told yet."""

METHODS: Final = "GET, HEAD, POST, PUT, DELETE"
_PREFLIGHT_SECONDS: Final = "600"
_log = logging.getLogger("kite.http")


def application(
    routes: Sequence[BaseRoute],
    *,
    authenticate: Authenticate,
    guard: Guard,
    open_paths: Collection[str] = ("/health",),
    witness: Witness | None = None,
) -> Starlette:
    """An ASGI application for `kite.http.server.serve`.

    Args:
        routes: Starlette routes with async endpoints. `request.state.identity` is what
            `authenticate` returned, and None on open paths.
        authenticate: asked at each request that is not to an open path.
        guard: the check of `Host` and `Origin`, on every path.
        open_paths: paths that need no token.
        witness: told of what is refused.
    """
    app = Starlette(
        routes=list(routes),
        middleware=[
            Middleware(
                _Gate,
                authenticate=authenticate,
                guard=guard,
                open_paths=open_paths,
                witness=witness,
            )
        ],
        exception_handlers={HTTPException: _refused_by_routing},
    )
    app.router.redirect_slashes = False
    return app


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer. `value` is anything msgspec encodes (structs, dicts …)."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type="application/json",
    )


def refusal(error: KiteError) -> Response:
    """The answer that an error is."""
    return Response(problem_bytes(error), error.status, problem_headers(error))


def bearer(headers: Headers) -> str:
    """The token of the one `Authorization: Bearer` header.

    Raises:
        PeerError: `unauthorized`.
    """
    found = headers.getlist("authorization")
    if len(found) == 1:
        scheme, _, token = found[0].strip().partition(" ")
        if scheme.lower() == "bearer" and (token := token.strip()):
            return token
    raise PeerError("unauthorized")


async def _refused_by_routing(request: Request, raised: Exception) -> Response:
    assert isinstance(raised, HTTPException)
    path = request.url.path
    match raised.status_code:
        case 404:
            return refusal(RequestError("not_found", path=path))
        case 405:
            allow = ", ".join(_methods(request))
            error = RequestError(
                "method_not_allowed", method=request.method, path=path, allow=allow
            )
            return refusal(error)
        case _:
            return refusal(RequestError("bad_request", detail=str(raised.detail)))


def _methods(request: Request) -> list[str]:
    """What may be done with the path: several routes may share it."""
    routes: Sequence[BaseRoute] = request.app.routes
    found = (
        route.methods or ()
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return sorted({method for methods in found for method in methods})


class _Gate:
    """The middleware around all routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticate: Authenticate,
        guard: Guard,
        open_paths: Collection[str],
        witness: Witness | None,
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._guard = guard
        self._open_paths = frozenset(open_paths)
        self._witness = witness
        self._open = OpenRequests()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        out = _Out(send)
        try:
            await self._pass(scope, receive, out)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            # The server is going away and has waited long enough for this route.
            await out.refuse(Unavailable("going_away", what="this service"), scope, receive)
            raise
        except KiteError as error:
            if self._witness is not None:
                self._witness.refused(scope, error)
            await out.refuse(error, scope, receive)
        except Exception as failed:
            _log.exception("request.failed path=%s", scope["path"][:200])
            inside = InternalError("internal_error", detail=type(failed).__name__)
            if not await out.refuse(inside, scope, receive):
                raise

    async def _pass(self, scope: Scope, receive: Receive, out: _Out) -> None:
        headers = Headers(scope=scope)
        origin = self._guard.check(headers.getlist("host"), headers.getlist("origin"))
        out.origin = origin
        if (
            origin is not None
            and scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
        ):
            await _preflight(headers)(scope, receive, out)
            return
        identity = None
        if scope["path"] not in self._open_paths:
            identity = await self._authenticate(bearer(headers))
        scope.setdefault("state", {})["identity"] = identity
        with self._open.one(getattr(identity, "name", None)):
            await self._app(scope, receive, out)


class _Out:
    """The way out: adds what a browser needs, and knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.origin: str | None = None
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            if self.origin is not None:
                headers = MutableHeaders(scope=message)
                headers["access-control-allow-origin"] = self.origin
                headers["access-control-expose-headers"] = "retry-after, kite-epoch, kite-revision"
                headers.append("vary", "origin")
        await self._send(message)

    async def refuse(self, error: KiteError, scope: Scope, receive: Receive) -> bool:
        """Answer with the error's document, if no answer has begun; says whether it did."""
        if self.begun:
            return False
        await refusal(error)(scope, receive, self)
        return True


def _preflight(headers: Headers) -> Response:
    allowed = {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": _PREFLIGHT_SECONDS,
    }
    if headers.get("access-control-request-private-network") == "true":
        allowed["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers=allowed)
