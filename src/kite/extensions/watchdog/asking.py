"""Asks health endpoints and says what came of it."""

from __future__ import annotations

import asyncio
import errno
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from kite.errors import KiteError, PeerError
from kite.extensions.watchdog.core.judgement import Answered, Outcome, Unanswered, Unmeasured
from kite.http.client import Response, call

AT_ONCE: Final = 16
"""Questions that are open at the same time."""

_LARGEST_BODY: Final = 1 << 16

# What the Watchdog itself lacks says nothing about the module that it wanted to ask.
_OWN_TROUBLE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)


class Asking:
    """A bounded number of questions at a time.

    Args:
        timeout: seconds for one question, from when it is sent.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(self, url: str, clock: Any) -> tuple[float, Outcome]:
        """Ask; the instant (of `clock`) at which it was sent, and what came of it.

        No token is shown: health is open, and an endpoint may be anybody's.
        """
        async with self._turns:
            began = clock()
            return began, await self._ask(url)

    async def _ask(self, url: str) -> Outcome:
        try:
            response = await call("GET", url, timeout=self._timeout)
        except PeerError as wrong:
            return Unanswered(detail=wrong.message)
        except ValueError as wrong:  # no URL after all: a host that is no name, say
            return Unmeasured(detail=str(wrong))
        except KiteError as failed:
            cause = failed.__context__
            if isinstance(cause, OSError) and cause.errno in _OWN_TROUBLE:
                return Unmeasured(detail=str(cause))
            return Unanswered(detail=str(failed.params.get("detail") or failed.message))
        return Answered(status=response.status, word=_word(response))


def endpoint(entry: Any) -> str | None:
    """The URL of an entry's health endpoint: absolute, or a path below its `api_endpoint`.

    None where there is none, or none that can be asked over plain HTTP.
    """
    if not isinstance(entry, dict):
        return None
    health, api = entry.get("health_endpoint"), entry.get("api_endpoint")
    if not isinstance(health, str) or not health:
        return None
    try:
        if not urlsplit(health).scheme:
            if not isinstance(api, str):
                return None
            health = urljoin(f"{api.rstrip('/')}/", health.lstrip("/"))
        parts = urlsplit(health)
        port = parts.port
    except ValueError:
        return None
    is_plain = health.isascii() and health.isprintable() and " " not in health
    can_be_asked = parts.scheme == "http" and bool(parts.hostname) and port != 0
    return health if can_be_asked and is_plain else None


def _word(response: Response) -> str:
    if response.body.lstrip()[:1] != b"{" or len(response.body) > _LARGEST_BODY:
        return ""
    try:
        body = response.json()
    except PeerError:
        return ""
    word = body.get("status") if isinstance(body, dict) else None
    return word.strip().lower()[:40] if isinstance(word, str) else ""
