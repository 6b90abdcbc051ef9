"""The Hub's line to the Registry: the table of tokens, kept current by a long poll; questions about
tokens that the table lacks; and the Hub's own registration."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kite.errors import KiteError, Unavailable
from kite.event_hub.core.rights import Identity
from kite.event_hub.core.tokens import Digests, TokenTable, decode_digests, identity_of_verified
from kite.http.client import call, raise_for
from kite.wire.token import digest

_WAIT: Final = 300.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_ANSWER: Final = 1.5
"""Seconds for the Registry to say who a token is. It may be away, and the connection to it wait in
the socket that the Launcher keeps: who asks gets its 503 soon."""

_QUESTIONS: Final = 16
_REFUSED: Final = 404

_log = logging.getLogger("kite.event_hub")


class Authority:
    """Asks the Registry.

    Args:
        url: of the Registry.
        token: the Hub's own.
        table: what is kept current.
        registration: what the Hub registers as itself.
        on_table: called when a new table is in force.
    """

    def __init__(
        self,
        url: str,
        token: str,
        table: TokenTable,
        registration: dict[str, Any],
        on_table: Callable[[], None],
    ) -> None:
        self._url = url
        self._token = token
        self._table = table
        self._registration = registration
        self._on_table = on_table
        self._questions = asyncio.Semaphore(_QUESTIONS)

    async def follow(self) -> None:
        """Keep the table current for ever. Register whenever the Registry is there anew."""
        pause = _FIRST_PAUSE
        is_away = True
        while True:
            try:
                epoch = self._table.epoch
                self._take(await self._digests(0.0 if is_away else _WAIT))
                if is_away or epoch != self._table.epoch:
                    await self._register()
                if is_away:
                    _log.info("registry.found tokens=%d", len(self._table))
                is_away, pause = False, _FIRST_PAUSE
            except KiteError as error:
                if not is_away:
                    _log.warning("registry.lost code=%s", error.code)
                is_away = True
                # Nobody tells when the Registry is back: it is asked again, ever more slowly.
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def refresh(self) -> None:
        """Fetch the table of this moment.

        Raises:
            KiteError: the Registry does not answer, or cannot tell yet.
        """
        async with self._questions:
            self._take(await self._digests(0.0))

    async def ask(self, token: str) -> Identity | None:
        """Who a token stands for that the table lacks; None when the Registry says nobody.

        Raises:
            Unavailable: the Registry does not answer, or cannot tell yet.
        """
        try:
            async with self._questions:
                response = await call(
                    "POST",
                    f"{self._url}/verify",
                    token=self._token,
                    json={"token": token},
                    timeout=_ANSWER,
                )
            if response.status == _REFUSED:
                return None
            return identity_of_verified(digest(token), raise_for(response).json())
        except (msgspec.ValidationError, ValueError, TypeError, KiteError):
            raise Unavailable("not_ready", what="the registry") from None

    def _take(self, digests: Digests) -> None:
        table = self._table
        if digests.epoch == table.epoch and digests.revision <= table.revision:
            return  # known, or overtaken by a later answer
        table.replace(digests)
        self._on_table()

    async def _digests(self, wait: float) -> Digests:
        table = self._table
        url = (
            f"{self._url}/tokens/digests?epoch={table.epoch}&revision={table.revision}&wait={wait}"
        )
        response = await call("GET", url, token=self._token, timeout=wait + 5.0)
        raise_for(response, url=self._url)
        try:
            return decode_digests(response.body)
        except (msgspec.DecodeError, ValueError) as wrong:
            raise Unavailable("unreachable", url=self._url, detail=str(wrong)) from None

    async def _register(self) -> None:
        response = await call(
            "POST", f"{self._url}/modules", token=self._token, json=self._registration, timeout=5.0
        )
        raise_for(response, url=self._url)
        _log.info("registry.registered")
