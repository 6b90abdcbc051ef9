"""Serves the search page and hands it the token with which it talks to the Event Hub by itself."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kite import Module
from kite.errors import KiteError
from kite.http.server import serve

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
FILES = {file.name: TYPES[file.suffix] for file in PAGE.iterdir() if file.suffix in TYPES}

PUBLISH = ["docs.search", "docs.text", "docs.stats", "docs.preview"]
SUBSCRIBE = [
    "docs.indexed",
    "docs.scan",
    "docs.words",
    "module.started",
    "module.stopped",
    "module.failed",
    "_reply.web.>",
]
SESSION_SECONDS = 600

module = Module()


def is_own_host(request: Request) -> bool:
    """Whether the page was asked for by the name it has: no other name leads here rightly."""
    port = request.scope["server"][1]
    return request.headers.get("host", "") in (f"127.0.0.1:{port}", f"localhost:{port}")


def is_own_page(request: Request) -> bool:
    """Whether the request comes from a script of the page itself."""
    return (
        is_own_host(request)
        and request.headers.get("origin") == f"http://{request.headers['host']}"
        and request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    )


async def registered(path: str) -> Any:
    """A value from the Registry, or None."""
    try:
        return await module.registry.get(path)
    except KiteError:
        return None


async def policy() -> dict[str, str]:
    """What the page may do: its own files, the Hub, pictures from the files' server."""
    hub = await registered("event_hub.metadata.ws_endpoint")
    files = await registered("files.api_endpoint")
    connect = f"'self' ws://{urlsplit(hub).netloc}" if hub else "'self'"
    images = f"'self' data: {files}" if files else "'self' data:"
    return {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self';"
            f" img-src {images}; connect-src {connect};"
            " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-cache",
    }


async def page(request: Request) -> Response:
    """One of the page's files."""
    name = request.path_params.get("name", "index.html")
    if not is_own_host(request):
        return Response("this page is at http://127.0.0.1", 421)
    if name not in FILES:
        return Response("not found", 404)
    # Read each time: a few small files, and who edits them sees it at the next reload.
    return Response((PAGE / name).read_bytes(), headers=await policy(), media_type=FILES[name])


async def session(request: Request) -> Response:
    """What the page's script needs: a token, and where the Hub and the files are."""
    if not is_own_page(request):
        return JSONResponse({"code": "bad_origin"}, 403)
    try:
        granted = await module.registry.session_token(
            publish=PUBLISH, subscribe=SUBSCRIBE, ttl=SESSION_SECONDS
        )
        hub = await module.registry.get("event_hub.metadata.ws_endpoint")
    except KiteError as failed:
        # The Registry or the Hub is being restarted; the page asks again.
        return JSONResponse({"code": failed.code}, 503, headers={"retry-after": "1"})
    return JSONResponse(
        {
            "token": granted.token,
            "seconds": SESSION_SECONDS,
            "ws_endpoint": hub,
            "files": await registered("files.api_endpoint"),
        },
        headers={"cache-control": "no-store"},
    )


async def health(_: Request) -> Response:
    """For the watchdog, and for anybody who wonders."""
    return JSONResponse({"status": "ok"})


application = Starlette(
    routes=[
        Route("/", page),
        Route("/health", health),
        Route("/session", session, methods=["POST"]),
        Route("/{name}", page),
    ]
)


@module.on_start
def begin() -> None:
    """Bind the port and serve."""
    listener = socket.create_server(("127.0.0.1", module.port or 0))
    module.spawn(serve(application, listener, stop=asyncio.Event()))
    print(f"open http://127.0.0.1:{listener.getsockname()[1]}/ to search", flush=True)


if __name__ == "__main__":
    module.run()
